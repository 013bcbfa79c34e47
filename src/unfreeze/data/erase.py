"""Random erasing (Zhong et al. 2020): a random box of a picture is filled with noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from unfreeze.data.box import random_box

# Of the box, as parts of the picture's area, and width / height; as in torchvision, and nearly so in timm and in the paper.
AREAS, ASPECTS = (0.02, 0.33), (0.3, 3.3)


def erase(pixels: NDArray[np.uint8], generator: np.random.Generator) -> NDArray[np.uint8]:
    """A picture with a random box of it erased.

    Each value in the box becomes a random one in 0–255, as in the paper, which takes this where it doesn't say otherwise.

    Args:
        pixels: uint8 [height, width, 3], RGB, 0–255; stays as it is.
        generator: decides where, and draws the noise.

    Returns:
        uint8 [height, width, 3], RGB, 0–255. The picture itself where ten tries gave no box that fits.
    """
    height, width, channels = pixels.shape
    box = random_box((width, height), AREAS, ASPECTS, generator)
    if box is None:
        return pixels
    left, top, right, bottom = box
    erased = pixels.copy()
    erased[top:bottom, left:right] = generator.integers(0, 256, (bottom - top, right - left, channels), np.uint8)
    return erased
