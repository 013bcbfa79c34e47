"""`unfreeze train`: the main job."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from unfreeze.cli.options import INTERRUPTED, DataArgument, QuietOption, RecipeOption, takes_recipe


@takes_recipe
def train(
    changes: dict[str, Any],
    data: DataArgument,
    recipe: RecipeOption = None,
    out: Annotated[Path | None, typer.Option("--out", help="The run's folder; by default named below runs/.")] = None,
    quiet: QuietOption = False,
) -> None:
    """Fine-tune a network on a folder of pictures. Ctrl-C keeps the best weights so far. In Python: unfreeze.train."""
    from unfreeze import api
    from unfreeze.cli.show import show_plan, show_run
    from unfreeze.cli.watch import scan_progress, watching

    with scan_progress(quiet) as progress, watching(quiet) as watcher:
        run = api.train(
            data,
            recipe,
            out=out,
            watcher=watcher,
            on_plan=None if quiet else show_plan,
            progress=progress,
            **changes,
        )
    if not quiet:
        show_run(run)
    if run.interrupted:
        raise typer.Exit(INTERRUPTED)
