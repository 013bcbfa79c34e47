"""Real photographs that come with scikit-learn, as networks take them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_sample_images

# Squares of the 640 × 427 photographs: left, upper, right, lower.
_BOXES = ((0, 0, 427, 427), (107, 0, 534, 427), (213, 0, 640, 427), (180, 60, 480, 360))


def photographs(side_px: int, mean: tuple[float, ...], std: tuple[float, ...]) -> NDArray[np.float32]:
    """float32 [8, side_px, side_px, 3], RGB, normalised: four crops each of `china.jpg` and `flower.jpg`."""
    crops = [
        np.asarray(Image.fromarray(photograph).resize((side_px, side_px), Image.Resampling.BICUBIC, box=box))
        for photograph in load_sample_images().images
        for box in _BOXES
    ]
    return ((np.stack(crops) / 255 - np.array(mean)) / np.array(std)).astype(np.float32)
