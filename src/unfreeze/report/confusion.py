"""A confusion matrix as a picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unfreeze.files import write_bytes
from unfreeze.report.curves import to_png
from unfreeze.report.labels import drawable

# Above this many classes numbers in cells can't be read any more.
_MOST_NUMBERED = 30


def draw_confusion(confusion: NDArray[np.int64], classes: tuple[str, ...], path: Path) -> None:
    """Draws counts [K, K], coloured by the part of each true class, as a PNG file.

    Args:
        confusion: row the true class, column the predicted.
    """
    write_bytes(path, draw_confusion_png(confusion, classes))


def draw_confusion_png(confusion: NDArray[np.int64], classes: tuple[str, ...]) -> bytes:
    """The same as the content of the file."""
    from matplotlib.figure import Figure  # late: it takes long to import

    size = min(16.0, max(4.5, 0.55 * len(classes) + 2.5))
    figure = Figure(figsize=(size, size * 0.9), dpi=110, layout="constrained")
    axes = figure.subplots()
    rates = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    image = axes.imshow(rates, cmap="Blues", vmin=0, vmax=1)
    figure.colorbar(image, ax=axes, label="part of the true class", shrink=0.8)
    places = range(len(classes))
    axes.set_xticks(places, drawable(classes), rotation=45, ha="right")
    axes.set_yticks(places, drawable(classes))
    axes.set(xlabel="predicted", ylabel="true")
    if len(classes) <= _MOST_NUMBERED:
        for row, column in zip(*np.nonzero(confusion), strict=True):
            colour = "white" if rates[row, column] > 0.5 else "black"
            axes.text(column, row, str(confusion[row, column]), ha="center", va="center", color=colour, fontsize=9)
    return to_png(figure)
