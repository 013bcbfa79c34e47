"""How long tuning may take, by a clock that tests turn."""

from __future__ import annotations

import pytest

from unfreeze.errors import RecipeError
from unfreeze.tuning import budget
from unfreeze.tuning.budget import Budget


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(budget, "time", clock)
    return clock


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("2m", 120), ("1.5h", 5400)])
def test_it_is_over_after_its_time(clock: Clock, text: str, seconds: float) -> None:
    limit = Budget(text)
    clock.now += seconds - 1
    assert not limit.is_over
    clock.now += 1
    assert limit.is_over
    assert not limit.has_room([])


def test_without_one_there_is_always_room(clock: Clock) -> None:
    limit = Budget(None)
    clock.now += 1e9
    assert limit.has_room([1e9]) and not limit.is_over


def test_a_trial_is_taken_to_last_as_long_as_the_longest_but_the_first(clock: Clock) -> None:
    limit = Budget("100s")
    clock.now += 60
    assert limit.has_room([])
    assert not limit.has_room([50])
    assert limit.has_room([50, 20, 40])
    clock.now += 1
    assert not limit.has_room([50, 20, 40])


@pytest.mark.parametrize("text", ["", "30", "m", "0m", "-5m", "3x", "soon"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(RecipeError, match=r"budget: .* isn't a time: write it like 90s, 30m or 1.5h"):
        Budget(text)
