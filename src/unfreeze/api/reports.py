"""The report of a run, made again from its files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from unfreeze.api.finished import folder_of
from unfreeze.report import page

if TYPE_CHECKING:
    from unfreeze.api.runs import Run


def write_report(run: Run | str | Path, *, to: str | Path | None = None) -> Path:
    """Makes the report of a run again from its files: HTML, Markdown and JSON. Loads no framework. Twin of `unfreeze report`.

    Args:
        run: a run or its folder, also one that hasn't ended, was interrupted or failed.
        to: the folder to write to, made if it isn't there; None for the run's own.

    Returns:
        The page.

    Raises:
        RunError: the folder isn't a run.
        StorageError: a file can't be written.
    """
    return page.write_report(folder_of(run), to=Path(to) if to is not None else None)
