"""Mixup (Zhang et al. 2018) and CutMix (Yun et al. 2019): which picture is mixed into a view, how much of it, and where.

It is drawn for each view by itself, from a generator of its own, and not for a batch: so a mixed view is a value, too, which
can be described without a pixel, kept, and found again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from unfreeze.data.box import PixelBox
from unfreeze.recipe.recipe import Augment

# Parts of a blend come in so many steps: finer ones hardly show in 8 bits, and sums of products with them are exact in 16.
_STEPS = 256
# Sets these generators apart from those of the views.
_MIXING = 1


class Mixing(NamedTuple):
    """What is mixed into a view of a picture.

    Attributes:
        picture: the place, in the same split, of the other picture, of which the view of the same number is taken.
        part: how much of the view stays, and of its target, in 0–1.
        box: the pixels that show the other picture; None where the two are blended.
    """

    picture: int
    part: float
    box: PixelBox | None


class Mixer:
    """Draws what is mixed into the views of one turn.

    Another picture is found by its content: all of them stand in a circle, shuffled for each turn, and a view takes the one
    that comes after a random point. So most views keep theirs when pictures join the training set or leave it, and what is
    kept of those stays valid; by a picture's place in a list all would change.

    Args:
        contents: the hash of each training picture's file, in hexadecimal, at least 16 digits.
        labels: int64 [N], their classes.
        by_class: first a class is drawn, then a picture of it, as where rare classes are oversampled; else any picture.
        settings: Mixup or CutMix is on.
        side_px: of the views.
        turn: its number.
    """

    def __init__(
        self, contents: Sequence[str], labels: NDArray[np.int64], by_class: bool, settings: Augment, side_px: int, turn: int
    ) -> None:
        self._contents, self._settings, self._side = contents, settings, side_px
        shuffling = np.random.default_rng((settings.seed, turn)).integers(2**63, dtype=np.uint64)
        # Hashes are even on 0 … 2⁶⁴ - 1 already: times an odd number they are so in another order.
        hashes = np.array([int(content[:16], 16) for content in contents], np.uint64) * (2 * shuffling + 1)
        groups = labels if by_class else np.zeros_like(labels)
        members = [np.flatnonzero(groups == group) for group in np.unique(groups)]
        ordered = [places[np.argsort(hashes[places], kind="stable")] for places in members]
        self._circles = [(hashes[places], places) for places in ordered]

    def mixing(self, picture: int, number: int) -> Mixing | None:
        """What is mixed into view `number` of a training picture; None where nothing is seen of it."""
        content, settings = self._contents[picture], self._settings
        generator = np.random.default_rng((settings.seed, int(content, 16), number, _MIXING))
        other = self._draw_picture(generator)
        if settings.cutmix and not (settings.mixup and generator.random() < 0.5):
            part, box = _draw_box(generator, settings.cutmix, self._side)
        else:
            part, box = _draw_part(generator, settings.mixup), None
        return Mixing(other, part, box) if part < 1 and other != picture else None

    def _draw_picture(self, generator: np.random.Generator) -> int:
        hashes, places = self._circles[int(generator.integers(len(self._circles)))]
        after = np.searchsorted(hashes, generator.integers(2**64, dtype=np.uint64))
        return int(places[after % len(places)])


def blend(view: NDArray[np.uint8], other: NDArray[np.uint8], mixing: Mixing) -> NDArray[np.uint8]:
    """A view with another mixed into it; both uint8 [side_px, side_px, 3], and so is the result, rounded half up."""
    if mixing.box is not None:
        left, top, right, bottom = mixing.box
        mixed = view.copy()
        mixed[top:bottom, left:right] = other[top:bottom, left:right]
        return mixed
    kept = round(_STEPS * mixing.part)
    sums = view.astype(np.uint16) * np.uint16(kept) + other.astype(np.uint16) * np.uint16(_STEPS - kept)
    return ((sums + np.uint16(_STEPS // 2)) // np.uint16(_STEPS)).astype(np.uint8)


def _draw_part(generator: np.random.Generator, alpha: float) -> float:
    """λ of the paper, to one of 256 steps."""
    return round(_STEPS * generator.beta(alpha, alpha)) / _STEPS


def _draw_box(generator: np.random.Generator, alpha: float, side: int) -> tuple[float, PixelBox | None]:
    """The part of the view outside a box, and the box: of the view's shape, its centre anywhere, cut off at the edges."""
    length = round(side * math.sqrt(1 - generator.beta(alpha, alpha)))
    left, top = (int(generator.integers(side)) - length // 2 for _ in range(2))
    box = max(left, 0), max(top, 0), min(left + length, side), min(top + length, side)
    return 1 - (box[2] - box[0]) * (box[3] - box[1]) / side**2, box
