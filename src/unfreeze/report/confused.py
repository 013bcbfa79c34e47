"""Which classes are taken for which others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Pair:
    """Pictures of one class that were named as another.

    Attributes:
        true, predicted: the two classes.
        pictures: how many.
        part: of the pictures of the true class, in 0–1.
    """

    true: str
    predicted: str
    pictures: int
    part: float


def most_confused(confusion: NDArray[np.int64], classes: tuple[str, ...], most: int) -> list[Pair]:
    """The pairs with the most pictures first, of as many those that are the larger part of their class.

    Args:
        confusion: int64 [K, K]; row the true class, column the predicted.
    """
    pictures = confusion.sum(axis=1)
    pairs = [
        Pair(classes[true], classes[named], int(confusion[true, named]), float(confusion[true, named] / pictures[true]))
        for true, named in zip(*np.nonzero(confusion), strict=True)
        if true != named
    ]
    return sorted(pairs, key=lambda pair: (-pair.pictures, -pair.part))[:most]
