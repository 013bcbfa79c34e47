"""The range test: what it makes of losses, by value; and on the NumPy backend, that it leaves no trace in the model."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support import numpy_backend
from support.folders import class_folder
from unfreeze.api.opening import Opening, open_planned
from unfreeze.data.load import Batch
from unfreeze.data.scan import scan_for_training
from unfreeze.errors import RecipeError
from unfreeze.recipe.network import HEAD
from unfreeze.recipe.read import read_recipe
from unfreeze.training.backend import Encoded, EpochResult
from unfreeze.training.encoding import boundary_of
from unfreeze.training.feeding import Feeding
from unfreeze.training.range_test import (
    PARTS,
    RangeSettings,
    RangeTest,
    has_diverged,
    judge,
    run_range_test,
    smooth,
)

STEPS = 100
RATES = RangeSettings(1e-6, 1.0, STEPS).rates


def bowl(lowest_at: float, depth: float, noise: float, seed: int = 0) -> list[float]:
    """A loss of 2 that falls by `depth` up to a rate, and rises steeply beyond it."""
    places = np.log10(np.array(RATES) / lowest_at)
    fallen = depth / (1 + np.exp(-4 * (places + 1)))
    return list(2 - fallen + 3 * np.clip(places, 0, None) + noise * np.random.default_rng(seed).standard_normal(STEPS))


def test_rates_rise_by_the_same_factor() -> None:
    assert RATES[0] == pytest.approx(1e-6)
    assert RATES[-1] == pytest.approx(1.0)
    assert np.diff(np.log(RATES)) == pytest.approx(math.log(1e6) / 99)


def test_smoothing_is_a_moving_average_corrected_for_its_start() -> None:
    # Over a tenth of 50 steps: 0.8 of what was before.
    assert smooth([1.0, 2.0, 4.0], 50) == pytest.approx([1.0, (0.16 + 0.4) / 0.36, (0.128 + 0.32 + 0.8) / 0.488])


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("kind", ["head", "unfrozen"])
def test_the_rule_takes_a_part_of_the_last_rate_before_the_loss_rises(kind: str, seed: int) -> None:
    verdict = judge(kind, RATES, bowl(1e-2, 1.0, 0.05, seed), STEPS)  # type: ignore[arg-type]
    assert verdict.outcome == "found"
    assert verdict.edge is not None
    assert verdict.suggestion is not None
    assert 3e-3 < verdict.edge < 5e-2
    assert verdict.suggestion == float(f"{PARTS[kind] * verdict.edge:.1e}")  # type: ignore[index]
    assert f"rises beyond rate {verdict.edge:.2g}" in verdict.explanation


def test_no_suggestion_lies_where_the_loss_is_rising() -> None:
    for place in (1e-4, 1e-3, 1e-2):
        for seed in range(10):
            losses = bowl(place, 0.2, 0.1, seed)
            suggestion = judge("unfrozen", RATES, losses, STEPS).suggestion
            assert suggestion is None or suggestion < 2 * place


def test_a_loss_that_becomes_nan_rises() -> None:
    losses = [*bowl(1.0, 1.0, 0.02)[:70], math.nan]
    verdict = judge("head", RATES[:71], losses, STEPS)
    assert verdict.outcome == "found"
    assert verdict.edge is not None
    assert verdict.edge <= RATES[69]


@pytest.mark.parametrize("seed", range(10))
def test_flat(seed: int) -> None:
    verdict = judge("head", RATES, list(2 + 0.1 * np.random.default_rng(seed).standard_normal(STEPS)), STEPS)
    assert (verdict.outcome, verdict.suggestion) == ("flat", None)
    assert "--steps" in verdict.explanation


def test_still_falling() -> None:
    verdict = judge("head", RATES, list(np.linspace(2, 1, STEPS)), STEPS)
    assert (verdict.outcome, verdict.suggestion) == ("still falling", None)
    assert "--high 100" in verdict.explanation


@pytest.mark.parametrize("losses", [list(np.linspace(1, 30, 12)), [math.nan], [1.0, math.inf]])
def test_rising_from_the_first_rate_on(losses: list[float]) -> None:
    verdict = judge("head", RATES[: len(losses)], losses, STEPS)
    assert (verdict.outcome, verdict.suggestion) == ("rises at once", None)
    assert "start lower, with --low 1e-09" in verdict.explanation


def test_when_a_test_ends() -> None:
    assert not has_diverged([1.0] * 20, STEPS)
    assert not has_diverged([1.0] * 20 + [5.0], STEPS)  # one step is no rise
    assert has_diverged([1.0] * 20 + [40.0], STEPS)
    assert has_diverged([1.0, math.nan], STEPS)


@pytest.mark.parametrize("wrong", [{"low": 0.0}, {"low": 1.0, "high": 0.1}, {"high": math.inf}, {"steps": 5}])
def test_settings_that_will_not_do(wrong: dict[str, float]) -> None:
    with pytest.raises(RecipeError, match="range test"):
        RangeSettings(**wrong)  # type: ignore[arg-type]


@pytest.fixture
def opening(tmp_path: Path, numpy_framework: str) -> Opening:
    class_folder(tmp_path / "photos", {"cat": 12, "dog": 12})
    recipe = read_recipe(None, {"framework": numpy_framework, "model": "tiny", "input.batch_size": 8, "cache.use": "off"})
    return open_planned(recipe, scan_for_training(tmp_path / "photos", recipe.data, recipe.seed))


def carried_out(opening: Opening, settings: RangeSettings, number: int = 1) -> RangeTest:
    plan = opening.plan.model_copy(update={"cache": ()})
    with Feeding(opening.loader, opening.backend, plan, opening.place) as feeding:
        return run_range_test(opening.backend, plan, plan.phases[number], feeding.feed(number), 0, settings)


def test_the_model_is_as_before_byte_for_byte(opening: Opening) -> None:
    assert isinstance(opening.backend, numpy_backend.NumpyBackend)
    before = opening.backend.snapshot()
    tested = carried_out(opening, RangeSettings(1e-6, 1.0, 60))
    assert tested.kind == "unfrozen"
    assert tested.verdict.outcome == "found"
    assert {name: values.tobytes() for name, values in opening.backend.weights.items()} == {
        name: values.tobytes() for name, values in before.items()
    }


def test_it_comes_back_from_a_test_that_was_interrupted(opening: Opening) -> None:
    assert isinstance(opening.backend, numpy_backend.NumpyBackend)
    before, plan = opening.backend.snapshot(), opening.plan.model_copy(update={"cache": ()})

    def interrupt(done: int, most: int) -> None:
        if done == 5:
            raise KeyboardInterrupt

    with Feeding(opening.loader, opening.backend, plan, opening.place) as feeding, pytest.raises(KeyboardInterrupt):
        run_range_test(opening.backend, plan, plan.phases[1], feeding.feed(1), 0, RangeSettings(1e-3, 1.0, 40), interrupt)
    for name, values in opening.backend.weights.items():
        assert values.tobytes() == before[name].tobytes()


def test_few_pictures_come_round_again(opening: Opening) -> None:
    assert opening.plan.steps_per_epoch == 2
    tested = carried_out(opening, RangeSettings(1e-9, 1e-8, 40))
    assert len(tested.losses) == 40
    assert tested.verdict.outcome == "flat"


def test_the_frozen_part_is_opened_once_for_all_steps(opening: Opening, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not at every step, where a backend would look again whether its frozen weights are still those."""
    given, train_epoch = [], opening.backend.train_epoch

    def noted(batches: Iterable[Batch | Encoded], *others: Any) -> EpochResult:
        kept = list(batches)
        given.extend(kept)
        return train_epoch(kept, *others)

    monkeypatch.setattr(opening.backend, "train_epoch", noted)
    tested = carried_out(opening, RangeSettings(1e-6, 1e-3, 40), number=0)
    assert len(given) == len(tested.losses) == 40
    assert {boundary_of(batch) for batch in given} == {HEAD}
