"""How many pictures of each class there are, as a bar chart."""

from __future__ import annotations

from pathlib import Path

from unfreeze.files import write_bytes
from unfreeze.inspection.inspection import Inspection
from unfreeze.report.curves import to_png
from unfreeze.report.labels import drawable

_COLOURS = {"train": "#0072B2", "validation": "#D55E00", "test": "#009E73", "all": "#0072B2"}


def draw_counts(inspection: Inspection, path: Path) -> None:
    """Draws the counts per class, one colour per split, as a PNG file."""
    write_bytes(path, draw_counts_png(inspection))


def draw_counts_png(inspection: Inspection) -> bytes:
    """The same as the content of the file."""
    from matplotlib.figure import Figure  # late: it takes long to import

    classes = inspection.classes
    # By place and not by name: two long names may be shortened to the same label.
    places = range(len(classes))
    figure = Figure(figsize=(8, max(2.5, 0.32 * len(classes) + 1.2)), dpi=110, layout="constrained")
    axes = figure.subplots()
    left = [0] * len(classes)
    for split, counts in inspection.counts.items():
        values = [counts[name] for name in classes]
        axes.barh(places, values, left=left, color=_COLOURS[split], label="pictures" if split == "all" else split)
        left = [before + value for before, value in zip(left, values, strict=True)]
    axes.set_yticks(places, drawable(classes))
    for place, total in enumerate(left):
        axes.text(total, place, f" {total}", va="center", fontsize=9)
    axes.invert_yaxis()
    axes.set_xlabel("pictures")
    axes.margins(x=0.08)
    if len(inspection.counts) > 1:
        axes.legend(frameon=False)
    return to_png(figure)
