"""Activations as rows of bytes, and back."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unfreeze.cache.store import DESCRIPTION

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
        """The layout of a store that is there; None where there is none, or nothing can be made of it."""
        try:
            arrays = json.loads((store / DESCRIPTION).read_text(encoding="utf-8"))["arrays"]
            layout = Layout(tuple(tuple(array["shape"]) for array in arrays), tuple(array["dtype"] for array in arrays))
            return layout if layout.row_bytes > 0 else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def describe(self) -> list[dict[str, Any]]:
        """What `read` reads."""
        return [{"shape": list(shape), "dtype": dtype} for shape, dtype in zip(self.shapes, self.dtypes, strict=True)]

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
