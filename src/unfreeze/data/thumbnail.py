"""A picture in 288 bytes: what near-identical pictures are found by."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

# Luma, then the two colour differences, coarser as in JPEG: eyes and copies differ little in them.
SIDE_PX, COLOUR_SIDE_PX = 16, 4
BYTES = SIDE_PX**2 + 2 * COLOUR_SIDE_PX**2


def make_thumbnail(pixels: NDArray[np.uint8], size: tuple[float, float] | None = None) -> bytes:
    """A picture brought to 16 × 16, whatever its shape was.

    Args:
        pixels: uint8 [height, width, 3], RGB.
        size: the width and height in `pixels` that the picture fills, where that isn't all: a JPEG decoded to a part of its
            size is rounded up to whole pixels.

    Returns:
        `BYTES` bytes: 16 × 16 of luma, 4 × 4 of Cb and 4 × 4 of Cr as in JPEG (ITU-T T.871), row by row.
    """
    height, width = pixels.shape[:2]
    filled = (width, height) if size is None else (min(size[0], width), min(size[1], height))
    # Triangles twice as wide as a pixel: without fold-over, and the same from every size of a picture.
    small = Image.fromarray(pixels).resize((SIDE_PX, SIDE_PX), Image.Resampling.BILINEAR, box=(0, 0, *filled))
    luma, *colours = small.convert("YCbCr").split()
    coarse = [colour.resize((COLOUR_SIDE_PX, COLOUR_SIDE_PX), Image.Resampling.BOX) for colour in colours]
    return b"".join(part.tobytes() for part in (luma, *coarse))


def stack(thumbnails: list[bytes]) -> NDArray[np.uint8]:
    """uint8 [N, `BYTES`]."""
    return np.frombuffer(b"".join(thumbnails), np.uint8).reshape(-1, BYTES)


def luma_of(thumbnails: NDArray[np.uint8]) -> NDArray[np.float32]:
    """float32 [N, 16, 16], 0–255, of uint8 [N, `BYTES`]."""
    return thumbnails[:, : SIDE_PX**2].reshape(-1, SIDE_PX, SIDE_PX).astype(np.float32)


def colour_of(thumbnails: NDArray[np.uint8]) -> NDArray[np.float32]:
    """float32 [N, 32], −128–127, 0 for grey: Cb, then Cr."""
    return thumbnails[:, SIDE_PX**2 :].astype(np.float32) - 128
