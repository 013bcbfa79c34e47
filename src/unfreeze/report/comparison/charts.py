"""Loss and accuracy of several runs by epoch, as geometry for the page's SVG: one colour per run."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from unfreeze.report import charts
from unfreeze.report.charts import Panel, Series
from unfreeze.report.comparison.runs import ComparedRun
from unfreeze.training.history import EpochRecord

# The style sheet has as many; further runs take them again.
COLOURS = 7
_MOST_POINTS = 600


def comparison_panels(runs: Sequence[ComparedRun]) -> list[Panel]:
    """Loss and accuracy: of each run validation as a line, training as a thin one, and a dot at the epoch whose weights it has.

    A line's `css` is the run's number, `r0` and on, and `train` or `kept`. None where no run has an epoch.
    """
    if not any(run.history for run in runs):
        return []
    values = [value for run in runs for record in run.history for value in (record.train_loss, record.val_loss)]
    finite = [value for value in values if math.isfinite(value) and value > 0]
    logarithmic = bool(finite) and max(finite) > charts.LARGE_SPAN * min(finite)
    return [
        _panel("Loss" + " (logarithmic)" * logarithmic, runs, "loss", logarithmic, lambda value: f"{value:.4g}"),
        _panel("Accuracy", runs, "accuracy", False, lambda value: f"{100 * value:.4g} %"),
    ]


def _panel(title: str, runs: Sequence[ComparedRun], name: str, logarithmic: bool, words: Callable[[float], str]) -> Panel:
    epochs = max(len(run.history) for run in runs)
    across = charts.scale([0.5, epochs + 0.5], charts.LEFT, charts.WIDTH - charts.RIGHT)
    values = [
        value for run in runs for record in run.history for part in ("train", "val") if (value := _of(record, part, name))
    ]
    drawn = [value for value in values if value > 0 or not logarithmic] or [0.1, 1.0]
    marks = charts.log_ticks(drawn) if logarithmic else charts.nice_ticks(min(drawn), max(drawn))
    transform = (lambda value: math.log(max(value, min(drawn)))) if logarithmic else float
    up = charts.scale([transform(marks[0]), transform(marks[-1])], charts.HEIGHT - charts.BOTTOM, charts.TOP)

    def place(value: float) -> float:
        return up(transform(value))

    return Panel(
        title=title,
        x_ticks=[(across(tick), f"{tick:g}") for tick in charts.epoch_ticks(epochs)],
        y_ticks=[(place(tick), words(tick)) for tick in marks],
        series=[
            line
            for part in ("train", "val")
            for number, run in enumerate(runs)
            for line in _lines(number, run, part, name, across, place, words)
        ],
        borders=[],
        phases=[],
        best=None,
        marks=[],
    )


def _lines(
    number: int,
    run: ComparedRun,
    part: str,
    name: str,
    across: Callable[[float], float],
    place: Callable[[float], float],
    words: Callable[[float], str],
) -> list[Series]:
    css = f"r{number % COLOURS}"
    step = -(-len(run.history) // _MOST_POINTS) or 1
    points = [(record.epoch, across(record.epoch), _of(record, part, name)) for record in run.history[::step]]
    if part == "train":
        return [Series(f"{css} train-line", charts.one_series("", "", points, place, words).paths, [])]
    line = charts.one_series(css, f"{run.name}, epoch", points, place, words)
    kept = next((record for record in run.history if record.epoch == run.best_epoch), None)
    value = _of(kept, part, name) if kept else None
    if kept is None or value is None:
        return [line]
    dot = (across(kept.epoch), place(value), f"{run.name}, epoch {kept.epoch}, whose weights it has: {words(value)}")
    return [line, Series(f"{css} kept", [], [dot])]


def _of(record: EpochRecord, part: str, name: str) -> float | None:
    value: float = getattr(record, f"{part}_{name}")
    return value if math.isfinite(value) else None
