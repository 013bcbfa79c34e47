"""`unfreeze cache`: what is kept to save time."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

FolderOption = Annotated[Path | None, typer.Option("--folder", help="Another folder than yours, as given to train --cache.")]


def list_(folder: FolderOption = None) -> None:
    """Show what is kept, least recently used first. In Python: unfreeze.list_cache."""
    from unfreeze import api
    from unfreeze.cli.show_cache import show_cache

    show_cache(api.list_cache(folder), folder)


def clear(
    folder: FolderOption = None,
    kind: Annotated[str | None, typer.Option(help="activations, carried-over, scans or inputs only.")] = None,
    unused_days: Annotated[float, typer.Option(help="Only what wasn't used for so many days.")] = 0,
) -> None:
    """Delete what is kept and can be made again, but for what is in use. In Python: unfreeze.clear_cache."""
    from unfreeze import api
    from unfreeze.cli.show_cache import show_cleared

    show_cleared(api.clear_cache(folder, kind=kind, unused_days=unused_days))
