"""`unfreeze tune`: a few trials around a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from unfreeze.cli.options import INTERRUPTED, DataArgument, QuietOption, RecipeOption, takes_recipe


@takes_recipe
def tune(
    changes: dict[str, Any],
    data: DataArgument,
    out: Annotated[Path, typer.Option("--out", help="The folder of the trials; given again, it goes on there.")],
    recipe: RecipeOption = None,
    trials: Annotated[int, typer.Option(help="The most trials, with those that are in the folder already.")] = 12,
    budget: Annotated[str | None, typer.Option(help="The most time it may take: 90s, 30m, 1.5h.")] = None,
    search: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="What to search, with commas: head-rate, rate, stages, dropout, decay; by default what isn't given.",
        ),
    ] = None,
    train: Annotated[bool, typer.Option("--train", help="Train the best recipe into OUT/run in the end.")] = False,
    quiet: QuietOption = False,
) -> None:
    """Try a few values of rates, stages, dropout and decay; the best recipe is OUT/best.yaml. In Python: unfreeze.tune."""
    from unfreeze import api
    from unfreeze.cli.show import show_plan, show_run
    from unfreeze.cli.show_tuning import Telling, show_tuning
    from unfreeze.cli.watch import scan_progress, testing_progress, watching
    from unfreeze.training.run_folder import check_free

    run = out / "run"
    if train:
        check_free(run)
    telling = Telling(quiet)
    # An empty name is refused like any other: searching everything isn't what it asks for.
    names = () if search is None else tuple(name.strip() for name in search.split(","))
    with scan_progress(quiet) as progress, testing_progress(quiet) as testing:
        tuning = api.tune(
            data, recipe, out=out, trials=trials, budget=budget, search=names, progress=progress,
            testing=testing, on_plan=None if quiet else show_plan, on_trial=telling.trial, watching=telling.watching, **changes,
        )  # fmt: skip
    if not quiet:
        show_tuning(tuning, data, None if train else run)
    if tuning.interrupted:
        raise typer.Exit(INTERRUPTED)
    if train and tuning.recipe is not None:
        with watching(quiet) as watcher:
            trained = api.train(data, tuning.recipe, out=run, watcher=watcher)
        if not quiet:
            show_run(trained)
        if trained.interrupted:
            raise typer.Exit(INTERRUPTED)
