"""The page's charts as plain geometry, which a template draws as SVG: in the page's colours, and with text as text."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

# In the units of the drawing, which is scaled to the page's width.
WIDTH, HEIGHT = 460, 290
LEFT, RIGHT, TOP, BOTTOM = 46, 12, 46, 36
_MOST_POINTS, _MOST_DOTS = 600, 60
# A loss that spans more than this is drawn on a logarithmic axis, lest all but the peak be a flat line.
LARGE_SPAN = 30
_CHARACTER = 6.4
_MARK_STEP = 19
_MOST_DECADES = 6

Number = float | None


@dataclass(frozen=True)
class Series:
    """One line: `css` names its look; `paths` are its unbroken stretches; a dot is x, y and what it says when pointed at."""

    css: str
    paths: list[str]
    dots: list[tuple[float, float, str]]


@dataclass(frozen=True)
class Panel:
    """One chart: titles, ticks as (place, text), lines, and vertical marks. All places are in units of the drawing."""

    title: str
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]
    series: list[Series]
    borders: list[float]
    phases: list[tuple[float, str]]
    best: float | None
    marks: list[tuple[float, float, dict[str, Any]]]


def curve_panels(facts: dict[str, Any]) -> list[Panel]:
    """Loss and accuracy of a run's summary by epoch; none where there is no epoch."""
    epochs = facts["epochs"]
    if not epochs:
        return []
    loss = [("train", "train_loss", "training"), ("validation", "val_loss", "validation")]
    accuracy = [
        ("train", "train_accuracy", "training"), ("balanced", "val_balanced_accuracy", "validation, balanced"),
        ("validation", "val_accuracy", "validation"),
    ]  # fmt: skip
    values = [one[name] for one in epochs for _, name, _ in loss if one[name] is not None and one[name] > 0]
    logarithmic = bool(values) and max(values) > LARGE_SPAN * min(values)
    return [
        _panel("Loss" + " (logarithmic)" * logarithmic, facts, loss, logarithmic, lambda value: f"{value:.4g}"),
        _panel("Accuracy", facts, accuracy, False, lambda value: f"{100 * value:.4g} %"),
    ]


def _panel(
    title: str, facts: dict[str, Any], lines: list[tuple[str, str, str]], logarithmic: bool, words: Callable[[float], str]
) -> Panel:
    epochs = facts["epochs"]
    across = scale([0.5, len(epochs) + 0.5], LEFT, WIDTH - RIGHT)
    values = [one[name] for one in epochs for _, name, _ in lines if one[name] is not None]
    drawn = [value for value in values if value > 0 or not logarithmic] or [0.1, 1.0]
    ticks = log_ticks(drawn) if logarithmic else nice_ticks(min(drawn), max(drawn))
    transform = (lambda value: math.log(max(value, min(drawn)))) if logarithmic else float
    up = scale([transform(ticks[0]), transform(ticks[-1])], HEIGHT - BOTTOM, TOP)
    step = -(-len(epochs) // _MOST_POINTS)
    series = [
        one_series(
            css, f"{said}, epoch", [(one["epoch"], across(one["epoch"]), one[name]) for one in epochs[::step]],
            lambda value: up(transform(value)), words,
        )
        for css, name, said in lines
    ]  # fmt: skip
    borders, phases = _phases(epochs, across)
    return Panel(
        title=title,
        x_ticks=[(across(tick), f"{tick:g}") for tick in epoch_ticks(len(epochs))],
        y_ticks=[(up(transform(tick)), words(tick)) for tick in ticks],
        series=series,
        borders=borders,
        phases=phases,
        best=across(facts["best_epoch"]) if facts["best_epoch"] else None,
        marks=_marks(facts, across),
    )


def one_series(
    css: str, said: str, points: list[tuple[int, float, Number]], up: Callable[[float], float], words: Callable[[float], str]
) -> Series:
    """The line through points (epoch, place across, value or None), broken where there is no value; a dot at each of a few."""
    paths = []
    for known, stretch in groupby(points, key=lambda point: point[2] is not None):
        if known:
            places = [f"{x:.1f},{up(value):.1f}" for _, x, value in stretch if value is not None]
            paths.append(" ".join(places))
    few = len(points) <= _MOST_DOTS
    dots = [(x, up(value), f"{said} {epoch}: {words(value)}") for epoch, x, value in points if few and value is not None]
    return Series(css, paths, dots)


def _phases(epochs: Sequence[dict[str, Any]], across: Callable[[float], float]) -> tuple[list[float], list[tuple[float, str]]]:
    """The borders between phases, and each phase's name where there is room for it, else its number."""
    borders, names = [], []
    for number, records in groupby(epochs, key=lambda one: one["phase"]):
        stretch = list(records)
        start, end = across(stretch[0]["epoch"] - 0.5), across(stretch[-1]["epoch"] + 0.5)
        borders.append(start)
        name = stretch[0]["phase_name"]
        names.append(((start + end) / 2, name if len(name) * _CHARACTER < end - start else str(number)))
    return borders[1:], names


def _marks(facts: dict[str, Any], across: Callable[[float], float]) -> list[tuple[float, float, dict[str, Any]]]:
    """Numbered marks of the findings that have a place on the curve, one below the other where they share it."""
    marks: list[tuple[float, float, dict[str, Any]]] = []
    for number, finding in enumerate((one for one in facts["findings"] if one["outcome"] == "found"), start=1):
        if finding["epoch"] is not None:
            x = across(finding["epoch"])
            near = sum(abs(x - other) < _MARK_STEP for other, _, _ in marks)
            marks.append((x, TOP + 11 + near * _MARK_STEP, finding | {"number": number}))
    return marks


def reliability_bars(calibration: dict[str, Any]) -> list[dict[str, Any]]:
    """A bar for each bin: its left edge, width, top and height, where its confidence is, and how much of all it holds."""
    across, up = scale([0, 1], LEFT, WIDTH - RIGHT), scale([0, 1], HEIGHT - BOTTOM, TOP)
    most = max((one["pictures"] for one in calibration["bins"]), default=1)
    return [
        {
            "x": across(one["low"]),
            "width": across(one["high"]) - across(one["low"]),
            "y": up(one["accuracy"]),
            "height": HEIGHT - BOTTOM - up(one["accuracy"]),
            "confidence": (across(one["confidence"]), up(one["confidence"])),
            "share": 26 * one["pictures"] / most,
            "confidence_of": one["confidence"],
            **{name: value for name, value in one.items() if name != "confidence"},
        }
        for one in calibration["bins"]
    ]


def scale(domain: list[float], start: float, end: float) -> Callable[[float], float]:
    """From a value in `domain` to its place between `start` and `end`; a domain of one value lies at `start`."""
    low, high = domain
    span = (high - low) or 1.0
    return lambda value: start + (end - start) * (value - low) / span


def nice_ticks(low: float, high: float) -> list[float]:
    """About five round numbers that reach from `low` or below to `high` or above."""
    from matplotlib.ticker import MaxNLocator  # late: it takes long to import

    if low == high:
        low, high = low - 0.05, high + 0.05
    return [round(float(tick), 10) for tick in MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)]


def log_ticks(values: list[float]) -> list[float]:
    """Powers of ten that reach around positive values."""
    low, high = math.floor(math.log10(min(values))), min(308, math.ceil(math.log10(max(values))))
    step = max(1, -(-(high - low) // _MOST_DECADES))
    return [10.0**power for power in range(low, high, step)] + [10.0**high]


def epoch_ticks(epochs: int) -> list[int]:
    """Up to ten whole numbers from 1 to `epochs`."""
    from matplotlib.ticker import MaxNLocator  # late: it takes long to import

    ticks = MaxNLocator(nbins=8, integer=True, steps=[1, 2, 5, 10]).tick_values(1, epochs)
    return sorted({max(1, round(tick)) for tick in ticks if tick <= epochs})
