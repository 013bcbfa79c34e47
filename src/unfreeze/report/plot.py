"""A drawing in the file that `--plot` names."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from unfreeze.errors import RecipeError
from unfreeze.files import check_folder_of, write_bytes
from unfreeze.report.curves import to_png

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ENDINGS = (".png", ".svg")


def check_plot(path: Path) -> None:
    """Refuses a file that can't be drawn: before the work, not after.

    Raises:
        RecipeError: another ending than `.png` or `.svg`.
        StorageError: there is no such folder.
    """
    if path.suffix.lower() not in ENDINGS:
        raise RecipeError(f"{path}: pictures are drawn as {' or '.join(ENDINGS)}: give the file such an ending")
    check_folder_of(path)


def write_plot(figure: Figure, path: Path) -> None:
    """Writes a figure as its file's ending says; what was there is replaced.

    Raises:
        RecipeError, StorageError: as `check_plot`, or it can't be written.
    """
    check_plot(path)
    write_bytes(path, to_png(figure) if path.suffix.lower() == ".png" else _to_svg(figure))


def _to_svg(figure: Figure) -> bytes:
    """The figure as SVG, the same bytes for the same numbers."""
    from matplotlib import rc_context

    buffer = io.BytesIO()
    with rc_context({"svg.hashsalt": "unfreeze"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()
