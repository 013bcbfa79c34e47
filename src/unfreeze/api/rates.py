"""Learning rates found by range tests: for `unfreeze find-lr`, and for the rates that a recipe leaves open."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from unfreeze.api.opening import open_planned
from unfreeze.data.dataset import Dataset
from unfreeze.errors import RecipeError
from unfreeze.files import write_json
from unfreeze.recipe.network import HEAD
from unfreeze.recipe.plan import Phase, Plan
from unfreeze.recipe.recipe import HeadOnly, PhaseSettings, Recipe, Unfrozen
from unfreeze.report.rates import draw_rates
from unfreeze.training.cache_planning import plan_cache
from unfreeze.training.feeding import Feeding
from unfreeze.training.loop import train_plan
from unfreeze.training.range_test import RULES, Kind, RangeSettings, RangeTest, run_range_test
from unfreeze.training.watcher import Silent

# In a run folder: the curves, and a picture of them.
CURVES, PICTURE = "rates.json", "rates.png"
# Goes up when the file changes its meaning.
SCHEMA = 1
# What each kind of phase is set by, and the rate where none can be told.
SECTIONS: dict[Kind, str] = {"head": "head_only", "unfrozen": "unfrozen"}
_USUAL: dict[Kind, Any] = {"head": HeadOnly().rate, "unfrozen": Unfrozen().rate}
# Told what is done for the rates, how much of it is done, and of how much.
Testing = Callable[[str, int, int], None]


def left_open(asked: Recipe) -> tuple[Kind, ...]:
    """Which rates a recipe leaves open."""
    return tuple(kind for kind in SECTIONS if _settings(asked, kind).rate == "auto")


def leave_open(asked: Recipe, kinds: Sequence[Kind]) -> Recipe:
    """The recipe with these rates left open."""
    for kind in kinds:
        asked = _with_rate(asked, kind, "auto")
    return asked


def with_rates(
    asked: Recipe, dataset: Dataset, settings: RangeSettings | None = None, testing: Testing | None = None
) -> tuple[Recipe, tuple[RangeTest, ...]]:
    """The recipe with numbers for the rates that it leaves open, and the range tests that found them.

    The head's rate is found first, because the unfrozen phase starts from a head that was trained at it. Each test has a
    network of its own, so that the training that follows is the one that a recipe with these numbers makes. Where a test
    can't tell, or the strategy has no such phase, the number is the usual one.
    """
    recipe, tests = asked, []
    for kind in left_open(asked):
        recipe = _with_rate(recipe, kind, _USUAL[kind])
    for kind in left_open(asked):
        if kind == "unfrozen" and not _unfreezes(asked):
            continue
        test = _test(recipe, dataset, kind, settings or RangeSettings(), testing or (lambda *_: None))
        if test is None:
            continue
        tests.append(test)
        if test.verdict.suggestion is not None:
            recipe = _with_rate(recipe, kind, test.verdict.suggestion)
    return recipe, tuple(tests)


def remarks(tests: Sequence[RangeTest]) -> tuple[str, ...]:
    """What a plan says about rates that were found."""
    said = []
    for test in tests:
        verdict, key = test.verdict, f"{SECTIONS[test.kind]}.rate"
        if verdict.suggestion is not None:
            said.append(f"{key}: {verdict.suggestion:g} was found by a range test of '{test.phase}': {verdict.explanation}")
        else:
            said.append(f"{key}: the usual {_USUAL[test.kind]:g}, because a range test could not tell: {verdict.explanation}")
    return tuple(said)


def write_rates(tests: Sequence[RangeTest], path: Path) -> None:
    """Writes the curves with their verdicts as JSON."""
    write_json(path, {"schema": SCHEMA, "rules": RULES, "tests": [_as_dict(test) for test in tests]})


def _as_dict(test: RangeTest) -> dict[str, Any]:
    # JSON has no NaN and no infinity: the loss that ended a test may be one.
    finite = {
        name: [value if math.isfinite(value) else None for value in values]
        for name, values in (("losses", test.losses), ("smoothed", test.smoothed))
    }
    return asdict(test) | finite


def keep_rates(tests: Sequence[RangeTest], folder: Path) -> None:
    """Writes the curves of a run's range tests, and draws them, into its folder; nothing where there were none."""
    if tests:
        write_rates(tests, folder / CURVES)
        draw_rates(tests, folder / PICTURE)


def check_unfreezes(asked: Recipe) -> None:
    """Raises RecipeError: the strategy has no phase with stages unfrozen."""
    if not _unfreezes(asked):
        raise RecipeError(
            "--phase unfrozen: the strategy feature-extraction unfreezes nothing: use --phase head, or another --strategy"
        )


def _test(recipe: Recipe, dataset: Dataset, kind: Kind, settings: RangeSettings, testing: Testing) -> RangeTest | None:
    """A range test of the first phase of a kind, on a network of its own; None where the strategy has none."""
    opening = open_planned(recipe, dataset)
    number = _first(opening.plan, kind)
    if number is None:
        return None
    planned = plan_cache(opening.plan.phases, opening.loader, opening.backend, recipe.cache.use, opening.place)
    plan = opening.plan.model_copy(update={"cache": planned})
    watcher = _Before(testing)
    with Feeding(opening.loader, opening.backend, plan, opening.place, watcher.cache_filled) as feeding:
        epoch = 0
        if number:
            before = plan.model_copy(update={"phases": plan.phases[:number]})
            outcome = train_plan(before, opening.backend, feeding, watcher)
            if outcome.interrupted:
                raise KeyboardInterrupt
            epoch = len(outcome.history)
        phase = plan.phases[number]

        def on_step(done: int, most: int) -> None:
            testing(f"range test of '{phase.name}'", done, most)

        return run_range_test(opening.backend, plan, phase, feeding.feed(number), epoch, settings, on_step)


def _unfreezes(asked: Recipe) -> bool:
    return asked.strategy != "feature-extraction"


def _first(plan: Plan, kind: Kind) -> int | None:
    """The place of a plan's first phase of a kind."""
    return next((place for place, phase in enumerate(plan.phases) if (phase.boundary == HEAD) == (kind == "head")), None)


def _settings(recipe: Recipe, kind: Kind) -> PhaseSettings:
    return recipe.head_only if kind == "head" else recipe.unfrozen


def _with_rate(recipe: Recipe, kind: Kind, rate: Any) -> Recipe:
    return recipe.model_copy(update={SECTIONS[kind]: _settings(recipe, kind).model_copy(update={"rate": rate})})


class _Before(Silent):
    """Tells how far the phases before the tested one are."""

    def __init__(self, testing: Testing) -> None:
        self._testing = testing
        self._name, self._steps, self._done = "", 1, 0

    def phase_started(self, number: int, phase: Phase, steps_per_epoch: int) -> None:  # noqa: ARG002
        self._name, self._steps, self._done = phase.name, phase.epochs * steps_per_epoch, 0

    def cache_filled(self, done: int, total: int, boundary: str) -> None:
        self._testing(f"frozen part up to {boundary}", done, total)

    def step_done(self, pictures: int) -> None:  # noqa: ARG002
        self._done += 1
        self._testing(f"'{self._name}' first", min(self._done, self._steps), self._steps)
