"""Budgets, and how long steps are expected to take."""

from __future__ import annotations

from typing import Any

import pytest

from support.made_up import small_plan
from unfreeze.errors import RecipeError
from unfreeze.recipe.read import read_recipe
from unfreeze.search.budget import Budget, Estimates, fitted, read_budget
from unfreeze.training.costs import PhaseSpeeds


class Pictures:
    """A loader of 100 training and 20 validation pictures."""

    def training_views(self, epoch: int) -> list[int]:
        return [0] * 100

    def records(self, split: str) -> list[int]:
        return [0] * 20


def test_budgets_are_read() -> None:
    assert [read_budget(text).seconds for text in ("90s", "20m", "1.5h")] == [90, 1200, 5400]
    assert read_budget("5x") == Budget(times=5.0)
    assert read_budget(None) == Budget()
    assert (Budget(times=5.0).limit(12.0), Budget(seconds=90.0).limit(12.0), Budget().limit(12.0)) == (60.0, 90.0, None)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"strategy": "auto", "budget": "soon"}, "budget"),
        ({"strategy": "auto", "budget": "20"}, "budget"),
        ({"strategy": "full", "budget": "20m"}, "full has no steps to leave out"),
        ({"strategy": "auto", "unfreeze.layers": 3}, "auto unfreezes stage by stage"),
    ],
)
def test_a_budget_that_says_nothing_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        read_recipe(None, changes)


def estimates() -> Estimates:
    network = small_plan(read_recipe(None, {})).network
    return Estimates(network, PhaseSpeeds(decode=0.01, prefix=0.04, tail=0.0, row=0.0, row_bytes=1), Pictures())  # type: ignore[arg-type]


def test_deeper_steps_are_expected_to_take_longer_and_the_head_least() -> None:
    guess = estimates()
    network = guess.network
    seconds = [guess.epoch(stage) for stage in reversed(network.stage_names)]
    assert seconds == sorted(seconds)
    # Of the head alone: every picture is decoded and goes through the frozen part once.
    assert seconds[0] == pytest.approx(120 * 0.05)
    # Of the whole network a training picture goes through as three would, a validation picture as one.
    assert seconds[-1] == pytest.approx(100 * (0.01 + 3 * 0.04) + 20 * 0.05)


def test_estimates_learn_from_a_step_of_their_kind() -> None:
    guess = estimates()
    stages = guess.network.stage_names
    before = {stage: guess.epoch(stage) for stage in stages}
    guess.learn(stages[-2], seconds=10 * 2 * before[stages[-2]], epochs=10)
    assert [guess.epoch(stage) / before[stage] for stage in stages] == pytest.approx([2.0] * (len(stages) - 1) + [1.0])


def test_a_step_is_shortened_to_the_time_left_and_left_out_below_three_epochs() -> None:
    phase = small_plan(read_recipe(None, {"unfrozen.epochs": 10})).phases[1]
    assert fitted(phase, 2.0, None) is phase
    assert fitted(phase, 2.0, 20.0) is phase
    shortened = fitted(phase, 2.0, 13.0)
    assert shortened is not None
    assert shortened.epochs == 6
    # Its warm-up with it: one longer than the phase would leave no step at the phase's rate.
    slow = phase.model_copy(update={"schedule": phase.schedule.model_copy(update={"warmup_epochs": 5.0})})
    shortened = fitted(slow, 2.0, 6.0)
    assert shortened is not None
    assert (shortened.epochs, shortened.schedule.warmup_epochs) == (3, 1.5)
    assert fitted(phase, 2.0, 5.9) is None
    short = phase.model_copy(update={"epochs": 2})
    assert fitted(short, 2.0, 4.5) is short
