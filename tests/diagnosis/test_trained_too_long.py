"""Trained too long on made-up histories."""

from __future__ import annotations

import math

import pytest

from support.made_up import epochs
from unfreeze.diagnosis.trained_too_long import EPOCHS_PAST_BEST, RISE, trained_too_long
from unfreeze.recipe.read import read_recipe

FALLING = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4]


def of(val_loss, train_loss=None, **columns):
    return trained_too_long(epochs(val_loss=val_loss, train_loss=train_loss or FALLING[: len(val_loss)], **columns))


def test_found():
    finding = of([0.9, 0.6, 0.5, 0.55, 0.6, 0.7])
    assert (finding.code, finding.outcome, finding.severity) == ("trained-too-long", "found", "note")
    assert finding.epoch == 3
    assert finding.measured == pytest.approx(
        {"lowest_val_loss": 0.5, "last_val_loss": 0.65, "rise": 0.3, "epochs_past_best": 3}
    )
    assert finding.explanation == (
        "validation loss was lowest in epoch 3 (0.500) and ended at 0.650 while training loss went on falling."
        " The weights of the best epoch are the ones kept."
    )


@pytest.mark.parametrize(("boundary", "section"), [("head", "head_only"), ("stage3", "unfrozen"), ("stem", "unfrozen")])
def test_the_remedy_stops_earlier_in_that_phase_and_can_be_followed(boundary, section):
    finding = of([0.5, 0.7, 0.8, 0.9], boundary=boundary)
    assert finding.remedy == {f"{section}.stopping.patience_epochs": EPOCHS_PAST_BEST}
    assert getattr(read_recipe(None, finding.remedy), section).stopping.patience_epochs == EPOCHS_PAST_BEST


@pytest.mark.parametrize(
    ("val_loss", "train_loss"),
    [
        ([0.9, 0.8, 0.7, 0.6], None),
        ([0.5, 0.5, 0.5, 0.5], None),
        ([0.5, 0.51, 0.52, 0.53], None),
        ([0.8, 0.6, 0.5, 0.9], None),
        ([0.5, 0.7, 0.8, 0.9], [0.5, 0.7, 0.8, 0.9]),
        ([0.0, 0.0, 0.0, 0.0], None),
        ([0.0, 0.3, 0.3, 0.3], None),
    ],
    ids=["falling", "flat", "a small rise", "one epoch only", "training rises too", "nothing", "from nothing"],
)
def test_not_found(val_loss, train_loss):
    finding = of(val_loss, train_loss)
    assert (finding.outcome, finding.remedy) == ("not found", {})
    assert finding.explanation.endswith("it didn't turn up for long")


@pytest.mark.parametrize("val_loss", [[0.5], [0.5, 0.9]])
def test_could_not_tell_after_one_or_two_epochs(val_loss):
    assert of(val_loss).outcome == "could not tell"


def test_only_the_last_phase_counts():
    finding = of([0.1, 0.9, 0.8, 0.7, 0.6, 0.5], phase=[1, 2, 2, 2, 2, 2])
    assert (finding.outcome, finding.epoch) == ("not found", 6)


def test_thresholds_stand_in_every_answer():
    for val_loss in ([0.5], [0.5, 0.4, 0.3], [0.5, 0.7, 0.8, 0.9]):
        assert of(val_loss).thresholds == {"rise": RISE, "epochs_past_best": EPOCHS_PAST_BEST}


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("place", range(5))
def test_an_epoch_without_a_validation_loss_is_passed_over(bad, place):
    val_loss = [0.5, 0.7, 0.8, 0.9]
    val_loss.insert(place, bad)
    finding = of(val_loss)
    assert finding.outcome == "found"
    assert finding.measured["lowest_val_loss"] == 0.5
    assert finding.measured["last_val_loss"] == pytest.approx(0.85)


def test_no_validation_loss_at_all():
    finding = of([math.nan] * 4)
    assert (finding.outcome, finding.remedy) == ("could not tell", {})
