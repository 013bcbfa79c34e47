"""What unfreezing did: harm, too early, or nothing. On made-up curves of a phase of the head and one of the last stages."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from support.made_up import epochs, evidence, small_plan
from unfreeze.diagnosis import head_trained_too_short as short
from unfreeze.diagnosis import no_better_than_frozen as frozen
from unfreeze.diagnosis import unfreezing_did_harm as harm
from unfreeze.diagnosis.evidence import Evidence
from unfreeze.diagnosis.finding import Finding
from unfreeze.diagnosis.rates import UNFROZEN_RATE
from unfreeze.recipe.read import read_recipe

Check = Callable[[Evidence], Finding]
CHECKS: tuple[Check, ...] = (harm.unfreezing_did_harm, short.head_trained_too_short, frozen.no_better_than_frozen)
PLAN = small_plan(read_recipe(None, {"unfrozen.rate": 0.01}))


def two_phases(head: dict[str, list[Any]], after: dict[str, list[Any]], **known: Any) -> Evidence:
    first, second = (len(next(iter(phase.values()))) for phase in (head, after))
    columns = {name: [*head[name], *after[name]] for name in head}
    history = epochs(
        phase=[1] * first + [2] * second,
        phase_name=["head only"] * first + ["last 2 stages"] * second,
        boundary=["head"] * first + ["stage2"] * second,
        **columns,
    )
    return evidence(history, **{"val_pictures": 10_000} | known)


HEAD = {"train_accuracy": [0.7, 0.8, 0.85], "val_accuracy": [0.75, 0.82, 0.85], "val_loss": [0.7, 0.55, 0.5]}
HARMED = two_phases(
    HEAD, {"train_accuracy": [0.4, 0.5, 0.55], "val_accuracy": [0.5, 0.55, 0.6], "val_loss": [1.5, 1.3, 1.2]}, plan=PLAN
)
BETTER = two_phases(
    HEAD, {"train_accuracy": [0.9, 0.93, 0.95], "val_accuracy": [0.9, 0.92, 0.93], "val_loss": [0.4, 0.3, 0.25]}, plan=PLAN
)
SAME = two_phases(
    HEAD, {"train_accuracy": [0.86, 0.86, 0.86], "val_accuracy": [0.85, 0.849, 0.85], "val_loss": [0.5, 0.501, 0.5]}, plan=PLAN
)


def test_unfreezing_did_harm() -> None:
    finding = harm.unfreezing_did_harm(HARMED)
    assert (finding.code, finding.outcome, finding.severity, finding.epoch) == ("unfreezing-did-harm", "found", "warning", 4)
    assert finding.measured == pytest.approx(
        {
            "before": 0.85, "after": 0.6, "loss_before": 0.5, "loss_after": 1.2, "setback": 0.45,
            "standard_error": math.sqrt(0.85 * 0.15 / 10_000),
        }
    )  # fmt: skip
    assert finding.thresholds == harm.THRESHOLDS
    assert "best validation accuracy 85.0% before unfreezing and 60.0% after" in finding.explanation
    assert read_recipe(None, finding.remedy).unfrozen.rate < 0.01


def test_it_did_none() -> None:
    for known in (BETTER, SAME):
        finding = harm.unfreezing_did_harm(known)
        assert (finding.outcome, finding.severity, finding.remedy) == ("not found", "note", {})


def test_a_lower_accuracy_within_the_noise_is_no_harm() -> None:
    columns = {"train_accuracy": [0.4] * 3, "val_accuracy": [0.75] * 3, "val_loss": [0.5] * 3}
    assert harm.unfreezing_did_harm(two_phases(HEAD, columns)).outcome == "found"
    assert harm.unfreezing_did_harm(two_phases(HEAD, columns, val_pictures=6)).outcome == "not found"


def test_training_pictures_learned_by_heart_are_another_matter() -> None:
    by_heart = {"train_accuracy": [0.9, 0.97, 0.99], "val_accuracy": [0.7] * 3, "val_loss": [1.5] * 3}
    assert harm.unfreezing_did_harm(two_phases(HEAD, by_heart)).outcome == "not found"


def test_the_head_was_trained_too_short() -> None:
    known = two_phases(
        {"train_loss": [2.0, 1.5, 1.0, 0.5], "val_loss": [2.0, 1.6, 1.2, 0.8], "val_accuracy": [0.3, 0.35, 0.4, 0.45]},
        {"train_loss": [0.4, 0.2, 0.1], "val_loss": [0.4, 0.3, 0.2], "val_accuracy": [0.8, 0.9, 0.95]},
        plan=PLAN,
    )
    finding = short.head_trained_too_short(known)
    assert (finding.code, finding.outcome, finding.severity, finding.epoch) == ("head-trained-too-short", "found", "warning", 4)
    assert finding.measured["fall"] == pytest.approx(0.4 / 0.8)
    assert finding.measured["behind"] == pytest.approx(0.5)
    assert finding.measured["epochs"] == 4
    assert finding.thresholds == short.THRESHOLDS
    assert read_recipe(None, finding.remedy).head_only.epochs == max(short.USUAL_EPOCHS, 12)


def test_one_epoch_of_the_head_is_judged_by_its_own_training_loss() -> None:
    after = {"train_loss": [0.4, 0.2], "val_loss": [0.4, 0.2], "val_accuracy": [0.9, 0.95]}
    steep = {"train_loss": [3.0], "val_loss": [1.0], "val_accuracy": [0.35]}
    assert short.head_trained_too_short(two_phases(steep, after)).outcome == "found"
    assert short.head_trained_too_short(two_phases(steep, after)).remedy == {"head_only.epochs": short.USUAL_EPOCHS}
    ready = {"train_loss": [0.5], "val_loss": [0.5], "val_accuracy": [0.94]}
    assert short.head_trained_too_short(two_phases(ready, after)).outcome == "not found"


def test_a_head_that_was_done_was_not_trained_too_short() -> None:
    for known in (HARMED, SAME):
        finding = short.head_trained_too_short(known)
        assert (finding.outcome, finding.remedy) == ("not found", {})


def test_no_better_than_frozen() -> None:
    finding = frozen.no_better_than_frozen(SAME)
    assert (finding.code, finding.outcome, finding.severity, finding.epoch) == ("no-better-than-frozen", "found", "note", 4)
    assert finding.measured["gain"] == 0
    assert finding.measured["loss_gain"] == 0
    assert (finding.measured["frozen"], finding.measured["unfrozen"]) == (0.85, 0.85)
    assert finding.thresholds == frozen.THRESHOLDS
    assert read_recipe(None, finding.remedy).strategy == "feature-extraction"


def test_at_next_to_no_rate_unfrozen_stages_had_no_chance() -> None:
    plan = small_plan(read_recipe(None, {"unfrozen.rate": UNFROZEN_RATE / frozen.BELOW_USUAL / 10}))
    finding = frozen.no_better_than_frozen(replace(SAME, plan=plan))
    assert (finding.outcome, finding.severity) == ("found", "warning")
    assert finding.measured["below_usual"] == pytest.approx(10 * frozen.BELOW_USUAL)
    assert "unfrozen stages hardly move" in finding.explanation
    assert read_recipe(None, finding.remedy).unfrozen.rate == UNFROZEN_RATE
    assert frozen.no_better_than_frozen(replace(SAME, plan=None)).remedy == {}


def test_better_than_frozen_by_accuracy_or_by_loss() -> None:
    assert frozen.no_better_than_frozen(BETTER).outcome == "not found"
    surer = {"train_accuracy": [0.86] * 3, "val_accuracy": [0.85] * 3, "val_loss": [0.3] * 3}
    assert frozen.no_better_than_frozen(two_phases(HEAD, surer)).outcome == "not found"


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("boundary", ["head", "stage2", None])
def test_nothing_was_unfrozen_after_the_head_alone_or_nobody_knows(check: Check, boundary: str | None) -> None:
    finding = check(evidence(epochs(boundary=[boundary] * 4)))
    assert (finding.outcome, finding.remedy) == ("not found", {})
    assert "no stage was unfrozen" in finding.explanation


@pytest.mark.parametrize("check", CHECKS)
def test_could_not_tell_without_validation(check: Check) -> None:
    nothing = {"val_accuracy": [math.nan] * 2, "val_loss": [math.nan] * 2}
    finding = check(two_phases(nothing, nothing))
    assert (finding.outcome, finding.severity, finding.remedy) == ("could not tell", "note", {})


def searched(of: Evidence, kept: int) -> Evidence:
    return replace(of, plan=small_plan(read_recipe(None, {"strategy": "auto", "unfrozen.rate": 0.01})), best_epoch=kept)


def test_of_a_step_that_a_search_left_harm_is_a_note_with_a_lower_rate() -> None:
    finding = harm.unfreezing_did_harm(searched(HARMED, kept=3))
    assert (finding.outcome, finding.severity) == ("found", "note")
    assert finding.remedy.keys() == {"unfrozen.rate"}
    assert "were kept" in finding.explanation
    assert harm.unfreezing_did_harm(searched(HARMED, kept=6)).severity == "warning"


def test_a_search_isnt_told_to_try_what_it_has_tried() -> None:
    finding = frozen.no_better_than_frozen(searched(SAME, kept=3))
    assert (finding.outcome, finding.remedy) == ("found", {})


def test_the_last_phase_of_a_search_is_the_one_that_was_kept() -> None:
    assert HARMED.last.name == "last 2 stages"
    assert [searched(HARMED, kept=kept).last.name for kept in (3, 6)] == ["head only", "last 2 stages"]
