"""Range tests drawn: loss over rate, and the rate that the rule takes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from unfreeze.report.curves import BEST_COLOUR, BORDER_COLOUR, TRAIN_COLOUR
from unfreeze.report.plot import write_plot
from unfreeze.training.range_test import RULES, RangeTest

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Around what is drawn, as a part of it; three times as much above, for the legend.
_ROOM = 0.15


def draw_rates(tests: Sequence[RangeTest], path: Path) -> None:
    """Draws range tests, at least one, side by side as a `.png` or `.svg` file."""
    from matplotlib.figure import Figure  # late: it takes long to import

    figure = Figure(figsize=(5.5 * len(tests), 4.2), dpi=110, layout="constrained")
    for axes, test in zip(figure.subplots(1, len(tests), squeeze=False)[0], tests, strict=True):
        _draw(axes, test)
    write_plot(figure, path)


def _draw(axes: Axes, test: RangeTest) -> None:
    axes.plot(test.rates, test.losses, ".", color=BORDER_COLOUR, markersize=3, label="each step")
    axes.plot(test.rates, test.smoothed, color=TRAIN_COLOUR, label="smoothed")
    verdict = test.verdict
    if verdict.edge is not None:
        words = f"beyond {verdict.edge:.2g} it rises"
        axes.axvline(verdict.edge, color=BORDER_COLOUR, linestyle="--", linewidth=1, label=words)
    title = "could not tell"
    if verdict.suggestion is not None:
        title = f"{verdict.suggestion:g}"
        axes.axvline(
            verdict.suggestion,
            color=BEST_COLOUR,
            linewidth=1.5,
            label=f"{RULES[test.kind].partition(' of ')[0]} of that: {title}",
        )
    # A loss that diverges would press the part to be looked at flat.
    shown = [loss for rate, loss in zip(test.rates, test.losses, strict=True) if rate <= (verdict.edge or test.rates[-1])]
    low, high = (float(value) for value in np.nanpercentile(shown, (1, 99)))
    if math.isfinite(low) and math.isfinite(high):
        axes.set_ylim(low - _ROOM * (high - low), high + 3 * _ROOM * (high - low))
    axes.set_xscale("log")
    axes.set_xlabel("learning rate")
    axes.set_ylabel("cross-entropy")
    axes.set_title(f"{test.phase}: {title}")
    axes.grid(alpha=0.25)
    axes.legend(frameon=False, loc="upper left", fontsize=8)
