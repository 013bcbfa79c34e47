"""Which pictures are near-identical: re-encoded, resized, cropped a little or brightened copies of one another.

Candidates come from sorting: pictures whose thumbnails are alike stand near each other in most of several random orders
(locality-sensitive hashing by random hyperplanes, Charikar 2002; sorted as in LSH Forest, Bawa, Condie & Ganesan 2005). Only
neighbours are compared, so time and memory grow with the number of pictures and not with its square. A candidate counts where
`alignment` explains the one by the other down to the fine detail, and the colours are near.

A camera that stands still, or one kind of X-ray, gives pictures that differ in a small place only, which is all that matters
there. Two such are of one scene and aren't copies; and where a scene has such pictures, others of it may differ in something
too small to be seen here. Measured in docs/decisions/0013-duplicates.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dctn
from scipy.ndimage import maximum_filter
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from unfreeze.data.alignment import detail_of, standardised, unexplained, unexplained_when_aligned
from unfreeze.data.thumbnail import SIDE_PX, colour_of, luma_of, stack

# How much of a picture's fine detail, as variance, may be left unexplained by the other. Unrelated detail leaves 1 or more.
MOST_UNEXPLAINED = 0.125
# The root mean square by which Cb and Cr may differ, of 255, once both are as strong as luma is.
MOST_COLOUR = 10.0
# What is left is in places where so few of the 14 × 14 pixels hold half of it, and one of them more levels than compression.
# Two pictures are of one scene where all is explained but so many pixels: an object here in the one, there in the other.
_PLACE_PX, _PLACE_LEVELS, _PLACES_PX = 4, 12.0, 10
# What a brighter copy's colours may be scaled by.
_MOST_SCALED = 2.0
# How many levels less than the others a pixel was made brighter where its colours ended at white.
_CLIPPED_LEVELS = 3
# A cluster of more than half of the pictures is what they all are like, unless there are hardly any.
_FEWEST_OF_SCENE = 10
# Detail of less than this variance, in levels², is rounding and compression: such pictures have nothing to be told by.
LEAST_DETAIL = 2.0
# Bounds that are cheaper to hold a candidate against, wide enough for a crop of 5 % on every side: the distance of what
# pictures are sorted by, the whole difference and the one left by a fit, both as parts of the fine detail.
_MOST_APART, _MOST_DIFFERENT, _MOST_UNFITTED = 0.6, 4.5, 1.0
# Random orders, how many neighbours a picture is compared with in each, and the bits it is sorted by.
_ORDERS, _NEIGHBOURS, _BITS = 16, 8, 32
# The lowest cosines but the constant one, by frequency.
_COSINES = sorted(
    ((row, column) for row in range(8) for column in range(8) if row or column), key=lambda at: (at[0] ** 2 + at[1] ** 2, at)
)[:24]
_AT_ONCE = 4096
# Verdicts on a pair: other pictures, alike but for a place, near-identical.
_OTHER, _OTHER_PLACE, _COPY = 0, 1, 2

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]


class Likeness(NamedTuple):
    """Clusters by chains of pairs: the numbers of the pictures of each, two or more, ascending; by their first picture.

    Attributes:
        copies: near-identical pictures.
        scenes: pictures that are like each other as copies are but for one small place, or that more than half of all pictures
            are like: whether any of them are copies can't be told.
    """

    copies: tuple[tuple[int, ...], ...]
    scenes: tuple[tuple[int, ...], ...]


@lru_cache(maxsize=2)
def find_alike(thumbnails: tuple[bytes, ...]) -> Likeness:
    """Which pictures are near-identical or of one scene; the last two answers are kept, as several ask it of one dataset.

    Args:
        thumbnails: of `thumbnail.make_thumbnail`; an empty one is like no other.
    """
    present = np.array([number for number, thumbnail in enumerate(thumbnails) if thumbnail], np.int64)
    stacked = stack([thumbnails[number] for number in present])
    # Equal thumbnails are one, or a thousand of them would hide each other's neighbours.
    _, first, which = np.unique(_keys(stacked), return_index=True, return_inverse=True)
    telling = np.flatnonzero(_in_parts(lambda part: detail_of(luma_of(part)), stacked[first]) >= LEAST_DETAIL)
    if not len(telling):
        return Likeness((), ())
    labels, of_scene = _Pictures(stacked[first[telling]]).search()
    of_scene |= np.bincount(labels, minlength=len(labels)) > max(len(first) / 2, _FEWEST_OF_SCENE)
    places = np.full(len(first), -1)
    places[telling] = labels
    label = places[which]
    scene = of_scene[label]
    copies, scenes = (_groups(label[part], present[part]) for part in ((label >= 0) & ~scene, (label >= 0) & scene))
    return Likeness(copies, scenes)


class _Pictures:
    """What is compared: [N] different thumbnails, and for each its place among the others."""

    def __init__(self, thumbnails: NDArray[np.uint8]) -> None:
        self._thumbnails = thumbnails
        self._spots = _in_parts(_spots, thumbnails)
        self._means = _in_parts(lambda part: luma_of(part).mean((1, 2)), thumbnails)
        self._deviations = _in_parts(lambda part: luma_of(part).std((1, 2)), thumbnails)
        self._detail = _in_parts(lambda part: detail_of(standardised(luma_of(part))), thumbnails)

    def search(self) -> tuple[Integers, Booleans]:
        """int64 [N]: the number of each one's cluster; bool [N]: which clusters have a pair that differs in one place."""
        count = len(self._thumbnails)
        labels = np.arange(count)
        joined, refused, differing = np.empty((0, 2), np.int64), np.empty(0, np.int64), np.empty(0, np.int64)
        for order in self._orders():
            near = [self._near(order[:-step], order[step:], labels) for step in range(1, _NEIGHBOURS + 1)]
            new = np.setdiff1d(np.concatenate(near), refused)
            pairs = np.stack(np.divmod(new, count), 1)
            verdicts = _in_parts(self._verdicts, pairs)
            alike = verdicts != _OTHER
            joined, refused = np.concatenate([joined, pairs[alike]]), np.union1d(refused, new[~alike])
            differing = np.concatenate([differing, pairs[verdicts == _OTHER_PLACE, 0]])
            labels = _components(joined, count)
        of_scene = np.zeros(count, bool)
        of_scene[labels[differing]] = True
        return labels, of_scene

    def _orders(self) -> Iterator[Integers]:
        generator = np.random.default_rng(0)
        values = np.left_shift(1, np.arange(_BITS, dtype=np.int64))
        for _ in range(_ORDERS):
            planes = generator.standard_normal((self._spots.shape[1], _BITS), np.float32)
            bits = _in_parts(lambda part, planes=planes: (part @ planes > 0) @ values, self._spots)
            order: Integers = np.argsort(bits, kind="stable")
            yield order

    def _near(self, first: Integers, other: Integers, labels: Integers) -> Integers:
        """int64: of pairs not yet in one cluster those that may be alike, as smaller number · N + larger number."""
        pairs = np.stack([np.minimum(first, other), np.maximum(first, other)], 1)[labels[first] != labels[other]]
        for measure, most in ((self._distances, _MOST_APART), (self._differences, _MOST_DIFFERENT)):
            pairs = pairs[_in_parts(measure, pairs) <= most]
        result: Integers = pairs[:, 0] * len(labels) + pairs[:, 1]
        return result

    def _distances(self, pairs: Integers) -> Floats:
        result: Floats = np.linalg.norm(self._spots[pairs[:, 0]] - self._spots[pairs[:, 1]], axis=1)
        return result

    def _differences(self, pairs: Integers) -> Floats:
        """The mean square of the difference of the standardised luma, by its correlation, as a part of the detail."""
        first, other = pairs.T
        products = np.einsum("nij,nij->n", luma_of(self._thumbnails[first]), luma_of(self._thumbnails[other])) / SIDE_PX**2
        covariances = products - self._means[first] * self._means[other]
        correlations = covariances / np.maximum(self._deviations[first] * self._deviations[other], 1e-3)
        result: Floats = 2 * (1 - correlations) / self._least_detail(pairs)
        return result

    def _verdicts(self, pairs: Integers) -> NDArray[np.uint8]:
        """uint8 [P], a verdict on each of int64 [P, 2], the cheap questions first."""
        verdicts = np.full(len(pairs), _OTHER, np.uint8)
        left = np.flatnonzero(self._colour_differences(pairs) <= MOST_COLOUR)
        left = left[self._squares(unexplained, pairs[left]).mean(1) <= _MOST_UNFITTED]
        squares = self._squares(unexplained_when_aligned, pairs[left])
        in_places = self._in_places(pairs[left], squares)
        but_for_places = np.sort(squares)[:, :-_PLACES_PX].sum(1) / squares.shape[1]
        verdicts[left[(but_for_places <= MOST_UNEXPLAINED) & in_places]] = _OTHER_PLACE
        verdicts[left[(squares.mean(1) <= MOST_UNEXPLAINED) & ~in_places]] = _COPY
        return verdicts

    def _squares(self, measure: Callable[[Floats, Floats], Floats], pairs: Integers) -> Floats:
        """float32 [P, pixels]: what the measure leaves, as parts of the fine detail."""
        first, other = (standardised(luma_of(self._thumbnails[pairs[:, side]])) for side in (0, 1))
        return measure(first, other).reshape(len(pairs), (SIDE_PX - 2) ** 2) / self._least_detail(pairs)[:, None]

    def _colour_differences(self, pairs: Integers) -> Floats:
        """The root mean square, in levels, once brightness and contrast are allowed for: they scale colours as they do luma."""
        deviations = np.maximum(self._deviations[pairs], 1e-3)
        factors = np.sqrt(np.clip(deviations[:, 1] / deviations[:, 0], 1 / _MOST_SCALED, _MOST_SCALED))[:, None]
        first, other = (colour_of(self._thumbnails[pairs[:, side]]) for side in (0, 1))
        result: Floats = np.sqrt(np.square(first * factors - other / factors).mean(1))
        return result

    def _in_places(self, pairs: Integers, squares: Floats) -> Booleans:
        """bool [P]: whether most of what is left of each pair, by `_squares`, is in a few pixels."""
        clipped = maximum_filter(self._clipped(pairs), (1, 3, 3))[:, 1:-1, 1:-1]
        rising = np.sort(np.where(clipped.reshape(squares.shape), 0, squares))
        levels = np.sqrt(rising[:, -1] * self._least_detail(pairs)) * self._deviations[pairs].min(1)
        result: Booleans = (levels > _PLACE_LEVELS) & (rising[:, -_PLACE_PX:].sum(1) > squares.sum(1) / 2)
        return result

    def _clipped(self, pairs: Integers) -> Booleans:
        """bool [P, side, side]: where a picture is brighter than the other but less so than elsewhere: colours end at white."""
        darker = np.where(self._means[pairs[:, 0]] <= self._means[pairs[:, 1]], 0, 1)
        dark, bright = (luma_of(self._thumbnails[pairs[np.arange(len(pairs)), side]]) for side in (darker, 1 - darker))
        gains = np.sort((bright / np.maximum(dark, 1)).reshape(len(pairs), SIDE_PX**2))[:, SIDE_PX**2 // 2, None, None]
        result: Booleans = (bright >= dark) & (bright < dark * gains - _CLIPPED_LEVELS)
        return result

    def _least_detail(self, pairs: Integers) -> Floats:
        result: Floats = np.maximum(np.minimum(self._detail[pairs[:, 0]], self._detail[pairs[:, 1]]), 1e-6)
        return result


def _keys(thumbnails: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """uint64 [N]: the same for the same thumbnail; for others with a chance of 2⁻⁶⁴."""
    words = thumbnails.view(np.uint64)
    factors = np.random.default_rng(0).integers(0, 2**64, words.shape[1], np.uint64) | np.uint64(1)
    result: NDArray[np.uint64] = words @ factors
    return result


def _spots(thumbnails: NDArray[np.uint8]) -> Floats:
    """float32 [N, 24], of length 1: the coarse luma, whatever the brightness and contrast."""
    cosines = dctn(luma_of(thumbnails), axes=(1, 2), norm="ortho")
    lowest = np.stack([cosines[:, row, column] for row, column in _COSINES], 1)
    result: Floats = lowest / np.maximum(np.linalg.norm(lowest, axis=1, keepdims=True), 1e-6)
    return result


def _components(edges: Integers, count: int) -> Integers:
    graph = coo_array((np.ones(len(edges), bool), (edges[:, 0], edges[:, 1])), shape=(count, count))
    labels: Integers = connected_components(graph, directed=False)[1].astype(np.int64)
    return labels


def _groups(labels: Integers, numbers: Integers) -> tuple[tuple[int, ...], ...]:
    """The numbers that share a label with another."""
    order = np.argsort(labels, kind="stable")
    starts = np.flatnonzero(np.diff(labels[order])) + 1
    return tuple(sorted(tuple(group.tolist()) for group in np.split(numbers[order], starts) if len(group) > 1))


def _in_parts(work: Callable[..., NDArray], rows: NDArray) -> NDArray:  # type: ignore[type-arg]
    """`work` of some thousand rows at a time, so that what it makes on the way stays small."""
    parts = [work(rows[start : start + _AT_ONCE]) for start in range(0, max(len(rows), 1), _AT_ONCE)]
    return np.concatenate(parts)
