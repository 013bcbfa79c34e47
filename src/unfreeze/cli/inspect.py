"""`unfreeze inspect`: what is in a folder of pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unfreeze.cli.options import DataArgument, split_names


def inspect(
    data: DataArgument,
    classes: Annotated[str | None, typer.Option(help="Look at these classes only, separated by commas.")] = None,
    chart: Annotated[Path | None, typer.Option("--chart", help="Also draw the counts as a PNG file.")] = None,
) -> None:
    """Look at a folder: counts per class, sizes, what can't be read. Nothing is changed. In Python: unfreeze.inspect."""
    from unfreeze import api
    from unfreeze.cli.show import show_inspection
    from unfreeze.cli.watch import scan_progress

    with scan_progress() as progress:
        inspection = api.inspect(data, classes=split_names(classes), progress=progress)
    show_inspection(inspection)
    if chart is not None:
        from unfreeze.report.counts import draw_counts

        draw_counts(inspection, chart)
        typer.echo(f"chart: {chart}")
