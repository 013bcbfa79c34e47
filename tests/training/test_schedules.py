"""Rates by place in a phase, against PyTorch's own schedulers."""

from __future__ import annotations

import math
from typing import get_args

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from unfreeze.recipe.recipe import Schedule
from unfreeze.training.schedules import Plateau, rate_at

CLASSES = torch.optim.lr_scheduler
RATE = 0.3
# The values of each schedule that need some.
NEEDED = {"multi-step": {"milestones": [1, 3]}, "exponential": {"factor": 0.9}}
NAMES = list(get_args(Schedule.model_fields["name"].annotation))
# All of them within the phase's epochs, which are as many.
PLACES = st.integers(1, 30)
FACTORS = st.floats(0.2, 0.99)
FLOORS = st.floats(0, 0.9)


def an_optimizer(rate):
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=rate)


def torch_rates(make, count):
    """The rates of the first `count` steps of a scheduler, whatever a step is to it."""
    optimizer = an_optimizer(RATE)
    scheduler, rates = make(optimizer), []
    for _ in range(count):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


def our_rates(epochs, steps, **schedule):
    """The rates of all steps of a phase."""
    values = Schedule(**{"warmup_epochs": 0, **schedule})
    return [rate_at(values, RATE, epochs, epoch + step / steps, steps) for epoch in range(epochs) for step in range(steps)]


def same(rates):
    return pytest.approx(rates, rel=1e-6, abs=1e-9)


@settings(deadline=None, max_examples=60)
@given(step_epochs=PLACES, factor=FACTORS, epochs=PLACES)
def test_step_gives_the_numbers_of_pytorch(step_epochs, factor, epochs):
    theirs = torch_rates(lambda optimizer: CLASSES.StepLR(optimizer, step_epochs, factor), epochs)
    assert our_rates(epochs, 3, name="step", step_epochs=step_epochs, factor=factor)[::3] == same(theirs)


@settings(deadline=None, max_examples=60)
@given(milestones=st.sets(PLACES, min_size=1).map(sorted), factor=FACTORS, epochs=PLACES)
def test_multi_step_gives_the_numbers_of_pytorch(milestones, factor, epochs):
    theirs = torch_rates(lambda optimizer: CLASSES.MultiStepLR(optimizer, milestones, factor), epochs)
    assert our_rates(epochs, 3, name="multi-step", milestones=milestones, factor=factor)[::3] == same(theirs)


@settings(deadline=None, max_examples=60)
@given(factor=FACTORS, epochs=PLACES)
def test_exponential_gives_the_numbers_of_pytorch(factor, epochs):
    theirs = torch_rates(lambda optimizer: CLASSES.ExponentialLR(optimizer, factor), epochs)
    assert our_rates(epochs, 3, name="exponential", factor=factor)[::3] == same(theirs)


@settings(deadline=None, max_examples=60)
@given(epochs=PLACES, floor=FLOORS)
def test_cosine_gives_the_numbers_of_pytorch(epochs, floor):
    theirs = torch_rates(lambda optimizer: CLASSES.CosineAnnealingLR(optimizer, epochs, floor * RATE), epochs)
    assert our_rates(epochs, 3, name="cosine", floor=floor)[::3] == same(theirs)
    assert rate_at(Schedule(warmup_epochs=0, floor=floor), RATE, epochs, epochs, 3) == same(floor * RATE)


@settings(deadline=None, max_examples=100)
@given(restart=PLACES, growth=st.integers(1, 4), floor=FLOORS, epochs=st.integers(1, 60))
def test_cosine_with_restarts_gives_the_numbers_of_pytorch(restart, growth, floor, epochs):
    def make(optimizer):
        return CLASSES.CosineAnnealingWarmRestarts(optimizer, restart, growth, floor * RATE)

    ours = our_rates(epochs, 3, name="cosine-restarts", restart_epochs=restart, restart_growth=growth, floor=floor)
    assert ours[::3] == same(torch_rates(make, epochs))


@settings(deadline=None, max_examples=100)
@given(
    epochs=st.integers(1, 12),
    steps=st.integers(2, 9),
    rise=st.floats(0.05, 0.95),
    start=st.floats(1, 100),
    end=st.floats(1, 1e5),
)
def test_one_cycle_gives_the_numbers_of_pytorch_at_every_step(epochs, steps, rise, start, end):
    assume(abs(rise * epochs * steps - 1) > 1e-6)  # there PyTorch divides by zero

    def make(optimizer):
        cycle = {"pct_start": rise, "div_factor": start, "final_div_factor": end, "cycle_momentum": False}
        return CLASSES.OneCycleLR(optimizer, RATE, epochs=epochs, steps_per_epoch=steps, **cycle)

    optimizer = an_optimizer(RATE)
    scheduler, theirs = make(optimizer), []
    for place in range(epochs * steps):
        theirs.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if place + 1 < epochs * steps:
            scheduler.step()
    assert our_rates(epochs, steps, name="one-cycle", rise=rise, start_divisor=start, end_divisor=end) == same(theirs)


@pytest.mark.parametrize("steps", [1, 2, 10])
def test_one_cycle_of_few_steps_takes_no_rate_that_is_none(steps):
    rates = our_rates(1, steps, name="one-cycle", rise=0.1)
    assert all(0 < rate <= RATE for rate in rates)
    assert rates[-1] == same(RATE / 25e4)


@settings(deadline=None, max_examples=60)
@given(warmup=st.integers(1, 4), after=st.integers(1, 12), steps=st.integers(1, 6), name=st.sampled_from(["step", "cosine"]))
def test_a_warm_up_before_others_gives_the_numbers_of_pytorch(warmup, after, steps, name):
    def make(optimizer):
        # PyTorch takes no start_factor of 0.
        rise = CLASSES.LinearLR(optimizer, start_factor=1e-12, total_iters=warmup * steps)
        then = {
            "step": lambda: CLASSES.StepLR(optimizer, 2 * steps, 0.5),
            "cosine": lambda: CLASSES.CosineAnnealingLR(optimizer, after * steps),
        }[name]()
        return CLASSES.SequentialLR(optimizer, [rise, then], [warmup * steps])

    ours = our_rates(warmup + after, steps, name=name, warmup_epochs=warmup, step_epochs=2, factor=0.5)
    theirs = torch_rates(make, (warmup + after) * steps)
    assert ours[1:] == same(theirs[1:])
    assert (ours[0], theirs[0]) == (same(RATE / 1000), same(0))


def test_cosine_between_epochs_lies_between_them():
    schedule = Schedule(name="cosine", warmup_epochs=0)
    rates = [rate_at(schedule, 1.0, 4, place / 10, 10) for place in range(41)]
    assert rates == sorted(rates, reverse=True)
    assert rates[20] == pytest.approx(0.5)


@pytest.mark.parametrize("name", ["constant", "plateau"])
def test_constant_and_plateau_stay(name):
    schedule = Schedule(name=name, warmup_epochs=0)
    assert {rate_at(schedule, 0.3, 9, place / 4, 4) for place in range(36)} == {0.3}


def test_warmup_rises_linearly():
    schedule = Schedule(name="constant", warmup_epochs=2)
    assert [rate_at(schedule, 0.4, 9, place, 2) for place in (0.5, 1, 1.5, 2, 3)] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.4])


def test_schedules_count_from_the_end_of_the_warmup():
    step = Schedule(name="step", step_epochs=3, factor=0.1, warmup_epochs=2)
    assert [rate_at(step, 1.0, 9, epoch, 7) for epoch in range(2, 9)] == pytest.approx([1, 1, 1, 0.1, 0.1, 0.1, 0.01])
    cosine = Schedule(name="cosine", warmup_epochs=2)
    assert [rate_at(cosine, 1.0, 10, epoch, 7) for epoch in (2, 6, 10)] == pytest.approx([1, 0.5, 0], abs=1e-12)


@settings(deadline=None)
@given(
    name=st.sampled_from(NAMES),
    warmup=st.floats(1e-6, 6),
    step_epochs=st.integers(1, 5),
    epochs=st.integers(1, 10),
    rate=st.floats(1e-6, 10),
)
def test_warmup_is_continuous_and_never_zero_and_never_above_the_rate(name, warmup, step_epochs, epochs, rate):
    assume(warmup < epochs)
    schedule = Schedule(name=name, warmup_epochs=warmup, step_epochs=step_epochs, **NEEDED.get(name, {}))
    places = [warmup * part / 20 for part in range(20)]
    rates = [rate_at(schedule, rate, epochs, place, 7) for place in places]
    assert all(0 < value <= rate for value in rates)
    assert rates == sorted(rates)
    before = rate_at(schedule, rate, epochs, math.nextafter(warmup, 0), 7)
    assert before == pytest.approx(rate_at(schedule, rate, epochs, warmup, 7), rel=1e-6)


@settings(deadline=None)
@given(
    values=st.lists(st.one_of(st.sampled_from([0.0, 0.5, 1.0]), st.floats()), max_size=40),
    patience=st.integers(1, 4),
    factor=st.floats(0.05, 0.95),
    floor=st.floats(0, 0.9),
)
def test_plateau_gives_the_numbers_of_pytorch(values, patience, factor, floor):
    optimizer = an_optimizer(1.0)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, factor=factor, patience=patience, threshold=0, min_lr=floor, eps=0
    )
    ours = Plateau(Schedule(name="plateau", factor=factor, patience_epochs=patience, floor=floor))
    for value in values:
        theirs.step(value)
        ours.observe(value)
        assert ours.scale == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-9)


def scales(values, **schedule):
    plateau = Plateau(Schedule(**{"name": "plateau", "factor": 0.5, "patience_epochs": 1, **schedule}))
    seen = []
    for value in values:
        plateau.observe(value)
        seen.append(plateau.scale)
    return seen


def test_plateau_waits_for_more_than_its_patience():
    assert scales([1.0, 1.0, 1.0, 1.0, 1.0]) == [1, 1, 0.5, 0.5, 0.25]


def test_plateau_counts_nan_as_no_improvement_and_forgets_nothing():
    nan = math.nan
    assert scales([nan, nan, nan]) == [1, 0.5, 0.5]
    assert scales([1.0, nan, 0.9, nan, 0.95, 0.8]) == [1, 1, 1, 1, 0.5, 0.5]


def test_plateau_takes_negative_values_lower_being_better():
    assert scales([-0.5, -0.6, -0.7, -0.7, -0.6]) == [1, 1, 1, 1, 0.5]


def test_plateau_stops_at_its_floor():
    assert scales([1.0] * 9, floor=0.3)[-1] == 0.3


@pytest.mark.parametrize("name", [name for name in NAMES if name != "plateau"])
def test_other_schedules_do_not_reduce(name):
    assert set(scales([1.0] * 20, name=name, **NEEDED.get(name, {}))) == {1.0}
