"""A search steered by made-up phases: what is tried, kept and written down."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from test_search_budget import estimates

from support.made_up import epochs, small_plan
from unfreeze.recipe.plan import Plan
from unfreeze.recipe.read import read_recipe
from unfreeze.search.budget import Budget
from unfreeze.search.probe import Probe
from unfreeze.search.search import Search, expected_steps
from unfreeze.training.loop import NOT_FINITE
from unfreeze.training.steering import Trained, Validated

_SMALL = small_plan(read_recipe(None, {"strategy": "auto"}))
_MIDDLE = _SMALL.phases[1].model_copy(update={"name": "last 4 stages", "rate": _SMALL.phases[1].rate / 2})
PLAN = _SMALL.model_copy(update={"phases": (*_SMALL.phases[:2], _MIDDLE, _SMALL.phases[2])})
LABELS = np.arange(200) % len(PLAN.data.classes)
NEAR = [Probe("stage1", 0.5, 0.02, -0.2, 500), Probe("head", 0.8, 0.02, -0.1, 500)]
FAR = [Probe("stage1", 0.9, 0.02, -0.2, 500), Probe("head", 0.8, 0.02, -0.1, 500)]


def trained(loss: float | None, seconds: float = 1.0) -> Trained:
    """A phase whose model has about this loss on every validation picture."""
    if loss is None:
        return Trained(None, 0, seconds, NOT_FINITE)
    record = epochs(phase=[1], phase_name=["head only"], val_loss=[loss])[0]
    noise = np.random.default_rng(round(1000 * loss)).normal(0, 0.3, len(LABELS))
    classes = len(PLAN.data.classes)
    of_true = np.clip(np.exp(-loss + noise), 0.01, 0.99)
    rows = np.repeat(((1 - of_true) / (classes - 1))[:, None], classes, axis=1)
    rows[np.arange(len(LABELS)), LABELS] = of_true
    return Trained(Validated(record, np.log(rows).astype(np.float32)), 5, seconds, "all epochs done")


def search(losses: list[float | None], probes: list[Probe] = NEAR, **settings: Any) -> tuple[Search, list[str], list[bool]]:
    """The search, the names of the phases it took and which of them it kept."""
    told: list[Plan] = []
    one = Search(PLAN, LABELS, probes, estimates(), settings.pop("budget", Budget()), told.append, **settings)
    names, kept = [], []
    for loss in losses:
        phase = one.next_phase()
        if phase is None:
            break
        names.append(phase.name)
        kept.append(one.phase_done(trained(loss)))
    assert one.next_phase() is None or len(names) == len(losses)
    assert told[-1].evidence == one.plan.evidence
    return one, names, kept


def test_the_steps_of_a_search() -> None:
    assert (PLAN.phases[0].name, PLAN.phases[0].start) == ("head only", "best")
    assert PLAN.phases[-1].name == "whole network"
    assert PLAN.phases[-1].start == "first"
    assert PLAN.phases[-1].rate == PLAN.phases[1].rate
    assert PLAN.is_search


def test_it_goes_down_while_steps_gain_and_ends_with_the_first_that_doesnt() -> None:
    steps = [phase.name for phase in PLAN.phases]
    one, names, kept = search([1.0, 0.5, 0.51, 0.3])
    assert names == steps[:3]
    assert kept == [True, True, False]
    decisions = {row.step: (row.decision, row.reason.partition(":")[0]) for row in one.plan.evidence}
    assert decisions["head only"][0] == "kept"
    assert decisions[steps[1]] == ("kept", "better by more than noise")
    assert decisions[steps[2]] == ("not kept", "no gain worth having")
    assert decisions[steps[3]][0] == "not taken"


def test_a_step_worse_than_noise_ends_it_and_isnt_kept() -> None:
    one, _, kept = search([0.5, 0.9])
    assert kept == [True, False]
    assert one.next_phase() is None
    rows = [row for row in one.plan.evidence if row.decision == "not taken"]
    assert [row.step for row in rows] == [phase.name for phase in PLAN.phases[2:]]
    assert all("worse by more than noise" in row.reason for row in rows)
    assert all(row.seconds is None and row.estimated_seconds for row in rows)


def test_far_pictures_get_another_step() -> None:
    assert [len(search([1.0, 0.5, 0.51, 0.3], probes)[1]) for probes in (NEAR, FAR)] == [3, 4]


def test_the_evidence_has_probes_scores_intervals_and_seconds() -> None:
    one, _, _ = search([1.0, 0.5], seconds=7.0)
    probes, head = one.plan.evidence[:2], one.plan.evidence[2]
    assert [row.step for row in probes] == ["probe before stage1", "probe before head"]
    assert probes[1].score == 0.8
    assert probes[1].interval == pytest.approx((0.7608, 0.8392))
    assert (probes[1].logme, probes[1].seconds) == (-0.1, 7.0)
    assert "near to what the network knows" in probes[1].reason
    assert head.interval is not None and head.score is not None
    assert head.interval[0] <= head.score <= head.interval[1]
    assert (head.seconds, head.trainable_parameters) == (1.0, PLAN.phases[0].trainable_parameters)
    assert head.watched == 1.0


def test_a_spent_budget_leaves_the_rest_out_and_says_so() -> None:
    one, names, _ = search([1.0, 0.5, 0.3], budget=Budget(seconds=1e-9))
    assert names == ["head only"]
    assert one.is_over() == "the budget is spent"
    assert {row.reason for row in one.plan.evidence if row.decision == "not taken"} == {"too little of the budget is left"}


def test_a_budget_in_multiples_counts_in_head_phases() -> None:
    one = Search(PLAN, LABELS, [], estimates(), Budget(times=1e6), lambda _: None)
    assert one.is_over() is None
    one.next_phase()
    one.phase_done(trained(1.0, seconds=2.0))
    assert one.next_phase() is PLAN.phases[1]


def test_a_step_that_ran_away_ends_the_search_with_the_weights_before_it() -> None:
    one, _, kept = search([1.0, None])
    assert kept == [True, False]
    assert one.plan.evidence[3].decision == "not kept"
    assert one.plan.evidence[3].reason == NOT_FINITE


def test_what_is_expected_before_the_first_step() -> None:
    rows = expected_steps(PLAN, estimates())
    assert [row.step for row in rows] == [phase.name for phase in PLAN.phases]
    assert all(row.estimated_seconds and row.decision == "may be taken" for row in rows)


def test_a_step_shortened_for_the_budget_says_so() -> None:
    guess = estimates()
    one = Search(PLAN, LABELS, [], guess, Budget(), lambda _: None)
    one.next_phase()
    one.phase_done(trained(1.0))
    # Half the time that the second step would take is left.
    one._budget = Budget(seconds=one._elapsed() + PLAN.phases[1].epochs * guess.epoch(PLAN.phases[1].boundary) / 2)
    shortened = one.next_phase()
    assert shortened is not None
    assert 3 <= shortened.epochs < PLAN.phases[1].epochs
    assert one.plan.phases[1] == shortened
    one.phase_done(trained(0.5))
    assert one.plan.evidence[-1].reason.endswith(
        f"; {shortened.epochs} epochs instead of {PLAN.phases[1].epochs}, for the budget"
    )


def test_a_shortened_step_that_is_resumed_still_says_so() -> None:
    guess, first = estimates(), trained(1.0)
    one = Search(PLAN, LABELS, [], guess, Budget(), lambda _: None)
    one.next_phase()
    one.phase_done(first)
    one._budget = Budget(seconds=one._elapsed() + PLAN.phases[1].epochs * guess.epoch(PLAN.phases[1].boundary) / 2)
    one.next_phase()
    # The plan in the run's folder has the shortened step by then.
    other = Search(one.plan, LABELS, [], estimates(), Budget(), lambda _: None)
    assert first.best is not None
    other.go_on(one.state(), [first.best.record])
    one.phase_done(trained(0.5))
    other.phase_done(trained(0.5))
    assert other.plan.evidence[-1].reason == one.plan.evidence[-1].reason
    assert other.plan.evidence[-1].reason.endswith(f"instead of {PLAN.phases[1].epochs}, for the budget")
