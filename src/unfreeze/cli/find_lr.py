"""`unfreeze find-lr`: the learning rate by a range test."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from unfreeze.cli.options import DataArgument, RecipeOption, takes_recipe

_CAN_NOT_TELL = 3


@takes_recipe
def find_lr(
    changes: dict[str, Any],
    data: DataArgument,
    recipe: RecipeOption = None,
    phase: Annotated[
        str | None, typer.Option(help="head or unfrozen; by default both, the second at the rate found for the first.")
    ] = None,
    low: Annotated[float, typer.Option(help="The lowest rate to try.")] = 1e-6,
    high: Annotated[float, typer.Option(help="The highest rate to try.")] = 10.0,
    steps: Annotated[int, typer.Option(help="In how many steps.")] = 100,
    plot: Annotated[Path | None, typer.Option("--plot", metavar="FILE", help="Draw loss over rate, as .png or .svg.")] = None,
    to: Annotated[Path | None, typer.Option("--to", metavar="FILE.json", help="Write the curves as JSON.")] = None,
) -> None:
    """Look for the learning rate: train a little while the rate rises. In Python: unfreeze.find_rate.

    Status 0: found. 3: can't tell for a phase, with the reason.
    """
    from unfreeze import api
    from unfreeze.api.rates import write_rates
    from unfreeze.cli.show_rates import show_rates
    from unfreeze.cli.watch import scan_progress, testing_progress
    from unfreeze.files import check_folder_of
    from unfreeze.report.plot import check_plot
    from unfreeze.report.rates import draw_rates

    if plot is not None:
        check_plot(plot)
    if to is not None:
        check_folder_of(to)
    with scan_progress() as progress, testing_progress() as testing:
        tests = api.find_rate(
            data, recipe, phase=phase, low=low, high=high, steps=steps, progress=progress, testing=testing, **changes
        )
    if plot is not None:
        draw_rates(tests, plot)
    if to is not None:
        write_rates(tests, to)
    show_rates(tests, [path for path in (plot, to) if path is not None])
    if any(test.verdict.suggestion is None for test in tests):
        raise typer.Exit(_CAN_NOT_TELL)
