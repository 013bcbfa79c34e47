"""Which pictures are near-identical: re-encoded, resized, cropped a little or brightened copies of one another.

Candidates come from sorting: pictures whose thumbnails are alike stand near each other in most of several random orders
(locality-sensitive hashing by random hyperplanes, Charikar 2002; sorted as in LSH Forest, Bawa, Condie & Ganesan 2005). Only
neighbours are compared, so time and memory grow with the number of pictures and not with its square. A candidate counts where
`alignment` explains the one by the other down to the fine detail, and the colours are near. Measured in
docs/decisions/0013-duplicates.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dctn
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from unfreeze.data.alignment import detail_of, standardised, unexplained, unexplained_when_aligned
from unfreeze.data.thumbnail import SIDE_PX, colour_of, luma_of, stack

# How much of a picture's fine detail, as variance, may be left unexplained by the other. Unrelated detail leaves 1 or more.
MOST_UNEXPLAINED = 0.125
# The root mean square by which Cb and Cr may differ, of 255.
MOST_COLOUR = 10.0
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

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]


def near_identical(thumbnails: Sequence[bytes]) -> list[list[int]]:
    """The clusters of near-identical pictures, by chains of pairs.

    Args:
        thumbnails: of `thumbnail.make_thumbnail`; an empty one is like no other.

    Returns:
        The numbers of the pictures of each cluster of two or more, ascending; clusters by their first picture.
    """
    present = np.array([number for number, thumbnail in enumerate(thumbnails) if thumbnail], np.int64)
    stacked = stack([thumbnails[number] for number in present])
    telling = np.flatnonzero(_in_parts(lambda part: detail_of(luma_of(part)), stacked) >= LEAST_DETAIL)
    if len(telling) < 2:
        return []
    # Equal thumbnails are one, or a thousand of them would hide each other's neighbours.
    _, first, which = np.unique(_keys(stacked)[telling], return_index=True, return_inverse=True)
    labels = _Pictures(stacked[telling[first]]).search()[which]
    return _groups(labels, present[telling])


class _Pictures:
    """What is compared: [N] different thumbnails, and for each its place among the others."""

    def __init__(self, thumbnails: NDArray[np.uint8]) -> None:
        self._thumbnails = thumbnails
        self._spots = _in_parts(_spots, thumbnails)
        self._means = _in_parts(lambda part: luma_of(part).mean((1, 2)), thumbnails)
        self._deviations = _in_parts(lambda part: luma_of(part).std((1, 2)), thumbnails)
        self._detail = _in_parts(lambda part: detail_of(standardised(luma_of(part))), thumbnails)

    def search(self) -> Integers:
        """int64 [N]: the number of each one's cluster."""
        count = len(self._thumbnails)
        labels = np.arange(count)
        joined, refused = np.empty((0, 2), np.int64), np.empty(0, np.int64)
        for order in self._orders():
            near = [self._near(order[:-step], order[step:], labels) for step in range(1, _NEIGHBOURS + 1)]
            new = np.setdiff1d(np.concatenate(near), refused)
            pairs = np.stack(np.divmod(new, count), 1)
            alike = _in_parts(self._alike, pairs)
            joined, refused = np.concatenate([joined, pairs[alike]]), np.union1d(refused, new[~alike])
            labels = _components(joined, count)
        return labels

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

    def _alike(self, pairs: Integers) -> NDArray[np.bool_]:
        """Which of int64 [P, 2] are near-identical, the cheap questions first."""
        colours = [colour_of(self._thumbnails[pairs[:, side]]) for side in (0, 1)]
        left = np.flatnonzero(np.sqrt(np.square(colours[0] - colours[1]).mean(1)) <= MOST_COLOUR)
        for measure, most in ((unexplained, _MOST_UNFITTED), (unexplained_when_aligned, MOST_UNEXPLAINED)):
            first, other = (standardised(luma_of(self._thumbnails[pairs[left, side]])) for side in (0, 1))
            left = left[measure(first, other) / self._least_detail(pairs[left]) <= most]
        alike = np.zeros(len(pairs), bool)
        alike[left] = True
        return alike

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


def _groups(labels: Integers, numbers: Integers) -> list[list[int]]:
    """The numbers that share a label with another."""
    order = np.argsort(labels, kind="stable")
    starts = np.flatnonzero(np.diff(labels[order])) + 1
    return sorted(group.tolist() for group in np.split(numbers[order], starts) if len(group) > 1)


def _in_parts(work: Callable[..., NDArray], rows: NDArray) -> NDArray:  # type: ignore[type-arg]
    """`work` of some thousand rows at a time, so that what it makes on the way stays small."""
    parts = [work(rows[start : start + _AT_ONCE]) for start in range(0, max(len(rows), 1), _AT_ONCE)]
    return np.concatenate(parts)
