"""Stopped too early, on made-up curves."""

from __future__ import annotations

import math
from typing import Any

import pytest

from support.made_up import epochs, evidence, small_plan
from unfreeze.diagnosis.evidence import phases_of
from unfreeze.diagnosis.finding import Finding
from unfreeze.diagnosis.stopped_too_early import LEARNED, THRESHOLDS, stopped_too_early
from unfreeze.recipe.read import read_recipe
from unfreeze.training.loop import NO_BETTER

FALLING = [1.0, 0.9, 0.8, 0.7, 0.6, 0.5]


def of(loss: list[Any], plan: Any = None, **columns: Any) -> Finding:
    """Of a training whose two losses do the same."""
    return stopped_too_early(evidence(epochs(**{"train_loss": loss, "val_loss": loss} | columns), plan=plan))


def test_found() -> None:
    finding = of(FALLING, small_plan())
    assert (finding.code, finding.outcome, finding.severity, finding.epoch) == ("stopped-too-early", "found", "warning", 6)
    assert finding.measured == pytest.approx({"fall": 0.1 / 0.5})
    assert finding.thresholds == THRESHOLDS
    assert finding.explanation == "validation loss still fell by 20.0% an epoch when 'head only' ended: it had more to learn"
    assert read_recipe(None, finding.remedy).head_only.epochs > 6
    assert of(FALLING).remedy == {"head_only.epochs": 18}  # no plan: what a recipe would say


def test_the_last_phase_is_the_one_that_goes_on() -> None:
    finding = of(FALLING * 2, small_plan(), phase=[1] * 6 + [2] * 6, boundary=["head"] * 6 + ["stage2"] * 6)
    assert list(finding.remedy) == ["unfrozen.epochs"]


def test_where_little_is_left_to_learn_it_is_a_note() -> None:
    assert of(FALLING, val_accuracy=(1 + LEARNED) / 2).severity == "note"


@pytest.mark.parametrize(
    ("validation", "train"),
    [
        ([1.0, 0.6, 0.5, 0.499, 0.498, 0.497], None),
        ([0.5, 0.6, 0.7, 0.8, 0.9, 1.0], FALLING),
        (FALLING, [1.0, 0.9, 0.8, 0.7, 0.6, 0.65]),
        ([0.3, 1.0, 0.95, 0.9, 0.85, 0.8], None),
    ],
    ids=["flat", "turned up", "training rises", "far above the lowest"],
)
def test_not_found(validation: list[float], train: list[float] | None) -> None:
    finding = of(validation, small_plan(), train_loss=train or validation)
    assert (finding.outcome, finding.severity, finding.remedy) == ("not found", "note", {})


def test_one_lucky_epoch_decides_nothing() -> None:
    assert of([0.7, 0.5, 0.52, 0.5, 0.52, 0.5, 0.45]).outcome == "not found"


def test_a_single_epoch_is_judged_by_its_own_training_loss() -> None:
    steep = of([0.5], train_loss=[1.5])
    assert (steep.outcome, steep.measured["fall"]) == ("found", pytest.approx(2 / 3))
    assert of([0.5], train_loss=[0.5]).outcome == "not found"


def test_missing_values() -> None:
    assert of([*FALLING[:-1], math.nan]).outcome == "not found"
    for missing in ("train_loss", "val_loss"):
        finding = of(FALLING, **{missing: math.nan})
        assert (finding.outcome, finding.remedy, finding.thresholds) == ("could not tell", {}, THRESHOLDS)
    assert of(FALLING, val_accuracy=None, train_accuracy=None).severity == "warning"


def test_where_early_stopping_ended_the_phase_it_needs_patience() -> None:
    plan = small_plan()
    phases = phases_of(epochs(train_loss=FALLING, val_loss=FALLING), [f"{NO_BETTER} 5 epochs"])
    finding = stopped_too_early(evidence([], plan=plan, phases=phases))
    assert finding.remedy == {"head_only.stopping.patience_epochs": 2 * plan.phases[0].stopping.patience_epochs}
