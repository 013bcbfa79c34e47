"""Loss and accuracy by epoch, with the borders of phases and the best epoch marked."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from unfreeze.files import write_bytes
from unfreeze.training.history import EpochRecord

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Colour-blind safe (Okabe & Ito 2008).
TRAIN_COLOUR, VALIDATION_COLOUR, BEST_COLOUR, BORDER_COLOUR = "#0072B2", "#D55E00", "#009E73", "#888888"


def draw_curves(history: Sequence[EpochRecord], path: Path, best: int | None = None) -> None:
    """Draws the history, of at least one epoch, as a PNG file.

    Args:
        best: the epoch whose weights were kept; None for the last that was the best so far.
    """
    from matplotlib.figure import Figure  # late: it takes long to import

    figure = Figure(figsize=(11, 4.2), dpi=110, layout="constrained")
    loss, accuracy = figure.subplots(1, 2)
    epochs = [record.epoch for record in history]
    _plot(loss, epochs, [record.train_loss for record in history], [record.val_loss for record in history])
    _plot(accuracy, epochs, [record.train_accuracy for record in history], [record.val_accuracy for record in history])
    balanced = [record.val_balanced_accuracy for record in history]
    accuracy.plot(epochs, balanced, color=VALIDATION_COLOUR, linestyle=":", label="validation, balanced accuracy")
    # The names of the phases stand between title and axes.
    loss.set_title("Loss", pad=20)
    accuracy.set_title("Accuracy", pad=20)
    loss.set_ylabel("cross-entropy")
    accuracy.set_ylabel("part named right")
    if best is None:
        best = max((record.epoch for record in history if record.best), default=None)
    for axes in (loss, accuracy):
        _mark(axes, history, best)
    handles, labels = accuracy.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
    write_bytes(path, to_png(figure))


def to_png(figure: Figure) -> bytes:
    """The figure as PNG, without metadata that would make two drawings of the same numbers differ."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # A class name in a script that no font here has is drawn as boxes; the page's tables show it right.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _plot(axes: Axes, epochs: list[int], train: list[float], validation: list[float]) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.plot(epochs, train, color=TRAIN_COLOUR, marker="o", markersize=4, label="training (augmented, with dropout)")
    axes.plot(epochs, validation, color=VALIDATION_COLOUR, marker="s", markersize=4, label="validation")
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.25)


def _mark(axes: Axes, history: Sequence[EpochRecord], best: int | None) -> None:
    phases = [list(records) for _, records in groupby(history, key=lambda record: record.phase)]
    for number, records in enumerate(phases):
        if number:
            axes.axvline(records[0].epoch - 0.5, color=BORDER_COLOUR, linestyle="--", linewidth=1)
        middle = (records[0].epoch + records[-1].epoch) / 2
        axes.text(
            middle, 1.01, records[0].phase_name, transform=axes.get_xaxis_transform(), ha="center", va="bottom",
            fontsize=8, color="#444444",
        )  # fmt: skip
    if best is not None:
        axes.axvline(best, color=BEST_COLOUR, linewidth=1.5, alpha=0.8, label=f"best epoch ({best})")
