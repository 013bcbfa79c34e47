"""Rates are never negative, never above the phase's, smooth where they say so, and PyTorch's at whole epochs."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as some
from torch.optim import lr_scheduler

from properties.made import phases, rates, schedules, stages_of, steady
from unfreeze.recipe.plan import Phase
from unfreeze.recipe.recipe import Schedule
from unfreeze.training.schedules import Plateau, rate_at, stage_rates

SMOOTH = {"constant", "plateau", "exponential", "cosine", "one-cycle"}
# PyTorch's twin of each schedule, without warm-up.
TWINS: dict[str, Callable[[Any, Schedule, int], Any]] = {
    "step": lambda optimizer, s, _: lr_scheduler.StepLR(optimizer, s.step_epochs, s.factor),
    "multi-step": lambda optimizer, s, _: lr_scheduler.MultiStepLR(optimizer, s.milestones, s.factor),
    "exponential": lambda optimizer, s, _: lr_scheduler.ExponentialLR(optimizer, s.factor),
    "cosine": lambda optimizer, s, epochs: lr_scheduler.CosineAnnealingLR(optimizer, epochs, s.floor * 0.1),
    "cosine-restarts": lambda optimizer, s, _: lr_scheduler.CosineAnnealingWarmRestarts(
        optimizer, s.restart_epochs, s.restart_growth, s.floor * 0.1
    ),
}


@given(schedules, rates, some.floats(0, 1), some.integers(1, 200))
@steady
def test_within_0_and_the_phases_rate(made: tuple[int, Schedule], base: float, part: float, steps: int) -> None:
    epochs, schedule = made
    rate = rate_at(schedule, base, epochs, part * epochs, steps)
    assert 0 <= rate <= base * (1 + 1e-12)
    assert rate > 0 or schedule.floor == 0


@given(schedules, some.integers(1, 50))
@steady
def test_no_step_is_wasted(made: tuple[int, Schedule], steps: int) -> None:
    """The rate of the cosine is 0 at its end only, to which no step comes."""
    epochs, schedule = made
    assert all(rate_at(schedule, 0.1, epochs, step / steps, steps) > 0 for step in range(min(epochs * steps, 300)))


@given(schedules, some.floats(0, 1))
@steady
def test_smooth_where_it_says_so(made: tuple[int, Schedule], part: float) -> None:
    epochs, schedule = made
    schedule = schedule.model_copy(update={"warmup_epochs": 0.0})
    if schedule.name in SMOOTH:
        near = [rate_at(schedule, 1.0, epochs, part * epochs + step, 10_000) for step in (0, 1e-9)]
        assert abs(near[0] - near[1]) < 1e-4


@given(schedules)
@steady
def test_warm_up_only_rises(made: tuple[int, Schedule]) -> None:
    epochs, schedule = made
    places = [schedule.warmup_epochs * part / 20 for part in range(20)]
    risen = [rate_at(schedule, 1.0, epochs, place, 100) for place in places]
    assert schedule.warmup_epochs == 0 or risen == sorted(risen)


@pytest.mark.parametrize("name", TWINS)
@given(made=schedules)
@steady
def test_pytorchs_at_whole_epochs(name: str, made: tuple[int, Schedule]) -> None:
    epochs, schedule = made
    schedule = schedule.model_copy(update={"name": name, "warmup_epochs": 0.0})
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    scheduler = TWINS[name](optimizer, schedule, epochs)
    for epoch in range(epochs):
        ours, theirs = rate_at(schedule, 0.1, epochs, epoch, 7), optimizer.param_groups[0]["lr"]
        assert math.isclose(ours, theirs, rel_tol=1e-6, abs_tol=1e-9)
        optimizer.step()
        scheduler.step()


@given(phases, some.floats(0, 1), some.floats(1e-3, 1), some.integers(1, 50))
@steady
def test_no_stage_is_faster_than_the_one_above_it_nor_than_the_phase(
    phase: Phase, part: float, scale: float, steps: int
) -> None:
    stages = stages_of(phase)
    given_rates = stage_rates(phase, stages, part * phase.epochs, scale, steps)
    assert set(given_rates) == set(stages)
    base = scale * rate_at(phase.schedule, phase.rate, phase.epochs, part * phase.epochs, steps)
    assert all(0 <= rate <= base * (1 + 1e-12) for rate in given_rates.values())
    if not phase.joining:
        upwards = [given_rates[stage] for stage in stages]
        assert all(lower <= upper * (1 + 1e-12) for lower, upper in pairwise(upwards))


@given(
    some.lists(some.floats(-10, 10) | some.just(math.nan), max_size=40), some.integers(1, 4), some.floats(0.05, 0.95),
    some.floats(0, 0.9),
)  # fmt: skip
@steady
def test_plateau_is_pytorchs(values: list[float], patience: int, factor: float, floor: float) -> None:
    plateau = Plateau(Schedule(name="plateau", patience_epochs=patience, factor=factor, floor=floor))
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    theirs = lr_scheduler.ReduceLROnPlateau(optimizer, factor=factor, patience=patience, threshold=0, min_lr=floor, eps=0)
    for value in values:
        plateau.observe(value)
        theirs.step(value)
        assert math.isclose(plateau.scale, optimizer.param_groups[0]["lr"], rel_tol=1e-9)
