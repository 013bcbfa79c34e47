"""`unfreeze train`: the main job."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from unfreeze.cli.options import DataArgument, QuietOption, RecipeOption, status_of, takes_recipe


@takes_recipe
def train(
    changes: dict[str, Any],
    data: DataArgument,
    recipe: RecipeOption = None,
    out: Annotated[Path | None, typer.Option("--out", help="The run's folder; by default named below runs/.")] = None,
    log: Annotated[
        list[str] | None,
        typer.Option("--log", metavar="TRACKER", help="Tell tensorboard, mlflow or wandb as well. Repeatable, or with commas."),
    ] = None,
    quiet: QuietOption = False,
) -> None:
    """Fine-tune a network on a folder of pictures. Ctrl-C keeps the best weights so far; `unfreeze resume` goes on.

    In Python: unfreeze.train.

    With --framework both: once in PyTorch and once in TensorFlow, and then compared.
    """
    from unfreeze import api
    from unfreeze.api.frameworks import BOTH
    from unfreeze.api.preparation import read_changed
    from unfreeze.cli.show import show_plan, show_run
    from unfreeze.cli.watch import scan_progress, testing_progress, watching

    asked = read_changed(recipe, changes)
    if asked.framework == BOTH:
        from unfreeze.cli.both import train_both

        train_both(data, asked, out, quiet, log or [])
        return
    with scan_progress(quiet) as progress, testing_progress(quiet) as testing, watching(quiet) as watcher:
        run = api.train(
            data,
            asked,
            out=out,
            watcher=watcher,
            on_plan=None if quiet else show_plan,
            progress=progress,
            testing=testing,
            log=log or [],
        )
    if not quiet:
        show_run(run)
    if run.interrupted:
        raise typer.Exit(status_of(run.terminated))
