"""How much of one thumbnail another explains, once brightness, contrast, a shift and a zoom are allowed for."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

Floats = NDArray[np.float32]

# No shift, and no zoom, beyond this part of half a side: a crop of 5 % a side shifts or zooms by up to 0.1.
_FARTHEST = 0.12
# Keeps what can't be told (how far a plain picture was shifted) at nothing.
_RIDGE = 1e-3


def standardised(luma: Floats) -> Floats:
    """float32 [N, side, side] with mean 0 and variance 1 each, whatever the brightness and contrast."""
    centred = luma - luma.mean((1, 2), keepdims=True)
    deviation = centred.std((1, 2), keepdims=True)
    result: Floats = centred / np.maximum(deviation, 1e-3)
    return result


def detail_of(luma: Floats) -> Floats:
    """float32 [N]: the variance of what an average over 3 × 3 removes, but for pixels at the edge."""
    coarse = uniform_filter(luma, size=(1, 3, 3), mode="nearest")
    result: Floats = np.square(luma - coarse)[:, 1:-1, 1:-1].mean((1, 2))
    return result


def unexplained(first: Floats, other: Floats) -> Floats:
    """What is left, squared, where each picture is fitted to its partner.

    The difference is fitted with the brightness, the contrast, and the gradients of the pair's mean that a shift and a zoom
    along each axis would add: the efficient second-order step of Benhimane & Malis (2004), which looks the same from both
    sides. Pixels at the edge, which a crop replaces, are left out.

    Args:
        first, other: float32 [N, side, side], standardised.

    Returns:
        float32 [N, side − 2, side − 2], as parts of the variance: on average 0 for copies, about 1 and more for pictures that
        have nothing to do with each other.
    """
    return _fit(first, other)[0]


def unexplained_when_aligned(first: Floats, other: Floats) -> Floats:
    """As `unexplained`, after both were moved half of the way towards each other that a first fit finds."""
    moves = np.clip(_fit(first, other)[1], -_FARTHEST, _FARTHEST)
    half = (moves / 2).astype(np.float32)
    return unexplained(_moved(first, half), _moved(other, -half))


def _fit(first: Floats, other: Floats) -> tuple[Floats, Floats]:
    """What `unexplained` gives, and float32 [N, 4]: shift and zoom in x, shift and zoom in y, where a picture spans −1–1."""
    count, side, _ = first.shape
    mean = (first + other) / 2
    inner = slice(1, side - 1)
    across = (mean[:, inner, 2:] - mean[:, inner, :-2]) * (side / 4)
    down = (mean[:, 2:, inner] - mean[:, :-2, inner]) * (side / 4)
    x = _places(side)[inner]
    causes = np.stack(
        [mean[:, inner, inner], np.ones_like(across), across, across * x, down, down * x[:, None]], axis=1
    ).reshape(count, 6, (side - 2) ** 2)
    difference = (other - first)[:, inner, inner].reshape(count, (side - 2) ** 2, 1)
    products = causes @ causes.transpose(0, 2, 1) + _RIDGE * np.eye(6, dtype=np.float32)
    factors = np.linalg.solve(products, causes @ difference)
    left = difference - causes.transpose(0, 2, 1) @ factors
    variance = np.maximum(causes[:, 0].var(1), 1e-6)
    parts = np.square(left[..., 0]) / variance[:, None]
    return parts.reshape(count, side - 2, side - 2), factors[:, 2:, 0]


def _moved(luma: Floats, moves: Floats) -> Floats:
    along_x, along_y = _resampling(luma.shape[1], moves[:, :2]), _resampling(luma.shape[1], moves[:, 2:])
    result: Floats = (along_y @ luma @ along_x.transpose(0, 2, 1)).astype(np.float32, copy=False)
    return result


def _resampling(side: int, moves: Floats) -> Floats:
    """float32 [N, side, side]: from pixels to pixels at the places shifted and zoomed to, by cubic convolution."""
    places = _places(side) * (1 + moves[:, 1:]) + moves[:, :1]
    positions: Floats = ((places + 1) / 2 * side - 0.5).astype(np.float32)
    weights = _cubic(np.abs(positions[:, :, None] - np.arange(side, dtype=np.float32)))
    result: Floats = weights / np.maximum(weights.sum(2, keepdims=True), 0.2)
    return result


def _cubic(distance: Floats) -> Floats:
    """Keys 1981, a = −0.5."""
    near = (1.5 * distance - 2.5) * distance * distance + 1
    far = ((-0.5 * distance + 2.5) * distance - 4) * distance + 2
    return np.where(distance < 1, near, np.where(distance < 2, far, 0)).astype(np.float32)


def _places(side: int) -> Floats:
    """The centres of pixels where the side spans −1–1."""
    return ((np.arange(side) + 0.5) / side * 2 - 1).astype(np.float32)
