"""Several runs side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from unfreeze.api.finished import folder_of
from unfreeze.report.comparison.comparison import Comparison, compare_runs
from unfreeze.report.comparison.page import write_comparison

if TYPE_CHECKING:
    from unfreeze.api.runs import Run


def compare(runs: Sequence[Run | str | Path], *, to: str | Path | None = None) -> Comparison:
    """Two or more runs side by side: which is better, plans, scores, classes, pictures, times. Twin of `unfreeze compare`.

    Loads no framework.

    Args:
        runs: runs or their folders, of any framework; of one that hasn't ended or is damaged, what there is is compared.
        to: also write `comparison.html`, `.md`, `.json` and `.png` into this folder.

    Raises:
        RunError: fewer than two runs, one of them twice, or a folder that isn't a run.
        StorageError: `to` can't be written.
    """
    comparison = compare_runs([folder_of(run) for run in runs])
    if to is not None:
        write_comparison(comparison, Path(to))
    return comparison
