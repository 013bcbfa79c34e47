"""Trained too long, on made-up curves."""

from __future__ import annotations

import math
from typing import Any

import pytest

from support.made_up import epochs, evidence
from unfreeze.diagnosis.finding import Finding
from unfreeze.diagnosis.trained_too_long import EPOCHS_PAST_BEST, LONG, NOISE_FACTOR, RISE, THRESHOLDS, trained_too_long
from unfreeze.recipe.read import read_recipe


def of(val_loss: list[Any], train_loss: list[Any] | None = None, **columns: Any) -> Finding:
    falling = [0.9 * 0.95**epoch for epoch in range(len(val_loss))]
    return trained_too_long(evidence(epochs(val_loss=val_loss, train_loss=train_loss or falling, **columns), best_epoch=1))


def test_found() -> None:
    finding = of([0.9, 0.7, 0.5, 0.6, 0.7, 0.8, 0.9])
    assert (finding.code, finding.outcome, finding.severity, finding.epoch) == ("trained-too-long", "found", "note", 3)
    assert finding.measured == pytest.approx({"lowest_val_loss": 0.5, "last_val_loss": 0.8, "rise": 0.6, "epochs_past_best": 4})
    assert finding.thresholds == THRESHOLDS
    assert finding.explanation == (
        "validation loss was lowest in epoch 3 (0.500) and ended at 0.800 while training loss went on falling."
        " The weights of the best epoch are the ones to keep."
    )


def test_for_most_of_a_long_phase_it_is_a_warning() -> None:
    long = 2 * LONG
    assert of([0.9, 0.5, *[0.6 + 0.05 * epoch for epoch in range(long)]]).severity == "warning"
    early = [2 - 0.01 * epoch for epoch in range(10 * long)]
    assert of([*early, *[early[-1] * (1.2 + 0.1 * epoch) for epoch in range(long)]]).severity == "note"


@pytest.mark.parametrize(("boundary", "section"), [("head", "head_only"), ("stage3", "unfrozen"), ("stem", "unfrozen")])
def test_the_remedy_stops_earlier_in_that_phase(boundary: str, section: str) -> None:
    finding = of([0.5, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3], boundary=boundary)
    assert list(finding.remedy) == [f"{section}.stopping.patience_epochs"]
    patience = getattr(read_recipe(None, finding.remedy), section).stopping.patience_epochs
    assert EPOCHS_PAST_BEST <= patience < finding.measured["epochs_past_best"]


@pytest.mark.parametrize(
    ("val_loss", "train_loss"),
    [
        ([0.9, 0.8, 0.7, 0.6], None),
        ([0.5, 0.5, 0.5, 0.5], None),
        ([0.5, 0.5 + 0.1 * RISE, 0.5 + 0.2 * RISE, 0.5 + 0.3 * RISE], None),
        ([0.8, 0.6, 0.5, 0.9], None),
        ([0.5, 0.7, 0.8, 0.9, 1.0], [0.5, 0.7, 0.8, 0.9, 1.0]),
        ([0.0, 0.0, 0.0, 0.0], None),
        ([0.0, 0.3, 0.3, 0.3], None),
    ],
    ids=["falling", "flat", "a small rise", "one epoch only", "training rises too", "nothing", "from nothing"],
)
def test_not_found(val_loss: list[float], train_loss: list[float] | None) -> None:
    finding = of(val_loss, train_loss)
    assert (finding.outcome, finding.severity, finding.remedy) == ("not found", "note", {})
    assert finding.explanation.endswith("it didn't turn up for long")


def test_a_rise_within_the_noise_of_the_curve_is_none() -> None:
    noisy = [0.7, 0.9, 0.7, 0.9, 0.5, 0.9, 0.7, 0.9, 0.7]
    finding = of(noisy)
    assert finding.measured["rise"] > RISE
    assert finding.outcome == "not found"
    smooth = [0.9, 0.8, 0.7, 0.6, 0.5, 0.6, 0.7, 0.8, 0.9]
    assert of(smooth).outcome == "found"
    assert NOISE_FACTOR > 0


@pytest.mark.parametrize("val_loss", [[0.5], [0.5, 0.9]])
def test_could_not_tell_after_one_or_two_epochs(val_loss: list[float]) -> None:
    assert of(val_loss).outcome == "could not tell"


def test_each_phase_by_itself() -> None:
    lower_before = of([0.1, 0.9, 0.8, 0.7, 0.6, 0.5], phase=[1, 2, 2, 2, 2, 2])
    assert lower_before.outcome != "found"
    turned, fell = [0.5, 0.6, 0.7, 0.8, 0.9], [0.4, 0.39, 0.38, 0.37, 0.36]
    finding = of(
        [*turned, *fell], phase=[1] * 5 + [2] * 5, boundary=["stage3"] * 5 + ["head"] * 5, phase_name=["one"] * 5 + ["two"] * 5
    )
    assert (finding.outcome, finding.epoch) == ("found", 1)
    assert list(finding.remedy) == ["unfrozen.stopping.patience_epochs"]


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("place", range(6))
def test_an_epoch_without_a_validation_loss_is_passed_over(bad: float, place: int) -> None:
    val_loss = [0.5, 0.7, 0.8, 0.9, 1.0]
    val_loss.insert(place, bad)
    finding = of(val_loss)
    assert finding.outcome == "found"
    assert finding.measured["lowest_val_loss"] == 0.5
    assert finding.measured["last_val_loss"] == pytest.approx(0.9)


@pytest.mark.parametrize("missing", ["train_loss", "val_loss"])
def test_could_not_tell_without_both_losses(missing: str) -> None:
    finding = trained_too_long(evidence(epochs(rate=[0.1] * 5, **{missing: math.nan})))
    assert (finding.outcome, finding.remedy, finding.thresholds) == ("could not tell", {}, THRESHOLDS)
