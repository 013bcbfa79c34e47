"""Batches on their way to a boundary, for any backend: pictures and activations, each by its own way, with their labels."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, groupby, islice
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from unfreeze.data.load import Batch, Mix
from unfreeze.training.backend import Encoded

Arrays = tuple[NDArray[Any], ...]
Named = tuple[NDArray[np.int64], Mix | None]
T = TypeVar("T")


def boundary_of(batch: Batch | Encoded) -> str | None:
    """Where a batch stands: the boundary of its activations; None where it holds pictures."""
    return batch.boundary if isinstance(batch, Encoded) else None


def encoded(
    batches: Iterable[Batch | Encoded], way_from: Callable[[str | None], Callable[[Iterable[Arrays]], Iterable[T]]]
) -> Iterator[tuple[T, NDArray[np.int64], Mix | None]]:
    """What a way makes of each batch, with the batch's labels and what was mixed in, in order.

    Args:
        way_from: gives the way from where a batch stands. A way may take batches ahead of what it gives.
    """
    for start, group in groupby(batches, boundary_of):
        named: deque[Named] = deque()
        for made in way_from(start)(_arrays(group, named)):
            yield made, *named.popleft()


def in_parts(batches: Iterable[Batch | Encoded], parts: int) -> Iterator[Batch | Encoded]:
    """The parts of each batch in a row, each of two pictures at least: BatchNorm can't follow a batch of one."""
    for batch in batches:
        yield from parts_of(batch, min(parts, max(1, len(batch.labels) // 2)))


def parts_of(batch: Batch | Encoded, parts: int) -> list[Batch | Encoded]:
    """A batch in so many parts, as equal as can be and in order; in fewer where it has fewer pictures."""
    if parts == 1:
        return [batch]
    places = np.array_split(np.arange(len(batch.labels)), min(parts, len(batch.labels)))
    return [_part(batch, slice(some[0], some[-1] + 1)) for some in places]


def joined(encoded: Sequence[Encoded]) -> Encoded:
    """Batches at the same boundary, all mixed or none, as one."""
    activations = tuple(np.concatenate(arrays) for arrays in zip(*(one.activations for one in encoded), strict=True))
    mixes = [one.mix for one in encoded if one.mix is not None]
    mix = Mix(*map(np.concatenate, zip(*mixes, strict=True))) if mixes else None
    return Encoded(activations, np.concatenate([one.labels for one in encoded]), encoded[0].boundary, mix)


def _part(batch: Batch | Encoded, place: slice) -> Batch | Encoded:
    labels, mix = batch.labels[place], None if batch.mix is None else Mix(batch.mix.labels[place], batch.mix.parts[place])
    if isinstance(batch, Batch):
        return Batch(batch.images[place], labels, mix)
    return Encoded(tuple(array[place] for array in batch.activations), labels, batch.boundary, mix)


def in_steps(batches: Iterable[T], accumulate: int) -> Iterator[Iterator[T]]:
    """The batches of each step: so many in a row, the last of them possibly fewer. Take all of one step before the next."""
    batches = iter(batches)
    for first in batches:
        yield chain([first], islice(batches, accumulate - 1))


def _arrays(batches: Iterable[Batch | Encoded], named: deque[Named]) -> Iterator[Arrays]:
    """The arrays of batches; what they show goes to `named` as they are taken."""
    for batch in batches:
        named.append((batch.labels, batch.mix))
        yield (batch.images,) if isinstance(batch, Batch) else batch.activations


def as_float32(activations: NDArray[Any]) -> NDArray[np.float32]:
    """Activations as numbers: bfloat16 is given as its bits in uint16, the upper half of a float32's."""
    if activations.dtype != np.uint16:
        return activations.astype(np.float32, copy=False)
    return (activations.astype(np.uint32) << 16).view(np.float32)
