"""How a picture looks, in four numbers: its darkest and brightest parts, its spread, its sharpest edges."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops

# The short side at which pictures are looked at: about what networks see. Finer softness than that makes no difference.
SIDE_PX = 224
# A picture smaller than this has too few pixels for edges to be measured.
_LEAST_SIDE_PX = 32
_FAR_PX = 8
# In percent of the pixels. The first two are cleanvision's; the third leaves out a speck of at most 5 × 5 pixels.
_DARKEST, _BRIGHTEST, _EXTREME = 5.0, 99.0, 99.95
# In percent of the steps between pixels. The first leaves out what a speck or a ringing edge makes. An edge makes `_FAR_PX`
# times as many steps over that distance as between neighbours: where fewer are steep, neighbours are too few to tell.
_STEEPEST = 99.8
_STEEP = 100 - _FAR_PX * (100 - _STEEPEST)


class Look(NamedTuple):
    """What is measured on the luma of a picture.

    Attributes:
        darkest: what 5 % of the pixels are at most as bright as, 0–1; near 1 the picture is nearly white.
        brightest: what 99 % of them are at most as bright as, 0–1; near 0 it is nearly black.
        spread: between the brightest and the darkest 0.05 %, 0–1; near 0 it is all of one colour.
        sharpness: the steepest steps between neighbouring pixels as a part of the steepest over 8 pixels: near 1 where edges
            are a pixel wide, 1/8 where there is none, only slopes. None in a picture too small, too flat or too empty to tell.
    """

    darkest: float
    brightest: float
    spread: float
    sharpness: float | None


def look_at(pixels: NDArray[np.uint8]) -> Look:
    """The look of uint8 [height, width, 3], RGB, brought to a short side of `SIDE_PX` where it is larger."""
    luma = _reduced(Image.fromarray(pixels)).convert("L")
    low, darkest, brightest, high = _percentiles(luma.histogram(), (100 - _EXTREME, _DARKEST, _BRIGHTEST, _EXTREME)) / 255
    return Look(round(float(darkest), 3), round(float(brightest), 3), round(float(high - low), 3), _sharpness(luma))


def _reduced(image: Image.Image) -> Image.Image:
    scale = SIDE_PX / min(image.size)
    if scale >= 1:
        return image
    return image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BILINEAR)


def _sharpness(luma: Image.Image) -> float | None:
    if min(luma.size) < _LEAST_SIDE_PX:
        return None
    (near,) = _percentiles(_steps(luma, 1), (_STEEPEST,))
    far, steep = _percentiles(_steps(luma, _FAR_PX), (_STEEPEST, _STEEP))
    return round(float(near / far), 3) if far >= 1 and steep >= far / 2 else None


def _steps(luma: Image.Image, distance: int) -> list[int]:
    """How many steps of each height, 0–255, there are between pixels so far apart, across and down."""
    width, height = luma.size
    kept = (0, 0, width - distance, height - distance)
    origin = luma.crop(kept)
    across = ImageChops.difference(origin, luma.crop((distance, 0, width, height - distance)))
    down = ImageChops.difference(origin, luma.crop((0, distance, width - distance, height)))
    return [*map(sum, zip(across.histogram(), down.histogram(), strict=True))]


def _percentiles(histogram: Sequence[int], percents: Sequence[float]) -> NDArray[np.float64]:
    """The levels that so many percent of what was counted are at most; between whole levels in proportion."""
    reached = np.concatenate([[0], np.cumsum(histogram)]) / max(sum(histogram), 1)
    levels = np.arange(-0.5, 256)
    result: NDArray[np.float64] = np.clip(np.interp(np.array(percents) / 100, reached, levels), 0, 255)
    return result
