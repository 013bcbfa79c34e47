"""What a plan changes in training pictures, in words."""

from __future__ import annotations

from unfreeze.recipe.recipe import Augment
from unfreeze.report.augmentation import augmentation_in_words


def test_what_is_off_by_default_is_named_where_it_is_on() -> None:
    usual = "crop from 0.35 of the area, flip on, rotation ±10°, jitter ±0.2"
    assert augmentation_in_words(Augment(views=8)) == f"{usual}; 8 views"
    everything = Augment(views=None, trivial=True, erasing=0.25, mixup=0.2, cutmix=1.0)
    assert augmentation_in_words(everything) == (
        f"{usual}; TrivialAugment; a box erased in 25% of the views; Mixup, parts from Beta(0.2, 0.2) or CutMix, parts from"
        " Beta(1, 1); a new view in every epoch"
    )
    assert augmentation_in_words(Augment(views=2, flip=False, cutmix=0.5)).endswith(
        "off, rotation ±10°, jitter ±0.2; CutMix, parts from Beta(0.5, 0.5); 2 views"
    )
