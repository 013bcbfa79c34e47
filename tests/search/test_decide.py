"""What becomes of a step, by what it gained and how noisy that is."""

from __future__ import annotations

import pytest

from unfreeze.diagnosis.better import Gain
from unfreeze.search.decide import decide


@pytest.mark.parametrize(
    ("gain", "first", "far", "keep", "go_on"),
    [
        (0.30, False, False, True, True),  # better by more than noise
        (0.05, False, False, True, False),  # better, but within noise: kept, and the end
        (0.05, False, True, True, True),  # far: what has to change may lie deeper
        (-0.05, False, False, False, False),
        (-0.05, False, True, False, True),
        (-0.05, True, False, True, True),  # the benefit of the doubt
        (-0.30, True, True, False, False),  # worse by more than noise
        (-0.30, False, True, False, False),
    ],
)
def test_a_step(gain: float, first: bool, far: bool, keep: bool, go_on: bool) -> None:
    decision = decide(Gain("val_loss", 1.0, 1.0 - gain, gain, 0.1), first, far)
    assert (decision.keep, decision.go_on) == (keep, go_on)
    assert decision.reason.endswith(f": a gain of {gain:.3f} ± 0.100")
