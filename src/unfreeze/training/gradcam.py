"""What every backend's Grad-CAM ends with."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def scaled(maps: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    """The maps of all batches, float32 [B, h, w] of 0 and more, as one array [N, h, w] in 0–1: each divided by its maximum.

    A map of zeros stays as it is; one that isn't finite becomes zeros. No batches give [0, 0, 0].
    """
    together = np.concatenate(maps) if maps else np.zeros((0, 0, 0), np.float32)
    highest = together.max(axis=(1, 2), keepdims=True, initial=0)
    known = (highest > 0) & np.isfinite(highest)
    shares: NDArray[np.float32] = np.divide(together, highest, out=np.zeros_like(together), where=known)
    return shares
