"""`unfreeze improve`: a run made better by the remedies of its own findings."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unfreeze.cli.options import INTERRUPTED, QuietOption, RunArgument

if TYPE_CHECKING:
    from rich.table import Table

    from unfreeze.api.improvements import Improvement, Trial


def improve(
    run: RunArgument,
    rounds: Annotated[int, typer.Option(help="The most trainings.")] = 3,
    data: Annotated[Path | None, typer.Option("--data", help="The pictures, if they aren't where they were.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="A folder for the new runs; by default they are beside the run.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write the next recipe, show it, and train nothing.")] = False,
    quiet: QuietOption = False,
) -> None:
    """Apply the remedy of a run's first finding, train again, keep the better run, go on. In Python: unfreeze.improve."""
    from unfreeze import api
    from unfreeze.cli.watch import watching

    improvement = api.improve(
        run,
        rounds=rounds,
        data=data,
        out=out,
        dry_run=dry_run,
        on_trial=_say_nothing if quiet else _show_trial,
        watching=lambda: watching(quiet),
    )
    if not quiet:
        _show(improvement)
    if improvement.interrupted:
        raise typer.Exit(INTERRUPTED)


def _say_nothing(_: Trial) -> None: ...


def _show_trial(trial: Trial) -> None:
    """What is tried; and after its training, what came of it."""
    from rich.markup import escape

    from unfreeze.cli.show import say
    from unfreeze.report.labels import printable

    if trial.outcome:
        style = "bold green" if trial.kept else "bold"
        say(f"\n[{style}]{trial.outcome}[/]: {escape(printable(trial.explanation))}")
        return
    say(f"\n[bold yellow]{trial.finding.code}[/]: {escape(printable(trial.finding.explanation))}")
    for change in trial.changes:
        say(f"  {escape(printable(str(change)))}")


def _show(improvement: Improvement) -> None:
    """Everything that was tried, what is left, and what to do next."""
    from rich.markup import escape

    from unfreeze.api.improvements import NEXT_RECIPE, RECORD
    from unfreeze.cli.show import console, say
    from unfreeze.report.labels import printable

    if improvement.trials:
        say()
        console().print(_table(improvement.trials))
    first, best = (str(one.folder) for one in (improvement.first, improvement.best))
    say(f"\nended: {escape(improvement.ended)}")
    for code, reason in improvement.left.items():
        say(f"still found: {code}: {escape(printable(reason))}")
    if improvement.upcoming is not None:
        if not improvement.trials:
            _show_trial(improvement.upcoming)
        say(escape(f"next recipe {first}/{NEXT_RECIPE}"))
    if improvement.best.validation is None:
        say("[bold yellow]no run has a model yet[/]")
    else:
        say(escape(f"best run    {best}{', the one to begin with' if best == first else ''}"))
    if best != first:
        say(escape(f"compare     unfreeze compare {shlex.quote(first)} {shlex.quote(best)}"))
    say(escape(f"what was tried is in {first}/{RECORD}"))


def _table(trials: tuple[Trial, ...]) -> Table:
    from rich.markup import escape
    from rich.table import Table

    from unfreeze.report.labels import printable

    table = Table(box=None, pad_edge=False)
    for column in ("round", "finding", "change", "validation", "before", "now", "outcome", "run"):
        table.add_column(column, justify="right" if column in ("round", "before", "now") else "left", overflow="fold")
    for number, trial in enumerate(trials, start=1):
        gain = trial.gain
        scores = ("", "", "")
        if gain is not None:
            scores = (gain.measure.removeprefix("val_").replace("_", " "), f"{gain.first:.4f}", f"{gain.second:.4f}")
        table.add_row(
            str(number),
            trial.finding.code,
            "\n".join(escape(printable(str(change))) for change in trial.changes),
            *scores,
            f"{trial.outcome}, {'kept' if trial.kept else 'not kept'}",
            escape(printable(trial.run.folder.name)) if trial.run is not None else "",
        )
    return table
