"""Every scored picture, for a page that shows those of any cell of the confusion matrix: some small, the rest by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unfreeze.report.labels import printable
from unfreeze.report.thumbnails import Thumbnails
from unfreeze.training.run_folder import Predicted

# Of the pictures that were named right few are worth their bytes.
_MOST_RIGHT_OF_CLASS = 12
_MOST_SMALL = 600
_NAMES_BYTES = 1_000_000
# What a line costs beside the name: its classes, its probabilities, and what JSON puts around them.
_LINE_BYTES = 40


@dataclass(frozen=True)
class Gallery:
    """What the page shows.

    Attributes:
        figures: pictures with `small`, a data URL; mistakes first, the most confident first.
        rest: [name, number of the true class, of the predicted one, probability, that of the true class] of the others.
        unnamed: how many found no room in `rest`.
    """

    figures: list[dict[str, Any]]
    rest: list[list[Any]]
    unnamed: int


def make_gallery(predicted: Predicted, thumbnails: Thumbnails) -> Gallery:
    """The same for the same predictions and pictures."""
    order, (true, named), confidences = _in_order(predicted), (predicted.labels, predicted.classes), predicted.confidences
    small = thumbnails.small(predicted.names[place] for place in _worth_a_picture(true, named, order)[:_MOST_SMALL])
    figures: list[dict[str, Any]] = []
    rest: list[list[Any]] = []
    room = _NAMES_BYTES
    for place in order:
        name = predicted.names[place]
        numbers = [_rounded(value) for value in (confidences[place], predicted.probabilities[place, true[place]])]
        if name in small:
            facts = {"true": int(true[place]), "predicted": int(named[place]), "probability": numbers[0], "of_true": numbers[1]}
            figures.append({"name": name, "small": small[name], **facts})
            continue
        shown = printable(name)
        room -= len(shown.encode("utf-8")) + _LINE_BYTES
        if room >= 0:
            rest.append([shown, int(true[place]), int(named[place]), *numbers])
    return Gallery(figures, rest, len(order) - len(figures) - len(rest))


def _rounded(probability: float) -> float | None:
    """In four digits; None for NaN, which JSON hasn't."""
    return round(float(probability), 4) if np.isfinite(probability) else None


def _in_order(predicted: Predicted) -> list[int]:
    """Mistakes first, the most confident first; then right answers, the least confident first."""
    confidences, right = np.nan_to_num(predicted.confidences), predicted.right
    return sorted(
        range(len(right)),
        key=lambda place: (right[place], confidences[place] if right[place] else -confidences[place], predicted.names[place]),
    )


def _worth_a_picture(true: NDArray[np.int64], named: NDArray[np.int64], order: list[int]) -> list[int]:
    """One of each cell of the confusion matrix, then a second of each, and so on: no cell goes without for another's sake."""
    taken: dict[tuple[int, int], int] = {}
    turns = []
    for rank, place in enumerate(order):
        cell = int(true[place]), int(named[place])
        turn = taken[cell] = taken.get(cell, -1) + 1
        if cell[0] != cell[1] or turn < _MOST_RIGHT_OF_CLASS:
            turns.append((turn, rank, place))
    return [place for _, _, place in sorted(turns)]
