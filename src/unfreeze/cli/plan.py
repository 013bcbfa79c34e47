"""`unfreeze plan`: what a training would do."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from unfreeze.cli.options import DataArgument, RecipeOption, takes_recipe


@takes_recipe
def plan(
    changes: dict[str, Any],
    data: DataArgument,
    recipe: RecipeOption = None,
    plot: Annotated[
        Path | None,
        typer.Option("--plot", metavar="FILE", help="Also draw rates and unfreezing over all epochs, as .png or .svg."),
    ] = None,
) -> None:
    """Show the phases a training would run, every value resolved; nothing is trained. In Python: unfreeze.plan, draw_plan."""
    from unfreeze import api
    from unfreeze.cli.show import say, show_plan
    from unfreeze.cli.watch import scan_progress, testing_progress
    from unfreeze.report.plot import check_plot

    if plot is not None:
        check_plot(plot)
    with scan_progress() as progress, testing_progress() as testing:
        planned = api.plan(data, recipe, progress=progress, testing=testing, **changes)
    show_plan(planned)
    if plot is not None:
        api.draw_plan(planned, plot)
        say(f"\nlook at {escape(str(plot))}")
