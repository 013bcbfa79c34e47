"""The rate of each stage by place in a phase, and how the loop passes it on."""

from __future__ import annotations

import pytest

from unfreeze.recipe.plan import Phase, PlannedOptimizer
from unfreeze.recipe.recipe import Schedule, Stopping
from unfreeze.training.schedules import stage_rates

STAGES = ("stage2", "stage3", "head")


def phase(**changes):
    settings = {
        "name": "two stages", "boundary": "stage2", "epochs": 4, "rate": 0.4, "batchnorm": "frozen",
        "schedule": Schedule(name="step", step_epochs=2, factor=0.5, warmup_epochs=0), "stopping": Stopping(),
        "optimizer": PlannedOptimizer(name="sgd", momentum=0.9, weight_decay=0, l2=0, clip_norm=None),
        "trainable_parameters": 1, "frozen_parameters": 1,
    }  # fmt: skip
    return Phase(**(settings | changes))


def test_all_stages_have_the_phase_s_rate_where_nothing_else_is_said():
    assert stage_rates(phase(), STAGES, 0, 1.0, 10) == dict.fromkeys(STAGES, 0.4)
    assert stage_rates(phase(), STAGES, 2.5, 0.1, 10) == pytest.approx(dict.fromkeys(STAGES, 0.02))


def test_a_stage_has_its_factor():
    rates = stage_rates(phase(rate_factors={"stage2": 0.25, "stage3": 0.5}), STAGES, 3, 1.0, 10)
    assert rates == pytest.approx({"stage2": 0.05, "stage3": 0.1, "head": 0.2})


def test_a_stage_that_joins_rises_to_its_rate_while_the_others_go_on():
    joined = phase(joining=("stage2",), joining_epochs=2.0, rate_factors={"stage2": 0.5})
    places = (0, 0.5, 1, 2, 3)
    rates = [stage_rates(joined, STAGES, place, 1.0, 10) for place in places]
    assert [each["stage2"] for each in rates] == pytest.approx([0.0002, 0.05, 0.1, 0.1, 0.1])
    assert [each["head"] for each in rates] == pytest.approx([0.4, 0.4, 0.4, 0.2, 0.2])
