"""A comparison as one self-contained HTML page."""

from __future__ import annotations

from pathlib import Path

from unfreeze.files import make_folder, write_text
from unfreeze.report.comparison.comparison import Comparison
from unfreeze.report.comparison.curves import draw_comparison
from unfreeze.report.rendering import embedded, render

PAGE, CURVES = "comparison.html", "comparison.png"


def write_comparison(comparison: Comparison, folder: Path) -> None:
    """Writes `comparison.html` and `comparison.png`; the folder is made if it isn't there.

    Raises:
        StorageError: they can't be written.
    """
    make_folder(folder)
    draw_comparison(comparison.runs, folder / CURVES)
    write_text(folder / PAGE, render(PAGE, {"comparison": comparison, "curves": embedded(folder / CURVES)}))
