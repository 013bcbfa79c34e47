"""`unfreeze report`: the report of a run, made again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    run: Annotated[Path, typer.Argument(help="A run folder, as `unfreeze train` made it.")],
    to: Annotated[Path | None, typer.Option("--to", help="Write into this folder instead of the run's own.")] = None,
) -> None:
    """Make report.html, .md and .json again from a run's files. Loads no framework. In Python: unfreeze.write_report."""
    from rich.markup import escape

    from unfreeze import api
    from unfreeze.cli.show import say

    say(f"report: {escape(str(api.write_report(run, to=to)))}")
