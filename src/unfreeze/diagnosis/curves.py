"""Curves smoothed and compared with their noise, so that one lucky epoch decides nothing."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from unfreeze.diagnosis.evidence import Values

# Levels are means over this many epochs.
EPOCHS = 3
# The confidence of a trend's interval.
CONFIDENCE = 0.90


class Trend(NamedTuple):
    """What a curve does by the epoch: the slope, and the ends of its 90 % interval."""

    slope: float
    low: float
    high: float


def level(values: Values, epochs: int = EPOCHS) -> float:
    """The mean of the last epochs that have a value; NaN where none has."""
    finite = values[np.isfinite(values)][-epochs:]
    return float(finite.mean()) if len(finite) else math.nan


def level_at(values: Values, place: int) -> float:
    """The mean of a value and its neighbours on both sides; at the end, of the last three."""
    return level(values[: max(place + 2, EPOCHS)])


def trend(values: Values) -> Trend:
    """The slope of a curve of at least three values: Theil and Sen's median of the slopes between all pairs (Sen 1968)."""
    from scipy.stats import theilslopes  # late: it takes longer to import than all checks together

    places = np.flatnonzero(np.isfinite(values))
    if len(places) < 3:
        return Trend(math.nan, -math.inf, math.inf)
    slope, _, low, high = theilslopes(values[places], places, alpha=CONFIDENCE)
    return Trend(float(slope), float(low), float(high))


def noise(values: Values) -> float:
    """The standard deviation of an epoch about the curve: by the median of second differences, which a smooth curve leaves out.

    0 for fewer than four values.
    """
    finite = values[np.isfinite(values)]
    if len(finite) < 4:
        return 0.0
    bends = np.diff(finite, n=2)
    return float(1.4826 * np.median(np.abs(bends - np.median(bends))) / math.sqrt(6))


def accuracy_error(accuracy: float, pictures: int | None) -> float:
    """The standard error of an accuracy, √(p (1 - p) / n), p kept off 0 and 1 by one picture; 0 where n isn't known."""
    if not pictures or not math.isfinite(accuracy):
        return 0.0
    part = min(max(accuracy, 1 / (pictures + 1)), pictures / (pictures + 1))
    return math.sqrt(part * (1 - part) / pictures)
