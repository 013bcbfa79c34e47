"""Overfitting on made-up histories."""

from __future__ import annotations

import pytest

from support.made_up import epoch_record, epochs
from unfreeze.diagnosis.finding import validation_noise
from unfreeze.diagnosis.overfitting import GAP, NOISE_FACTOR, overfitting
from unfreeze.recipe.read import read_recipe

MANY = [[400, 100], [150, 350]]  # 1,000 pictures
FEW = [[4, 1], [2, 3]]  # 10 pictures


def test_found():
    finding = overfitting(epochs(train_accuracy=[0.9, 0.97, 0.98, 0.99], val_accuracy=[0.76, 0.75, 0.75, 0.75], confusion=MANY))
    assert (finding.code, finding.outcome, finding.severity, finding.epoch) == ("overfitting", "found", "warning", 4)
    assert finding.measured["train_accuracy"] == pytest.approx(0.98)  # the mean of the last three epochs
    assert finding.measured["val_accuracy"] == pytest.approx(0.75)
    assert finding.measured["gap"] == pytest.approx(0.23)
    assert finding.measured["val_standard_error"] == pytest.approx((0.75 * 0.25 / 1000) ** 0.5)
    assert finding.explanation.startswith("training accuracy 98.0%, validation accuracy 75.0%: the network knows")


def test_the_remedy_regularises_and_can_be_followed():
    finding = overfitting(epochs(train_accuracy=[1.0] * 3, val_accuracy=0.5, confusion=MANY))
    recipe = read_recipe(None, finding.remedy)
    assert recipe.head.dropout == 0.5
    assert recipe.augment.rotation_degrees == 15.0
    assert recipe.augment.crop_min_area == 0.2


@pytest.mark.parametrize(
    ("train", "validation"),
    [(0.9, 0.85), (0.9, 0.9), (0.6, 0.9), (0.3, 0.25), (1.0, 1.0), (0.0, 0.0)],
    ids=["small gap", "none", "validation better", "both low", "both perfect", "both nothing"],
)
def test_not_found(train, validation):
    finding = overfitting(epochs(train_accuracy=[train] * 5, val_accuracy=validation, confusion=MANY))
    assert (finding.outcome, finding.remedy) == ("not found", {})
    assert finding.explanation.endswith("close enough")


def test_could_not_tell_with_few_validation_pictures():
    finding = overfitting(epochs(train_accuracy=[0.95] * 3, val_accuracy=0.7, confusion=FEW))
    assert (finding.outcome, finding.remedy) == ("could not tell", {})
    assert "so few validation pictures that the gap may be chance" in finding.explanation
    assert finding.measured["gap"] < finding.thresholds["standard_errors"] * finding.measured["val_standard_error"]


def test_the_same_gap_with_many_pictures_is_found():
    assert overfitting(epochs(train_accuracy=[0.95] * 3, val_accuracy=0.7, confusion=MANY)).outcome == "found"


def test_thresholds_stand_in_every_answer():
    for validation in (0.5, 0.9):
        finding = overfitting(epochs(train_accuracy=[0.9], val_accuracy=validation))
        assert finding.thresholds == {"gap": GAP, "standard_errors": NOISE_FACTOR}


def test_one_lucky_epoch_decides_nothing():
    history = epochs(train_accuracy=[0.8, 0.8, 1.0], val_accuracy=[0.8, 0.8, 0.75], confusion=MANY)
    assert overfitting(history).outcome == "not found"


def test_only_the_last_phase_counts():
    history = epochs(phase=[1, 1, 1, 2, 2], train_accuracy=[0.1, 0.1, 0.1, 0.99, 0.99], val_accuracy=0.7, confusion=MANY)
    finding = overfitting(history)
    assert finding.outcome == "found"
    assert finding.measured["train_accuracy"] == pytest.approx(0.99)


@pytest.mark.parametrize(("accuracy", "part"), [(0.5, 0.5), (0.0, 1 / 101), (1.0, 100 / 101)])
def test_noise_is_the_standard_error_and_never_nothing(accuracy, part):
    assert validation_noise(epoch_record(val_accuracy=accuracy)) == pytest.approx((part * (1 - part) / 100) ** 0.5)
