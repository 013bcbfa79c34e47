"""`unfreeze compare`: several runs side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def compare(
    runs: Annotated[list[Path], typer.Argument(help="Two run folders or more, as `unfreeze train` made them.")],
    to: Annotated[Path | None, typer.Option("--to", help="Write comparison.html, .md, .json and .png into it.")] = None,
) -> None:
    """Hold runs against each other: which is better, where they differ. Loads no framework. In Python: unfreeze.compare."""
    from unfreeze import api
    from unfreeze.cli.show_comparison import show_comparison

    show_comparison(api.compare(runs, to=to), to)
