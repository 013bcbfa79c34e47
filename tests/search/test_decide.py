"""What becomes of a step, by what it gained and how noisy that is."""

from __future__ import annotations

import pytest

from unfreeze.diagnosis.better import Gain
from unfreeze.search.decide import decide


@pytest.mark.parametrize(
    ("gain", "error", "first", "far", "keep", "go_on"),
    [
        (0.30, 0.10, False, False, True, True),  # better by more than noise
        (0.05, 0.10, False, False, True, True),  # noise could hide a gain worth having
        (-0.02, 0.10, False, False, False, True),
        (0.01, 0.02, False, False, True, False),  # better, and by nothing worth having
        (0.01, 0.02, False, True, True, True),  # far: what has to change may lie deeper
        (-0.01, 0.02, False, False, False, False),
        (-0.01, 0.02, False, True, False, True),
        (-0.01, 0.02, True, False, True, True),  # the benefit of the doubt
        (-0.30, 0.10, True, True, False, False),  # worse by more than noise
        (-0.30, 0.10, False, True, False, False),
    ],
)
def test_a_step(gain: float, error: float, first: bool, far: bool, keep: bool, go_on: bool) -> None:
    decision = decide(Gain("val_loss", 1.0, 1.0 - gain, gain, error), first, far)
    assert (decision.keep, decision.go_on) == (keep, go_on)
    assert decision.reason.endswith(f": a gain of {gain:.3f} ± {error:.3f}")


def test_a_gain_worth_having_is_of_the_loss_or_a_point_of_accuracy() -> None:
    assert decide(Gain("val_loss", 0.1, 0.1, 0.0, 0.006), False, False).go_on
    assert not decide(Gain("val_loss", 1.0, 1.0, 0.0, 0.006), False, False).go_on
    assert not decide(Gain("val_accuracy", 0.1, 0.1, 0.0, 0.006), False, False).go_on
    assert decide(Gain("val_accuracy", 0.9, 0.9, 0.0, 0.011), False, False).go_on
