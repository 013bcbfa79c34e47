"""Random boxes in pictures: what a crop shows, what erasing hides."""

from __future__ import annotations

import math

import numpy as np

# left, top, right, bottom, in whole pixels from the upper left corner
PixelBox = tuple[int, int, int, int]

_TRIES = 10


def random_box(
    size: tuple[int, int], areas: tuple[float, float], aspects: tuple[float, float], generator: np.random.Generator
) -> PixelBox | None:
    """A random box within a picture, as torchvision's RandomResizedCrop and RandomErasing draw it.

    Args:
        size: width and height of the picture, in pixels.
        areas: the least and the greatest part of its area that the box may have.
        aspects: the least and the greatest width / height; their logarithm is drawn evenly.

    Returns:
        None where ten tries gave none that fits.
    """
    width, height = size
    for _ in range(_TRIES):
        area = width * height * generator.uniform(*areas)
        aspect = math.exp(generator.uniform(math.log(aspects[0]), math.log(aspects[1])))
        box_width, box_height = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < box_width <= width and 0 < box_height <= height:
            left = int(generator.integers(0, width - box_width + 1))
            top = int(generator.integers(0, height - box_height + 1))
            return left, top, left + box_width, top + box_height
    return None
