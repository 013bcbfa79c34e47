"""Loss and accuracy of several runs by epoch, one colour per run."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from unfreeze.files import write_bytes
from unfreeze.report.comparison.runs import ComparedRun
from unfreeze.report.curves import to_png
from unfreeze.report.labels import drawable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Colour-blind safe (Okabe & Ito 2008). Further runs take them again with another marker.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_MARKERS = "os^Dv"
_GREY = "#666666"


def draw_comparison(runs: Sequence[ComparedRun], path: Path) -> None:
    """Draws the histories as a PNG file: validation solid, training dashed, a run's phase borders dotted in its colour."""
    from matplotlib.figure import Figure  # late: it takes long to import
    from matplotlib.lines import Line2D

    figure = Figure(figsize=(11, 4.6), dpi=110, layout="constrained")
    loss, accuracy = figure.subplots(1, 2)
    handles = []
    for number, run in enumerate(runs):
        colour, marker = _COLOURS[number % len(_COLOURS)], _MARKERS[number // len(_COLOURS) % len(_MARKERS)]
        epochs = [record.epoch for record in run.history]
        for axes, name in ((loss, "loss"), (accuracy, "accuracy")):
            train, validation = ([getattr(record, f"{part}_{name}") for record in run.history] for part in ("train", "val"))
            axes.plot(epochs, train, color=colour, linestyle="--", linewidth=1, alpha=0.7)
            axes.plot(epochs, validation, color=colour, marker=marker, markersize=4)
            _mark_phases(axes, run, colour)
        handles.append(Line2D([], [], color=colour, marker=marker, markersize=4, label=drawable([run.name])[0]))
    _finish(loss, "Loss", "cross-entropy")
    _finish(accuracy, "Accuracy", "part named right")
    handles += [
        Line2D([], [], label="validation", color=_GREY),
        Line2D([], [], linestyle="--", linewidth=1, label="training (augmented, with dropout)", color=_GREY),
        Line2D([], [], linestyle=":", linewidth=1, label="a phase begins", color=_GREY),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 4), frameon=False)
    write_bytes(path, to_png(figure))


def _mark_phases(axes: Axes, run: ComparedRun, colour: str) -> None:
    first_epochs = [next(records).epoch for _, records in groupby(run.history, key=lambda record: record.phase)]
    for epoch in first_epochs[1:]:
        axes.axvline(epoch - 0.5, color=colour, linestyle=":", linewidth=1)


def _finish(axes: Axes, title: str, unit: str) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set(title=title, xlabel="epoch", ylabel=unit)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.25)
