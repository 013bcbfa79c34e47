"""Steps too large, too small, and those that end in no number: on made-up curves."""

from __future__ import annotations

import math
from typing import Any

import pytest

from support.made_up import epochs, evidence, small_plan
from unfreeze.diagnosis import exploding_gradients as exploding
from unfreeze.diagnosis import rate_too_high as high
from unfreeze.diagnosis import rate_too_low as low
from unfreeze.diagnosis.evidence import Evidence
from unfreeze.diagnosis.finding import Finding
from unfreeze.diagnosis.not_finite import not_finite
from unfreeze.diagnosis.rates import HEAD_RATE, REDUCTION, SGD_FACTOR, UNFROZEN_RATE, lowered, rounded, times_below_usual
from unfreeze.recipe.plan import Plan
from unfreeze.recipe.read import read_recipe
from unfreeze.training.loop import NOT_FINITE

TEN = tuple("abcdefghij")
SECOND = {"phase_name": "last 2 stages", "boundary": "stage2"}


def planned(**changes: Any) -> Plan:
    """A plan by a recipe's dotted names; its phases are `head only` and `last 2 stages`."""
    return small_plan(read_recipe(None, {name.replace("__", "."): value for name, value in changes.items()}))


def too_high(loss: list[Any], known: dict[str, Any] | None = None, **columns: Any) -> Finding:
    """With the validation loss doing as that of training does."""
    return high.rate_too_high(evidence(epochs(**{"train_loss": loss, "val_loss": loss} | columns), **known or {}))


def too_low(loss: list[Any], known: dict[str, Any] | None = None, **columns: Any) -> Finding:
    return low.rate_too_low(evidence(epochs(**{"train_loss": loss, "train_accuracy": 0.3} | columns), **known or {}))


# Too high


def test_a_loss_far_above_that_of_a_guess() -> None:
    finding = too_high([20.0, 50.0, 50.0, 50.0], {"plan": planned()}, train_accuracy=0.3)
    assert (finding.code, finding.outcome, finding.severity) == ("rate-too-high", "found", "warning")
    assert finding.measured["loss_in_guesses"] == pytest.approx(50 / math.log(3))
    assert finding.measured["rate"] == HEAD_RATE
    assert finding.thresholds == high.THRESHOLDS
    assert finding.explanation.startswith("'head only' at rate 0.003: ")
    assert "the training loss is 50, that of a guess 1.1" in finding.explanation
    assert read_recipe(None, finding.remedy).head_only.rate == pytest.approx(HEAD_RATE / REDUCTION)


def test_a_new_head_that_starts_above_a_guess_and_comes_down_is_on_its_way() -> None:
    assert too_high([2.6, 2.4, 2.2, 2.0], train_accuracy=0.4).outcome == "not found"
    assert too_high([2.6, 2.4, 2.5, 2.4], train_accuracy=0.4).outcome == "found"
    assert too_high([9.0, 8.0, 7.0, 6.0], train_accuracy=0.4).outcome == "found"


def test_a_jump_from_which_the_loss_does_not_come_back() -> None:
    finding = too_high([0.8, 0.4, 0.2, 1.2, 1.1, 1.0], train_accuracy=0.5)
    assert (finding.outcome, finding.epoch) == ("found", 4)
    assert finding.measured["jump"] == pytest.approx(1.2 / 0.2 - 1)
    assert "the training loss jumped from 0.2 to 1.2" in finding.explanation


def test_one_jump_and_back_decides_nothing() -> None:
    assert too_high([0.8, 0.5, 0.3, 1.2, 0.3, 0.2, 0.1]).outcome == "not found"
    assert too_high([0.8, 0.5, 0.3, *[1.2, 0.1] * (high.JUMPS + 1), 0.1, 0.1, 0.1]).outcome == "found"


def test_jumps_of_a_small_loss_are_noise() -> None:
    assert too_high([0.8, 0.01, 0.02, 0.01, 0.02, 0.03, 0.02, 0.04]).outcome == "not found"


def test_probabilities_that_mean_nothing() -> None:
    finding = too_high([3.0, 3.0, 3.0, 3.0], {"classes": TEN}, train_accuracy=0.9)
    assert finding.measured["loss_per_mistake"] == pytest.approx(30)
    assert too_high([0.3, 0.3, 0.3, 0.3], {"classes": TEN}, train_accuracy=0.9).outcome == "not found"
    assert too_high([0.4, 0.4, 0.4, 0.4], {"classes": TEN}, train_accuracy=0.999).outcome == "not found"  # smoothed labels


def test_a_training_loss_that_dropout_makes_large_is_another_matter() -> None:
    assert too_high([5.0] * 5, val_loss=0.3, train_accuracy=0.3).outcome == "not found"


def test_a_rate_next_to_nothing_is_never_too_high() -> None:
    small = planned(head_only__rate=HEAD_RATE / high.SMALL / 100)
    assert too_high([50.0] * 4, {"plan": small}, train_accuracy=0.3).outcome == "not found"


def test_the_phase_at_fault_is_named_and_changed() -> None:
    finding = too_high(
        [0.8, 0.6, 0.5, 60.0, 60.0, 60.0],
        {"plan": planned(unfrozen__rate=0.1)},
        phase=[1, 1, 1, 2, 2, 2], phase_name=["head only"] * 3 + ["last 2 stages"] * 3, boundary=["head"] * 3 + ["stage2"] * 3,
        train_accuracy=[0.6, 0.7, 0.8, 0.3, 0.3, 0.3], val_accuracy=[0.6, 0.7, 0.8, 0.3, 0.3, 0.3],
    )  # fmt: skip
    assert finding.outcome == "found"
    assert finding.explanation.startswith("'last 2 stages' at rate 0.1: ")
    assert list(finding.remedy) == ["unfrozen.rate"]
    assert read_recipe(None, finding.remedy).unfrozen.rate <= UNFROZEN_RATE


def test_without_a_plan_there_is_a_finding_and_what_is_known_of_the_rate() -> None:
    known = {"classes": (), "val_pictures": None}
    finding = too_high([0.8, 0.4, 0.2, 1.2, 1.1, 1.0], known, rate=[None, 0.5, 0.4, 0.3, 0.2, 0.1], train_accuracy=None)
    assert (finding.outcome, finding.remedy) == ("found", {})
    assert finding.measured["rate"] == 0.5
    no_rate = too_high([0.8, 0.4, 0.2, 1.2, 1.1, 1.0], known, rate=None, val_loss=math.nan)
    assert (no_rate.outcome, "rate" in no_rate.measured) == ("found", False)


def test_healthy_one_epoch_and_gaps() -> None:
    assert too_high([0.9, 0.6, 0.5, 0.45, 0.5, 0.42], {"plan": planned()}).outcome == "not found"
    assert too_high([0.9]).outcome == "not found"
    assert too_high([0.9, math.nan, 0.5, math.inf, 0.4]).outcome == "not found"
    assert high.rate_too_high(evidence(epochs(rate=[0.1] * 3, train_loss=math.nan))).outcome == "could not tell"


# Too low


STRAIGHT = [1.2 - 0.01 * epoch for epoch in range(10)]


def test_a_straight_line_at_a_small_rate() -> None:
    finding = too_low(STRAIGHT, {"plan": planned(head_only__rate=HEAD_RATE / 50)})
    assert (finding.code, finding.outcome, finding.severity, finding.epoch) == ("rate-too-low", "found", "warning", 10)
    assert finding.measured == pytest.approx({"progress": 0.09 / 1.2, "falling": 1, "straight": 1, "below_usual": 50}, rel=0.3)
    assert finding.thresholds == low.THRESHOLDS
    assert "in a straight line" in finding.explanation
    assert read_recipe(None, finding.remedy).head_only.rate == HEAD_RATE


def test_next_to_no_rate_and_a_loss_that_only_trembles() -> None:
    trembling = [1.2, 1.21, 1.19, 1.2, 1.21, 1.2]
    finding = too_low(trembling, {"plan": planned(unfrozen__rate=UNFROZEN_RATE / low.FACTOR / 10)}, phase=2, **SECOND)
    assert finding.outcome == "found"
    assert "hardly at all" in finding.explanation
    assert finding.remedy == {"unfrozen.rate": UNFROZEN_RATE}
    assert too_low(trembling, {"plan": planned()}).outcome == "not found"


@pytest.mark.parametrize(
    ("loss", "accuracy", "rate"),
    [
        (STRAIGHT, 0.3, HEAD_RATE),
        (STRAIGHT, 0.97, HEAD_RATE / 50),
        ([1.2 * 0.6**epoch for epoch in range(10)], 0.3, HEAD_RATE / 50),
        ([1.2, 1.15, *[1.13] * 8], 0.3, HEAD_RATE / 50),
        ([1.2, 1.19, 1.2, 1.19, 1.2, 1.19, 1.2, 1.19], 0.3, HEAD_RATE / 50),
    ],
    ids=["at the usual rate", "learned", "falling fast", "a bend", "noise"],
)
def test_not_too_low(loss: list[float], accuracy: float, rate: float) -> None:
    finding = too_low(loss, {"plan": planned(head_only__rate=rate)}, train_accuracy=accuracy)
    assert (finding.outcome, finding.severity, finding.remedy) == ("not found", "note", {})


def test_a_schedule_that_ends_near_nothing_makes_no_bend() -> None:
    rates = [0.5 * (1 + math.cos(math.pi * epoch / 10)) for epoch in range(10)]
    loss = [1.2 - 0.01 * sum(rates[: epoch + 1]) for epoch in range(10)]
    finding = too_low(loss, {"plan": planned(head_only__rate=HEAD_RATE / 50)}, rate=rates)
    assert finding.outcome == "found"
    assert finding.measured["straight"] == pytest.approx(1)


def test_of_another_tool_only_the_curve_speaks_and_nothing_says_what_rate_would_do() -> None:
    finding = too_low(STRAIGHT, {"classes": (), "val_pictures": None}, rate=None, val_loss=math.nan)
    assert (finding.outcome, finding.remedy) == ("found", {})


def test_few_epochs_show_no_trend() -> None:
    assert too_low([1.2], {"plan": planned()}).outcome == "could not tell"
    assert too_low([math.nan] * 4).outcome == "could not tell"
    assert too_low([1.2, math.nan, 1.1, 1.0, 0.9]).outcome == "not found"


# What rates are held against


def test_the_usual_rates() -> None:
    known = evidence(epochs(phase=[1, 2], phase_name=["head only", "last 2 stages"]), plan=planned(unfrozen__rate=1e-6))
    assert [times_below_usual(known, phase) for phase in known.phases] == pytest.approx([1, UNFROZEN_RATE / 1e-6])
    assert times_below_usual(evidence(epochs(phase=[1])), known.last) == 0
    sgd = planned(head_only__optimizer__name="sgd", head_only__rate=1.0, unfrozen__rate=1e-8)
    assert lowered(sgd.phases[0]) == {"head_only.rate": pytest.approx(min(1 / REDUCTION, SGD_FACTOR * HEAD_RATE))}
    assert lowered(sgd.phases[1]) == {"unfrozen.rate": 1e-8 / REDUCTION}
    assert rounded(0.000123456) == 0.000123


# Gradients and losses that are no numbers


def exploded(norms: list[Any], **known: Any) -> Finding:
    return exploding.exploding_gradients(evidence(epochs(gradient_norm=norms), **known))


def test_an_exploding_gradient() -> None:
    unclipped = planned(head_only__optimizer__clip_norm=None)
    finding = exploded([2.0, 3 * exploding.NORM, None, 5.0], plan=unclipped)
    assert (finding.code, finding.outcome, finding.severity, finding.epoch) == ("exploding-gradients", "found", "warning", 2)
    assert finding.measured == {"gradient_norm": 3 * exploding.NORM}
    assert finding.thresholds == exploding.THRESHOLDS
    assert read_recipe(None, finding.remedy).head_only.optimizer.clip_norm == 1.0
    assert exploded([3 * exploding.NORM]).remedy == {}


def test_one_that_was_scaled_down_is_a_note() -> None:
    finding = exploded([2.0, 3 * exploding.NORM], plan=planned())
    assert (finding.outcome, finding.severity, finding.remedy) == ("found", "note", {})
    assert "scaled down" in finding.explanation


def test_usual_gradients_and_those_nobody_measured() -> None:
    assert exploded([2.0, 20.0, 1.0]).outcome == "not found"
    assert exploded([None, None]).outcome == "could not tell"


def test_a_loss_that_is_no_number() -> None:
    history = epochs(phase=[1, 1, 1])
    finding = not_finite(evidence(history, endings=("all epochs done", NOT_FINITE), plan=planned(unfrozen__rate=0.02)))
    assert (finding.code, finding.outcome, finding.severity, finding.epoch) == ("not-finite", "found", "warning", 3)
    assert "in 'last 2 stages': the best weights before that are kept" in finding.explanation
    assert read_recipe(None, finding.remedy).unfrozen.rate < 0.02
    assert "unfrozen.optimizer.clip_norm" not in finding.remedy
    assert not_finite(evidence(history, endings=("all epochs done", "no better for 5 epochs"))).outcome == "not found"


def test_a_loss_that_never_was_a_number() -> None:
    finding = not_finite(Evidence((), endings=(NOT_FINITE,), plan=planned(head_only__optimizer__clip_norm=None)))
    assert (finding.outcome, finding.severity, finding.epoch) == ("found", "error", None)
    assert "in 'head only': nothing was learned" in finding.explanation
    assert read_recipe(None, finding.remedy).head_only.optimizer.clip_norm == 1.0
    foreign = not_finite(evidence(epochs(phase=[1], phase_name="training"), endings=(NOT_FINITE,)))
    assert (foreign.outcome, foreign.remedy) == ("found", {})
    assert "in 'training'" in foreign.explanation


# Schedules that move the rate about


@pytest.mark.parametrize(("name", "outcome"), [("cosine-restarts", "not found"), ("constant", "found")])
def test_a_loss_that_jumps_where_a_cosine_starts_again_is_meant_to(name: str, outcome: str) -> None:
    loss = [1.0, 0.7, 0.62, 0.9, 0.7, 0.58, 0.85, 0.66, 0.56, 0.8, 0.6, 0.55]
    plan = planned(head_only__epochs=12, head_only__schedule__name=name)
    known = {"plan": plan}
    assert too_high(loss, known, train_accuracy=0.8, rate=[2e-3, 1e-3, 1e-5] * 4).outcome == outcome


def test_a_rate_that_falls_to_nothing_by_its_schedule_was_not_too_low() -> None:
    falls = [1.0, 0.8, 0.7, 0.65, 0.625, 0.612, 0.606, 0.603]
    plan = planned(head_only__epochs=8, head_only__schedule__name="exponential", head_only__schedule__factor=0.5)
    assert not too_low(falls, {"plan": plan}, rate=[3e-3 * 0.5**epoch for epoch in range(8)]).is_found
