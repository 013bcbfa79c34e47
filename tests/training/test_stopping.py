"""Early stopping on lists of numbers."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unfreeze.recipe.recipe import Stopping
from unfreeze.training.stopping import EarlyStopping

NAN = math.nan


def stopped_after(values, patience, min_delta=0.0):
    """How many values it took, or None."""
    stopping = EarlyStopping(Stopping(patience_epochs=patience, min_delta=min_delta))
    return next((number for number, value in enumerate(values, start=1) if stopping.observe(value)), None)


@pytest.mark.parametrize(
    ("values", "patience", "number"),
    [
        ([5, 4, 3, 2, 1], 1, None),  # always better
        ([1, 1, 1, 1], 1, 2),  # equal is not better
        ([1, 1, 1, 1], 3, 4),
        ([3, 2, 4, 4, 4], 3, 5),
        ([3, 2, 4, 1, 4, 4], 2, 6),  # the count starts anew
        ([3, 4, 3.5, 3.2], 3, 4),  # better than the last, not than the best
        ([-0.5, -0.6, -0.6, -0.55], 2, 4),  # accuracies with their sign turned
        ([NAN, NAN], 2, 2),
        ([1, NAN, 0.5, NAN, NAN], 2, 5),
        ([math.inf, math.inf], 1, 1),  # no value at all is no improvement
        ([math.inf, 3, 2], 2, None),
        ([3, -math.inf, -math.inf], 1, 3),
        ([], 1, None),
    ],
)
def test_when_it_stops(values, patience, number):
    assert stopped_after(values, patience) == number


@pytest.mark.parametrize("values", [[1] * 50, [NAN] * 50, list(range(50))])
def test_without_patience_it_never_stops(values):
    assert stopped_after(values, None) is None


def test_an_improvement_smaller_than_min_delta_does_not_count():
    assert stopped_after([1.0, 0.95, 0.91, 0.905], 3, min_delta=0.1) == 4
    assert stopped_after([1.0, 0.85, 0.70, 0.55], 1, min_delta=0.1) is None
    assert stopped_after([1.0, 0.75, 0.5], 1, min_delta=0.25) == 2  # exactly min_delta isn't more than it


def test_small_improvements_add_up_against_the_best():
    assert stopped_after([1.0, 0.96, 0.92, 0.88], 3, min_delta=0.1) is None


def test_it_says_how_long_it_waited_and_what_was_best():
    stopping = EarlyStopping(Stopping(patience_epochs=5))
    for value in (2.0, 1.0, NAN, 1.5):
        assert not stopping.observe(value)
    assert (stopping.best, stopping.waited) == (1.0, 2)


@given(st.lists(st.floats() | st.sampled_from([0.0, 1.0]), max_size=30), st.integers(1, 5))
def test_it_stops_exactly_patience_epochs_after_the_best(values, patience):
    number = stopped_after(values, patience)
    best, waited = math.inf, 0
    for place, value in enumerate(values, start=1):
        best, waited = (value, 0) if value < best else (best, waited + 1)
        if waited == patience:
            assert number == place
            return
    assert number is None
