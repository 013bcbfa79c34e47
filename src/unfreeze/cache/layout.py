"""Activations as rows of bytes, and back."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unfreeze.cache.store import DESCRIPTION
from unfreeze.files import make_folder, write_json
from unfreeze.reading import parse_json, read_text

Activations = tuple[NDArray[Any], ...]


@dataclass(frozen=True)
class Layout:
    """The shape of each array for one picture, without the batch, and its dtype by NumPy's name."""

    shapes: tuple[tuple[int, ...], ...]
    dtypes: tuple[str, ...]

    @staticmethod
    def of(activations: Activations) -> Layout:
        """The layout of arrays [B, …]."""
        return Layout(tuple(array.shape[1:] for array in activations), tuple(array.dtype.name for array in activations))

    @staticmethod
    def read(store: Path) -> Layout | None:
        """The layout of a store that is there; None where there is none, or its description isn't as `write` wrote it."""
        try:
            description = parse_json(read_text(store / DESCRIPTION))
            if description.pop("seal") != _seal(description):
                return None
            arrays = description["arrays"]
            return Layout(tuple(tuple(array["shape"]) for array in arrays), tuple(array["dtype"] for array in arrays))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def write(self, store: Path, facts: dict[str, Any]) -> None:
        """Describes a store, for `read`, and for whoever lists the cache.

        Raises:
            StorageError: it can't be written.
        """
        arrays = [{"shape": list(shape), "dtype": dtype} for shape, dtype in zip(self.shapes, self.dtypes, strict=True)]
        description = {**facts, "arrays": arrays}
        make_folder(store)
        write_json(store / DESCRIPTION, description | {"seal": _seal(description)})

    @property
    def row_bytes(self) -> int:
        return sum(self._sizes)

    def pack(self, activations: Activations) -> NDArray[np.uint8]:
        """uint8 [B, row_bytes]."""
        flat = [np.ascontiguousarray(array).view(np.uint8).reshape(len(array), -1) for array in activations]
        return flat[0] if len(flat) == 1 else np.concatenate(flat, axis=1)

    def unpack(self, rows: NDArray[np.uint8]) -> Activations:
        """The arrays [B, …] of rows as `pack` made them."""
        ends = np.cumsum(self._sizes)[:-1]
        parts = np.split(rows, ends, axis=1)
        return tuple(
            np.ascontiguousarray(part).view(dtype).reshape(len(rows), *shape)
            for part, shape, dtype in zip(parts, self.shapes, self.dtypes, strict=True)
        )

    @property
    def _sizes(self) -> list[int]:
        pairs = zip(self.shapes, self.dtypes, strict=True)
        return [math.prod(shape) * np.dtype(dtype).itemsize for shape, dtype in pairs]


def _seal(description: dict[str, Any]) -> str:
    """A hash that tells whether a description was changed: rows read by a wrong one would be rubbish."""
    return hashlib.blake2b(json.dumps(description, sort_keys=True).encode(), digest_size=16).hexdigest()
