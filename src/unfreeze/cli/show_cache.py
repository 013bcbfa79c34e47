"""What `unfreeze cache` prints."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from unfreeze.api import Cleared
from unfreeze.cache.folder import Entry, cache_folder
from unfreeze.cli.quantities import megabytes
from unfreeze.cli.show import console, say


def show_cache(entries: Sequence[Entry], folder: Path | None) -> None:
    """What lies in a cache folder."""
    place = escape(str(folder or cache_folder()))
    if not entries:
        say(f"nothing is kept in {place}")
        return
    table = Table(box=None, pad_edge=False)
    for column in ("kind", "what", "size", "last used"):
        table.add_column(column, justify="right" if column == "size" else "left")
    for entry in entries:
        used = datetime.fromtimestamp(entry.last_used).strftime("%Y-%m-%d %H:%M")
        table.add_row(entry.kind, escape(entry.description), megabytes(entry.size), used)
    console().print(table)
    say(f"\n{megabytes(sum(entry.size for entry in entries))} in {place}")


def show_cleared(cleared: Cleared) -> None:
    """What was deleted, and what wasn't."""
    say(f"deleted: {len(cleared.gone)}, {megabytes(sum(entry.size for entry in cleared.gone))}")
    for entry in cleared.in_use:
        say(f"stays, because it is in use or can't be deleted: {escape(entry.description)}")
