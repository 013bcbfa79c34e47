"""`unfreeze diagnose`: what a training's curves and predictions say, of a run or of another tool's history."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unfreeze.cli.inspect import FOUND
from unfreeze.cli.options import split_names
from unfreeze.errors import RecipeError, did_you_mean

if TYPE_CHECKING:
    from unfreeze.diagnosis.finding import Finding
    from unfreeze.diagnosis.foreign.table import Table

# Goes up when what `--json` prints changes its meaning.
SCHEMA = 1
# With --fail-on: whatever was found.
ANY = "found"


def diagnose(
    source: Annotated[
        Path,
        typer.Argument(metavar="RUN_OR_FILE", help="A run folder, or a history: Keras' CSVLogger, metrics.csv, summary.csv …"),
    ],
    columns: Annotated[
        str | None,
        typer.Option(metavar="WHAT=NAME,…", help="Columns of a file that are guessed wrong: train_loss=my loss,val_loss=…"),
    ] = None,
    classes: Annotated[int | None, typer.Option(help="How many classes there are, where a file doesn't say.")] = None,
    val_pictures: Annotated[int | None, typer.Option(help="How many validation pictures, where a file doesn't say.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON, and nothing else.")] = False,
    fail_on: Annotated[
        str | None,
        typer.Option(
            metavar="WHAT", help="End with status 3 where these are found: found, codes or severities, separated by commas."
        ),
    ] = None,
) -> None:
    """Say what went wrong in a training, by what numbers, and what to change. In Python: unfreeze.diagnose."""
    from unfreeze import api

    watched = check_names(split_names(fail_on) or [])
    said = parse_columns(columns)
    if api.is_run(source):
        table, findings = None, api.diagnose(source, columns=said, classes=classes, val_pictures=val_pictures)
    else:
        table = api.read_table(source, said, classes, val_pictures)
        findings = api.diagnose(table)
    if as_json:
        import json

        typer.echo(json.dumps(_plain(_as_dict(source, table, findings)), indent=2))
    else:
        _show(table, findings)
    if any(finding.is_found and {ANY, finding.code, finding.severity} & set(watched) for finding in findings):
        raise typer.Exit(FOUND)


def parse_columns(text: str | None) -> dict[str, str]:
    """`train_loss=my loss,val_loss=its loss` as what -> column; a comma in a column's name is no end of it.

    Raises:
        RecipeError: it isn't of that form.
    """
    pairs = re.split(r",(?=\s*\w+\s*=)", text) if text else []
    if wrong := [pair for pair in pairs if "=" not in pair]:
        raise RecipeError(f'--columns: "{wrong[0]}" isn\'t WHAT=NAME, as in "train_loss=my loss,val_loss=its loss"')
    return {what.strip(): column.strip() for what, column in (pair.split("=", 1) for pair in pairs)}


def check_names(names: list[str]) -> list[str]:
    """The names, where all are codes or severities of findings, or `found`; a misspelt one would never fail.

    Raises:
        RecipeError: one isn't.
    """
    from unfreeze.diagnosis.diagnose import CODES, SEVERITIES

    known = (ANY, *SEVERITIES, *CODES)
    for name in names:
        if name not in known:
            raise RecipeError(f"--fail-on: there is no '{name}'.{did_you_mean(name, known)} It can be {', '.join(known)}.")
    return names


def _show(table: Table | None, findings: list[Finding]) -> None:
    from unfreeze.cli.show import say
    from unfreeze.cli.show_findings import found_lines, other_lines

    if table is not None:
        _show_table(table)
        say()
    for line in found_lines(findings, of_run=table is None):
        say(line)
    if not findings:
        say("there is no finished epoch to look at yet")
    for line in other_lines(findings):
        say(line)


def _show_table(table: Table) -> None:
    """Which columns were taken for what, and what was assumed."""
    from rich.markup import escape
    from rich.table import Table as Grid

    from unfreeze.cli.show import console, say
    from unfreeze.diagnosis.foreign.names import CURVES, WHAT
    from unfreeze.report.labels import printable

    evidence = table.evidence
    epochs = sum(len(phase) for phase in evidence.phases)
    counted = "1 epoch" if epochs == 1 else f"{epochs} epochs"
    say(f"[bold]{escape(printable(str(table.path)))}[/]: {counted}. Its columns, by their names:")
    grid = Grid(box=None, show_header=False, pad_edge=False)
    for what, words in WHAT.items():
        unknown = f"not known: --columns {what}=NAME" if what in CURVES and table.unused else "not known"
        grid.add_row(f"  {words}", escape(printable(table.columns.get(what, unknown))))
    for words, number, option in (
        ("classes", len(evidence.classes) or None, "--classes N"),
        ("validation pictures", evidence.val_pictures, "--val-pictures N"),
    ):
        grid.add_row(f"  {words}", f"not known: {option}" if number is None else f"{number}, as said")
    console().print(grid)
    if table.unused:
        say(f"  not used: {escape(printable(', '.join(table.unused)))}")
    for remark in table.remarks:
        say(f"note: {escape(printable(remark))}")


def _as_dict(source: Path, table: Table | None, findings: list[Finding]) -> dict[str, Any]:
    from dataclasses import asdict

    answer: dict[str, Any] = {"schema": SCHEMA, "source": str(source)}
    if table is not None:
        answer |= {"columns": dict(table.columns), "unused": list(table.unused), "remarks": list(table.remarks)}
    return answer | {"findings": [asdict(finding) for finding in findings]}


def _plain(value: Any) -> Any:
    """The same with null for numbers that JSON doesn't have."""
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
