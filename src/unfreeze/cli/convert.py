"""`unfreeze convert`: a run of one framework in the other."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unfreeze.cli.options import RunArgument


def convert(
    run: RunArgument,
    to: Annotated[str, typer.Option("--to", help="torch or tensorflow.")],
    out: Annotated[Path | None, typer.Option("--out", help="The new run's folder; default RUN-FRAMEWORK.")] = None,
    check: Annotated[
        list[Path] | None,
        typer.Option("--check", help="A picture, or a folder of them, to compare both models on. Repeatable."),
    ] = None,
) -> None:
    """Open a run trained in one framework in the other; both models must agree. In Python: unfreeze.convert."""
    from unfreeze import api
    from unfreeze.cli.show import show_conversion

    show_conversion(api.convert(run, to, out=out, check=check))
