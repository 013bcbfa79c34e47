"""What a diagnosis looks at."""

from __future__ import annotations

import math

import numpy as np
import pytest

from support.made_up import epochs, evidence, small_plan
from unfreeze.diagnosis.evidence import COLUMNS, Evidence, phases_of

TWO_PHASES = epochs(
    phase=[1, 1, 2, 2, 2],
    phase_name=["head only"] * 2 + ["last 2 stages"] * 3,
    boundary=["head"] * 2 + ["stage2"] * 3,
    rate=[1e-3, 5e-4, 1e-4, 5e-5, 1e-5],
    val_loss=[0.9, math.inf, 0.7, math.nan, 0.8],
    gradient_norm=[1.0, None, 2.0, 3.0, None],
)


def test_the_columns_are_the_curves() -> None:
    assert COLUMNS == ("rate", "train_loss", "train_accuracy", "val_loss", "val_accuracy", "gradient_norm")


def test_a_history_as_curves_by_phase() -> None:
    head, rest = phases_of(TWO_PHASES, ("all epochs done",))
    assert (head.name, head.boundary, head.ending, len(head)) == ("head only", "head", "all epochs done", 2)
    assert (rest.name, rest.boundary, rest.ending, len(rest)) == ("last 2 stages", "stage2", "", 3)
    assert (head.epochs.tolist(), rest.epochs.tolist()) == ([1, 2], [3, 4, 5])
    assert rest.rate.tolist() == [1e-4, 5e-5, 1e-5]
    assert (head.head_only, head.settings, rest.head_only, rest.settings) == (True, "head_only", False, "unfrozen")


def test_what_is_missing_or_infinite_is_nan() -> None:
    head, rest = phases_of(TWO_PHASES)
    np.testing.assert_array_equal(head.val_loss, [0.9, math.nan])
    np.testing.assert_array_equal(rest.val_loss, [0.7, math.nan, 0.8])
    np.testing.assert_array_equal(rest.gradient_norm, [2.0, 3.0, math.nan])
    assert rest.gradient_norm.dtype == np.float64


def test_a_phase_that_failed_before_its_first_epoch_leaves_the_others_their_endings() -> None:
    first, third = phases_of(epochs(phase=[1, 1, 3]), ("one", "two", "three"))
    assert (first.ending, third.ending) == ("one", "three")


def test_no_history_no_phases() -> None:
    assert phases_of([]) == ()


def test_the_phase_of_the_kept_epoch() -> None:
    known = evidence(TWO_PHASES, best_epoch=2)
    assert (known.best_phase.name, known.last.name) == ("head only", "last 2 stages")
    assert evidence(TWO_PHASES, best_epoch=None).best_phase.name == "last 2 stages"


def test_what_a_guess_costs() -> None:
    assert evidence(TWO_PHASES).guess_loss == pytest.approx(math.log(3))
    assert evidence(TWO_PHASES, classes=()).guess_loss is None
    assert evidence(TWO_PHASES, classes=("one",)).guess_loss is None


def test_what_was_planned_for_a_phase_is_found_by_its_name() -> None:
    known = evidence(TWO_PHASES, plan=small_plan())
    assert [known.planned(phase).boundary for phase in known.phases] == ["head", "stage2"]
    assert evidence(TWO_PHASES).planned(known.last) is None
    assert evidence(epochs(rate=[1.0], phase_name="another"), plan=small_plan()).planned(known.last).boundary == "stage2"


def test_what_every_phase_has_a_value_of_is_known() -> None:
    known = evidence(TWO_PHASES)
    assert known.known("train_loss", "val_loss", "gradient_norm")
    lacking = evidence(epochs(phase=[1, 2], gradient_norm=[1.0, None], val_accuracy=[0.5, math.nan]), best_epoch=1)
    assert lacking.known("train_loss")
    assert not lacking.known("gradient_norm")
    assert not lacking.known("train_loss", "val_accuracy")
    assert not Evidence(()).known("train_loss")
