"""What keeping activations would cost and save, from speeds measured on a few batches."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from unfreeze.cache.layout import Layout
from unfreeze.data.load import Batch, Loader
from unfreeze.errors import StorageError
from unfreeze.files import make_folder
from unfreeze.training.backend import Backend

_BATCHES = 3
# A training step takes as long as three forward passes: the backward pass has twice the operations (Kaplan et al. 2020, 2.1).
FORWARDS_PER_STEP = 3
_PROBE_BYTES = 16 << 20


@dataclass(frozen=True)
class Need:
    """What a phase goes through.

    Attributes:
        shown, validated: training and validation pictures in all its epochs, repeats counted.
        rows, rows_validation: different views of pictures among them.
        missing, missing_validation: of these, the ones whose activations the phase has to compute.
        absent: how many aren't there now; those that an earlier phase will have computed count too.
    """

    shown: int
    validated: int
    rows: int
    rows_validation: int
    missing: int
    missing_validation: int
    absent: int


class Seconds(NamedTuple):
    """What a phase takes to train and to validate."""

    training: float
    validation: float


@dataclass(frozen=True)
class PhaseSpeeds:
    """Seconds per picture, with all threads at work.

    Attributes:
        decode: from file to pixels.
        prefix: through the frozen part.
        tail: from the boundary to the classes, without a backward pass.
        row: to write or to read its activations.
        row_bytes: their size.
    """

    decode: float
    prefix: float
    tail: float
    row: float
    row_bytes: int

    def without(self, need: Need) -> Seconds:
        """With every picture decoded and encoded every time."""
        encoded = self.decode + self.prefix
        return Seconds(
            need.shown * (encoded + FORWARDS_PER_STEP * self.tail),
            need.validated * (encoded + self.tail),
        )

    def kept(self, need: Need) -> Seconds:
        """With activations kept, and those that are missing computed once."""
        encoded = self.decode + self.prefix + self.row
        return Seconds(
            need.missing * encoded + need.shown * (self.row + FORWARDS_PER_STEP * self.tail),
            need.missing_validation * encoded + need.validated * (self.row + self.tail),
        )


class Speeds:
    """Measures the speeds of phases. Changes nothing but what the backend has compiled."""

    def __init__(self, backend: Backend, loader: Loader, folder: Path) -> None:
        self._backend, self._loader, self._folder = backend, loader, folder

    def of(self, boundary: str) -> PhaseSpeeds:
        """The speeds of a phase with this boundary."""
        batches, decode = self._decoded
        list(self._backend.encode(batches[:1], boundary))  # compiles
        encoded, prefix = _timed(lambda: list(self._backend.encode(batches, boundary)))
        self._backend.predict(encoded[:1])
        _, tail = _timed(lambda: self._backend.predict(encoded))
        pictures = sum(len(batch.labels) for batch in batches)
        row_bytes = Layout.of(encoded[0].activations).row_bytes
        row = row_bytes * self._seconds_per_byte
        return PhaseSpeeds(decode / pictures, prefix / pictures, tail / pictures, row, row_bytes)

    @cached_property
    def _decoded(self) -> tuple[list[Batch], float]:
        """The first batches of training, and the seconds they took."""
        views = self._loader.training_views(0)[: _BATCHES * self._loader.batch_size]
        return _timed(lambda: list(islice(self._loader.batches("train", views), _BATCHES)))

    @cached_property
    def _seconds_per_byte(self) -> float:
        """Of the disk. What was just written is read from memory, so that writing stands for both."""
        content = bytes(_PROBE_BYTES)
        try:
            make_folder(self._folder)
            with tempfile.TemporaryFile(dir=self._folder, buffering=0) as file:
                _, seconds = _timed(lambda: file.write(content))
        except (OSError, StorageError):
            return float("inf")
        return seconds / _PROBE_BYTES


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    started = time.perf_counter()
    result: Any = work()
    return result, time.perf_counter() - started
