"""Unequal classes: weights for the loss, or repeats of rare pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from unfreeze.errors import RecipeError, did_you_mean
from unfreeze.recipe.recipe import Imbalance


def class_weights(counts: Mapping[str, int], settings: Imbalance) -> dict[str, float] | None:
    """The weight of each class in the loss, or None for equal ones.

    `balanced` is N / (K · n_c), scikit-learn's `compute_class_weight`: a class at its fair share has weight 1.

    Args:
        counts: training pictures of each class, all at least 1.

    Raises:
        RecipeError: weights by name that lack a class or name one that isn't there.
    """
    asked = settings.class_weights
    if asked == "none":
        return None
    if asked == "balanced":
        total = sum(counts.values())
        return {label: total / (len(counts) * count) for label, count in counts.items()}
    unknown, missing = [name for name in asked if name not in counts], [name for name in counts if name not in asked]
    if unknown or missing:
        raise RecipeError(
            "imbalance.class_weights: "
            + "; ".join(
                [f"there is no class '{name}'.{did_you_mean(name, counts)}" for name in unknown]
                + [f"no weight is given for class '{name}'" for name in missing]
            )
        )
    return {label: float(asked[label]) for label in counts}


def epoch_items(labels: Sequence[int], oversample: bool, seed: int, epoch: int) -> list[tuple[int, int]]:
    """The pictures of one training epoch, before shuffling, each as (picture number, number of its repeat).

    Without oversampling every picture comes once. With it every class comes as often as the largest: each of its
    pictures the same number of times, and a random few, other ones in each epoch, once more.
    """
    if not oversample:
        return [(index, 0) for index in range(len(labels))]
    numbers = np.asarray(labels)
    largest = int(np.bincount(numbers).max())
    generator = np.random.default_rng((seed, epoch))
    items: list[tuple[int, int]] = []
    for label in np.unique(numbers):
        members = np.flatnonzero(numbers == label)
        rounds, rest = divmod(largest, len(members))
        items += [(int(index), repeat) for repeat in range(rounds) for index in members]
        items += [(int(index), rounds) for index in sorted(generator.choice(members, rest, replace=False))]
    return items


def pictures_per_epoch(counts: Mapping[str, int], oversample: bool) -> int:
    """How many pictures `epoch_items` gives for these training counts."""
    return max(counts.values()) * len(counts) if oversample else sum(counts.values())
