"""Underfitting on made-up curves."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.made_up import epochs, evidence, small_network, small_plan
from unfreeze.diagnosis.finding import Finding
from unfreeze.diagnosis.underfitting import DROPOUT, LEAST_EPOCHS, LOW, RAISE, THRESHOLDS, USUAL_DROPOUT, underfitting
from unfreeze.recipe.read import read_recipe
from unfreeze.recipe.recipe import Head

LENGTH = LEAST_EPOCHS + 4


def of(train: list[Any], validation: Any, train_loss: Any = 1.0, plan: Any = None, **columns: Any) -> Finding:
    history = epochs(train_accuracy=train, val_accuracy=validation, train_loss=train_loss, **columns)
    return underfitting(evidence(history, plan=plan))


def flat(accuracy: float = 0.4, length: int = LENGTH, **columns: Any) -> Finding:
    return of([accuracy] * length, accuracy, **columns)


def test_found() -> None:
    finding = flat()
    assert (finding.code, finding.outcome, finding.severity, finding.epoch) == ("underfitting", "found", "warning", LENGTH)
    assert finding.measured == pytest.approx(
        {"train_accuracy": 0.4, "val_accuracy": 0.4, "rise_per_epoch": 0, "loss_fall_per_epoch": 0}
    )
    assert finding.thresholds == THRESHOLDS
    assert finding.explanation.startswith("training accuracy 40.0%, validation accuracy 40.0%, rising 0.00% an epoch: low")


def test_found_where_training_accuracy_falls() -> None:
    finding = of([0.5, 0.48, 0.46, 0.44, 0.42, 0.40], 0.45)
    assert finding.outcome == "found"
    assert finding.measured["rise_per_epoch"] == pytest.approx(-0.02)


def test_the_rise_is_by_the_epoch_over_the_second_half() -> None:
    assert of([0.1, 0.2, 0.3, 0.4], 0.3).measured["rise_per_epoch"] == pytest.approx(0.1)
    # Of eight epochs the last four: from the mean of the first two of them to that of the last two, two epochs later.
    assert of([0.9, 0.9, 0.9, 0.9, 0.1, 0.2, 0.3, 0.4], 0.3).measured["rise_per_epoch"] == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("train", "validation", "train_loss"),
    [(0.98, 0.97, 0.1), (LOW + 0.01, LOW - 0.01, 0.6), (LOW - 0.01, LOW + 0.01, 0.6), (0.75, 0.3, 0.1)],
    ids=["learned", "not low", "validation not low", "a gap, which is overfitting"],
)
def test_not_found(train: float, validation: float, train_loss: float) -> None:
    finding = of([train] * LENGTH, validation, train_loss)
    assert (finding.outcome, finding.severity, finding.remedy) == ("not found", "note", {})


def test_a_gap_of_a_network_that_knows_little_is_no_overfitting() -> None:
    assert of([0.5] * LENGTH, 0.3, train_loss=1.0).outcome == "found"


@pytest.mark.parametrize("length", [1, LEAST_EPOCHS - 1])
def test_could_not_tell_after_few_epochs(length: int) -> None:
    finding = flat(length=length)
    assert (finding.outcome, finding.severity) == ("could not tell", "note")
    assert finding.explanation.endswith(f"low, but {length} epochs show no trend")
    assert read_recipe(None, finding.remedy).head_only.epochs == 2 * length


def test_could_not_tell_while_still_rising() -> None:
    rising = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
    finding = of(rising, rising, train_loss=[1.1, 1.0, 0.9, 0.8, 0.7, 0.6], boundary="stage3")
    assert finding.outcome == "could not tell"
    assert finding.explanation.endswith("low, but still rising: train longer")
    assert finding.measured["loss_fall_per_epoch"] == pytest.approx((1 - 0.6 / 0.8) / 2)
    assert read_recipe(None, finding.remedy).unfrozen.epochs == 12


def test_one_lucky_epoch_decides_nothing() -> None:
    assert of([0.4] * (LENGTH - 1) + [0.42], 0.4).outcome == "found"


@pytest.mark.parametrize("missing", ["train_accuracy", "val_accuracy"])
def test_could_not_tell_without_both_accuracies(missing: str) -> None:
    finding = underfitting(evidence(epochs(rate=[0.1] * LENGTH, **{missing: None})))
    assert (finding.outcome, finding.remedy, finding.thresholds) == ("could not tell", {}, THRESHOLDS)


@pytest.mark.parametrize(
    ("boundary", "remedy"),
    [
        ("head", {"strategy": "fine-tune-top"}),
        ("stage3", {"strategy": "full"}),
        ("layer4.0.conv1", {"strategy": "full"}),
        ("stem", {"unfrozen.rate": 0.001 * RAISE}),
    ],
)
def test_remedies_train_more_of_the_network_or_faster(boundary: str, remedy: dict[str, Any]) -> None:
    finding = flat(boundary=boundary, rate=0.001)
    assert finding.remedy == pytest.approx(remedy) if boundary == "stem" else finding.remedy == remedy
    read_recipe(None, finding.remedy)


def test_strong_dropout_is_made_less() -> None:
    strong, usual = (small_plan(head=Head(dropout=dropout)) for dropout in (DROPOUT + 0.1, USUAL_DROPOUT))
    assert flat(plan=strong).remedy == {"head.dropout": USUAL_DROPOUT, "strategy": "fine-tune-top"}
    assert flat(plan=usual).remedy == {"strategy": "fine-tune-top"}


def test_a_frozen_base_of_random_weights_is_why() -> None:
    plan = small_plan(network=small_network(pretrained=False))
    for boundary in ("head", "stage3"):
        finding = flat(plan=plan, boundary=boundary)
        assert (finding.outcome, finding.severity) == ("found", "warning")
        assert "the frozen base has random weights" in finding.explanation
        assert read_recipe(None, finding.remedy).weights == "pretrained"
    assert "random weights" not in flat(plan=plan, boundary="stem").explanation


def test_a_history_without_rates_or_boundaries_has_a_finding_without_a_remedy() -> None:
    finding = flat(boundary=None, rate=None)
    assert (finding.outcome, finding.remedy) == ("found", {})


@settings(deadline=None, max_examples=50)
@given(
    accuracy=st.floats(0, 1),
    before=st.floats(0, 1),
    boundary=st.sampled_from(["head", "stage2", "stem"]),
    length=st.integers(1, 9),
    rate=st.floats(1e-12, 1),
)
def test_every_remedy_can_be_followed(accuracy: float, before: float, boundary: str, length: int, rate: float) -> None:
    # A cosine schedule ends on rates near nothing: rounded to a number of decimals, the remedy was once rate 0.
    curve = [before, *[accuracy] * length]
    finding = of(curve, curve, phase=[1, *[2] * length], boundary=boundary, rate=rate)
    read_recipe(None, finding.remedy)
    assert finding.outcome in ("found", "could not tell") if finding.remedy else True
