"""Memory that doesn't suffice: how a backend says so, and how what only infers is computed in smaller parts then."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import TypeVar

from unfreeze.data.load import Batch
from unfreeze.errors import UnfreezeError, first_line
from unfreeze.training.backend import Encoded
from unfreeze.training.encoding import parts_of

Made = TypeVar("Made")
Batches = Iterator[Batch | Encoded]

# What errors of frameworks that have no class of their own contain: of the CPU's allocator, of the C++ library, of cuDNN and
# cuBLAS, of oneDNN.
_SIGNS = (
    "can't allocate memory",
    "bad_alloc",
    "out of memory",
    "ALLOC_FAILED",
    "could not create a memory",
    "could not create a primitive",
)


class OutOfMemory(UnfreezeError):  # noqa: N818 – an event, which the loop answers
    """A backend ran out of memory, on its device or in the process. What it holds may be half a step further.

    To be tried again in smaller parts, outside of the `except` block, in which all that the failed attempt made is still held.
    """

    def __init__(self, error: BaseException) -> None:
        super().__init__(
            f"there isn't enough memory ({first_line(error)}): end other programs, or take a smaller input.batch_size,"
            " input.side_px or network"
        )


def says_so(error: BaseException) -> bool:
    """Whether an error of a framework, of whatever class, is for want of memory."""
    return any(sign in str(error) for sign in _SIGNS)


def with_enough_memory(
    compute: Callable[[Batches], Iterable[Made]],
    batches: Iterable[Batch | Encoded],
    join: Callable[[Sequence[Made]], Made],
) -> Iterator[Made]:
    """What is computed of each batch, in order; where memory doesn't suffice, of its halves, quarters … joined.

    Args:
        compute: gives one result for each batch, in order; may take batches ahead. Changes nothing.

    Raises:
        OutOfMemory: it doesn't suffice for single pictures, or for giving the batches.
    """
    rest, parts = iter(batches), 1
    while True:
        computing = _Computing(rest, parts)
        try:
            yield from computing.results(compute, join)
            return
        except OutOfMemory:
            if computing.is_hopeless:
                raise
        rest, parts = chain(computing.unfinished, rest), 2 * parts


class _Computing:
    """An attempt with so many parts.

    Attributes:
        unfinished: the batches that were taken and have given no result yet.
    """

    def __init__(self, batches: Batches, parts: int) -> None:
        self.unfinished: deque[Batch | Encoded] = deque()
        self._batches, self._parts = batches, parts
        self._counts: deque[int] = deque()
        self._is_waiting = False

    def results(self, compute: Callable[[Batches], Iterable[Made]], join: Callable[[Sequence[Made]], Made]) -> Iterator[Made]:
        results = iter(compute(self._pieces()))
        for first in results:
            several = [first, *islice(results, self._counts.popleft() - 1)]
            self.unfinished.popleft()
            yield first if len(several) == 1 else join(several)

    @property
    def is_hopeless(self) -> bool:
        """Whether smaller parts can't help: there are none, or what ran out of memory is whatever gives the batches."""
        return self._is_waiting or all(len(batch.labels) <= self._parts for batch in self.unfinished)

    def _pieces(self) -> Batches:
        while True:
            self._is_waiting = True
            batch = next(self._batches, None)
            self._is_waiting = False
            if batch is None:
                return
            pieces = parts_of(batch, self._parts)
            self.unfinished.append(batch)
            self._counts.append(len(pieces))
            yield from pieces
