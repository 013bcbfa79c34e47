"""What a plan does about unequal classes, in words."""

from __future__ import annotations

from typing import Any

import pytest

from support.made_up import small_plan
from unfreeze.recipe.plan import Plan
from unfreeze.report.imbalance import by_class, imbalance_in_words, loss_in_words


def plan_of(**changes: Any) -> Plan:
    plan = small_plan(classes=("cat", "dog"))
    counts = plan.data.counts | {"train": {"cat": 20, "dog": 80}}
    return plan.model_copy(update={"data": plan.data.model_copy(update={"counts": counts}), **changes})


WEIGHTED = plan_of(class_weights={"cat": 2.5, "dog": 0.625}, focal_gamma=2.0, label_smoothing=0.1)
ADJUSTED = plan_of(logit_offsets={"cat": -1.609, "dog": -0.223})
OVERSAMPLED = plan_of(oversample=True, repeats={"cat": 4.0, "dog": 1.0}, pictures_per_epoch=160)


@pytest.mark.parametrize(
    ("plan", "imbalance", "loss"),
    [
        (plan_of(), "nothing done", "cross-entropy, label smoothing 0"),
        (
            WEIGHTED,
            "class weights in the loss, 0.625 (dog, 80 pictures) to 2.5 (cat, 20 pictures)",
            "focal loss, γ 2, label smoothing 0.1",
        ),
        (
            ADJUSTED,
            "added to logits in training, not in predictions: -0.223 (dog, 80 pictures) to -1.61 (cat, 20 pictures)",
            "logit-adjusted cross-entropy, label smoothing 0",
        ),
        (
            OVERSAMPLED,
            "oversampled to 160 pictures an epoch, 60 of them repeats; times a picture is shown: 1 (dog, 80 pictures) to 4"
            " (cat, 20 pictures)",
            "cross-entropy, label smoothing 0",
        ),
        # As earlier versions wrote it.
        (
            OVERSAMPLED.model_copy(update={"repeats": None}),
            "oversampled to 160 pictures an epoch, 60 of them repeats",
            "cross-entropy, label smoothing 0",
        ),
    ],
)
def test_in_words(plan: Plan, imbalance: str, loss: str) -> None:
    assert (imbalance_in_words(plan), loss_in_words(plan)) == (imbalance, loss)


def test_only_what_is_done_has_numbers() -> None:
    assert by_class(plan_of()) == {}
    assert by_class(WEIGHTED) == {"weight in the loss": {"cat": 2.5, "dog": 0.625}}
    assert by_class(ADJUSTED) == {"added to the logit": {"cat": -1.609, "dog": -0.223}}
    assert by_class(OVERSAMPLED) == {"times an epoch": {"cat": 4.0, "dog": 1.0}}
