"""Rates by place in a phase, against PyTorch's own schedulers."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from unfreeze.recipe.recipe import Schedule
from unfreeze.training.schedules import Plateau, rate_at

NAMES = ["constant", "step", "cosine", "plateau"]


def an_optimizer(rate):
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=rate)


def torch_rates(optimizer, scheduler, epochs):
    rates = []
    for _ in range(epochs):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


@pytest.mark.parametrize(("step_epochs", "factor"), [(1, 0.5), (3, 0.1), (7, 0.9), (100, 0.1)])
def test_step_gives_the_numbers_of_pytorch(step_epochs, factor):
    optimizer = an_optimizer(0.3)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_epochs, factor)
    schedule = Schedule(name="step", step_epochs=step_epochs, factor=factor, warmup_epochs=0)
    ours = [rate_at(schedule, 0.3, 20, epoch) for epoch in range(20)]
    assert ours == pytest.approx(torch_rates(optimizer, scheduler, 20), rel=1e-9)


@pytest.mark.parametrize("epochs", [1, 2, 12, 50])
@pytest.mark.parametrize("floor", [0.0, 0.01, 0.5])
def test_cosine_gives_the_numbers_of_pytorch(epochs, floor):
    optimizer = an_optimizer(0.3)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs, eta_min=floor * 0.3)
    schedule = Schedule(name="cosine", floor=floor, warmup_epochs=0)
    ours = [rate_at(schedule, 0.3, epochs, epoch) for epoch in range(epochs + 1)]
    assert ours == pytest.approx(torch_rates(optimizer, scheduler, epochs + 1), rel=1e-6, abs=1e-12)


def test_cosine_between_epochs_lies_between_them():
    schedule = Schedule(name="cosine", warmup_epochs=0)
    rates = [rate_at(schedule, 1.0, 4, place / 10) for place in range(41)]
    assert rates == sorted(rates, reverse=True)
    assert rates[20] == pytest.approx(0.5)


@pytest.mark.parametrize("name", ["constant", "plateau"])
def test_constant_and_plateau_stay(name):
    schedule = Schedule(name=name, warmup_epochs=0)
    assert {rate_at(schedule, 0.3, 9, place / 4) for place in range(36)} == {0.3}


def test_warmup_rises_linearly():
    schedule = Schedule(name="constant", warmup_epochs=2)
    assert [rate_at(schedule, 0.4, 9, place) for place in (0.5, 1, 1.5, 2, 3)] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.4])


def test_schedules_count_from_the_end_of_the_warmup():
    step = Schedule(name="step", step_epochs=3, factor=0.1, warmup_epochs=2)
    assert [rate_at(step, 1.0, 9, epoch) for epoch in range(2, 9)] == pytest.approx([1, 1, 1, 0.1, 0.1, 0.1, 0.01])
    cosine = Schedule(name="cosine", warmup_epochs=2)
    assert [rate_at(cosine, 1.0, 10, epoch) for epoch in (2, 6, 10)] == pytest.approx([1, 0.5, 0], abs=1e-12)


@settings(deadline=None)
@given(
    name=st.sampled_from(NAMES),
    warmup=st.floats(1e-6, 6),
    step_epochs=st.integers(1, 5),
    epochs=st.integers(1, 10),
    rate=st.floats(1e-6, 10),
)
def test_warmup_is_continuous_and_never_zero_and_never_above_the_rate(name, warmup, step_epochs, epochs, rate):
    schedule = Schedule(name=name, warmup_epochs=warmup, step_epochs=step_epochs)
    places = [warmup * part / 20 for part in range(20)]
    rates = [rate_at(schedule, rate, epochs, place) for place in places]
    assert all(0 < value <= rate for value in rates)
    assert rates == sorted(rates)
    before = rate_at(schedule, rate, epochs, math.nextafter(warmup, 0))
    assert before == pytest.approx(rate_at(schedule, rate, epochs, warmup), rel=1e-6)


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


@pytest.mark.parametrize("name", ["constant", "step", "cosine"])
def test_other_schedules_do_not_reduce(name):
    assert set(scales([1.0] * 20, name=name)) == {1.0}
