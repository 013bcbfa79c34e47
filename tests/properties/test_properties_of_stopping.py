"""Early stopping against the plainest way to say it; a step of a search cut to the time that is left."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as some

from properties.made import phases, steady
from unfreeze.recipe.plan import Phase
from unfreeze.recipe.recipe import Stopping
from unfreeze.search.budget import FEWEST_EPOCHS, fitted
from unfreeze.training.stopping import EarlyStopping

values_of_epochs = some.lists(some.floats(-5, 5) | some.sampled_from([math.nan, math.inf]), max_size=40)


def stops_at(values: list[float], patience: int | None, min_delta: float) -> int | None:
    """The epoch, from 0, after which it stops: none of the last `patience` was better than all before by more than that."""
    best, since = math.inf, 0
    for epoch, value in enumerate(values):
        is_better = not math.isnan(value) and value < best - min_delta
        best, since = (value, 0) if is_better else (best, since + 1)
        if patience is not None and since >= patience:
            return epoch
    return None


@given(values_of_epochs, some.none() | some.integers(1, 6), some.floats(0, 1))
@steady
def test_stops_where_the_reference_does(values: list[float], patience: int | None, min_delta: float) -> None:
    stopping = EarlyStopping(Stopping(patience_epochs=patience, min_delta=min_delta))
    said = [stopping.observe(value) for value in values]
    assert next((epoch for epoch, stops in enumerate(said) if stops), None) == stops_at(values, patience, min_delta)


@given(values_of_epochs, some.integers(1, 6))
@steady
def test_goes_on_while_it_gets_better(values: list[float], patience: int) -> None:
    falling = sorted({value for value in values if math.isfinite(value)}, reverse=True)
    stopping = EarlyStopping(Stopping(patience_epochs=patience))
    assert not any(stopping.observe(value) for value in falling)


@given(phases, some.floats(1e-3, 1e4), some.none() | some.floats(0, 1e5))
@steady
def test_a_step_fits_the_time_that_is_left(phase: Phase, seconds: float, left: float | None) -> None:
    step = fitted(phase, seconds, left)
    if left is None:
        assert step == phase
    elif step is None:
        assert left < seconds * min(FEWEST_EPOCHS, phase.epochs) * (1 + 1e-9)
    else:
        assert step.epochs * seconds <= left * (1 + 1e-9)
        assert min(FEWEST_EPOCHS, phase.epochs) <= step.epochs <= phase.epochs
        # A warm-up that never ended would be all there is.
        assert step.schedule.warmup_epochs <= phase.schedule.warmup_epochs
        assert step.schedule.warmup_epochs < step.epochs
