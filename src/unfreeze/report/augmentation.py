"""What a plan changes in training pictures, in words."""

from __future__ import annotations

from unfreeze.recipe.recipe import Augment


def augmentation_in_words(augment: Augment) -> str:
    """The changes, and how many random views there are. Those that are off by default are named where they are on."""
    changes = [
        f"crop from {augment.crop_min_area:g} of the area, flip {'on' if augment.flip else 'off'},"
        f" rotation ±{augment.rotation_degrees:g}°, jitter ±{augment.jitter:g}",
        "TrivialAugment" if augment.trivial else "",
        f"a box erased in {augment.erasing:.0%} of the views" if augment.erasing else "",
        _mixing_in_words(augment),
        "a new view in every epoch" if augment.views is None else f"{augment.views} views",
    ]
    return "; ".join(change for change in changes if change)


def _mixing_in_words(augment: Augment) -> str:
    named = {"Mixup": augment.mixup, "CutMix": augment.cutmix}
    return " or ".join(f"{name}, parts from Beta({alpha:g}, {alpha:g})" for name, alpha in named.items() if alpha)
