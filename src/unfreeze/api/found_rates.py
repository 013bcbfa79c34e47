"""The command `find-lr` as a function."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from unfreeze.api.preparation import scan_asked
from unfreeze.api.rates import SECTIONS, Testing, check_unfreezes, leave_open, left_open, with_rates
from unfreeze.data.scan import Progress
from unfreeze.errors import RecipeError
from unfreeze.recipe.recipe import Recipe
from unfreeze.training.range_test import RangeSettings, RangeTest


def find_rate(
    data: str | Path,
    recipe: str | Path | Recipe | None = None,
    *,
    phase: str | None = None,
    low: float = RangeSettings.low,
    high: float = RangeSettings.high,
    steps: int = RangeSettings.steps,
    progress: Progress | None = None,
    testing: Testing | None = None,
    **changes: Any,
) -> tuple[RangeTest, ...]:
    """Looks for the learning rate by a range test of each kind of phase. Twin of `unfreeze find-lr`.

    Nothing is kept but what the cache keeps. `train` with the found rates, or with `rate: auto`, trains as if no test had been.

    Args:
        data, recipe, changes: as for `train`.
        phase: `head`, the base frozen; or `unfrozen`, after the head was trained at its rate; None is first the one and then,
            at the rate found, the other.
        low, high: the rates from which to which the test goes.
        steps: in how many steps.
        progress: of the scan, as (files done, files in all).
        testing: told what is being done, how much of it is done, and of how much.

    Returns:
        A test for each phase; `verdict.suggestion` is the rate, `verdict.explanation` says why, or why none can be told.

    Raises:
        UnfreezeError: as `train`, or the strategy has no such phase.
    """
    settings = RangeSettings(low, high, steps)
    wanted = tuple(kind for kind in SECTIONS if phase in (None, kind))
    if not wanted:
        raise RecipeError(f"phase: it can be {' or '.join(SECTIONS)}, received '{phase}'")
    asked, dataset = scan_asked(data, recipe, changes, progress)
    if phase == "unfrozen":
        check_unfreezes(asked)
    # A head's rate that is left open counts as asked for: the unfrozen phase starts from a head that was trained at it.
    _, tests = with_rates(leave_open(asked, wanted), dataset, settings, testing)
    found = tuple(test for test in tests if phase in (None, test.kind) or test.kind in left_open(asked))
    if not found:
        raise RecipeError(f"--phase {phase}: the strategy {asked.strategy} has no such phase with this network: leave it out")
    return found
