"""`unfreeze inspect`: what is in a folder of pictures, and what is wrong with it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unfreeze.cli.options import DataArgument, split_names
from unfreeze.errors import RecipeError, did_you_mean
from unfreeze.files import check_folder_of

# The status where something was found that `--fail-on` names: 1 and 2 are taken for errors.
FOUND = 3


def inspect(
    data: DataArgument,
    classes: Annotated[str | None, typer.Option(help="Look at these classes only, separated by commas.")] = None,
    group_by: Annotated[
        str | None,
        typer.Option(metavar="WHAT", help="What must not be in two splits, as for train: folder:1, name:EXPRESSION …"),
    ] = None,
    model: Annotated[str | None, typer.Option(help="A network: its frozen features are asked which labels look wrong.")] = None,
    framework: Annotated[str, typer.Option(help="torch or tensorflow, in which the network runs.")] = "torch",
    page: Annotated[
        Path | None, typer.Option("--to", metavar="FILE", help="Write one HTML page with the pictures concerned.")
    ] = None,
    chart: Annotated[Path | None, typer.Option("--chart", help="Also draw the counts as a PNG file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON, and nothing else.")] = False,
    fail_on: Annotated[
        str | None,
        typer.Option(metavar="WHAT", help="End with status 3 where these are found: codes or severities, separated by commas."),
    ] = None,
) -> None:
    """Look at a folder: counts, files, duplicates, splits, labels. Nothing is changed. In Python: unfreeze.inspect."""
    from unfreeze import api
    from unfreeze.cli.show import show_inspection
    from unfreeze.cli.watch import scan_progress

    watched = check_names(split_names(fail_on) or [])
    if chart is not None:
        check_folder_of(chart)
    with scan_progress(quiet=as_json) as progress:
        inspection = api.inspect(
            data,
            classes=split_names(classes),
            group_by=group_by,
            model=model,
            framework=framework,
            page=page,
            progress=progress,
        )
    if as_json:
        import json

        typer.echo(json.dumps(inspection.as_dict(), indent=2))
    else:
        show_inspection(inspection)
    if chart is not None:
        from unfreeze.report.counts import draw_counts

        draw_counts(inspection, chart)
    for written in filter(None, (page, chart)):
        typer.echo(f"written: {written}", err=as_json)
    if inspection.found(*watched):
        raise typer.Exit(FOUND)


def check_names(names: list[str]) -> list[str]:
    """The names, where all are codes or severities of findings; a misspelt one would never fail.

    Raises:
        RecipeError: one isn't.
    """
    from unfreeze.inspection.inspection import CODES, SEVERITIES

    for name in names:
        if name not in (*CODES, *SEVERITIES):
            known = (*SEVERITIES, *CODES)
            raise RecipeError(f"--fail-on: there is no '{name}'.{did_you_mean(name, known)} It can be {', '.join(known)}.")
    return names
