"""From a decoded picture to what a network expects in evaluation: resized and cropped as its input contract says."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unfreeze.recipe.network import InputContract

FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
    "box": Image.Resampling.BOX,
    "hamming": Image.Resampling.HAMMING,
}


def prepare(image: Image.Image, contract: InputContract) -> NDArray[np.uint8]:
    """The picture as the network expects it in evaluation, before normalisation.

    The same pixels as timm's evaluation transform gives for the same contract (tested against it).

    Args:
        image: mode `RGB`.
        contract: `side_px`, `crop_fraction`, `crop_mode` and `interpolation` count here; the rest is the backend's.

    Returns:
        uint8 [side_px, side_px, 3], RGB, 0–255.
    """
    side = contract.side_px
    scaled = math.floor(side / contract.crop_fraction)
    width, height = _resized(image.size, scaled, contract.crop_mode)
    resized = image.resize((width, height), FILTERS[contract.interpolation])
    left, top = round((width - side) / 2), round((height - side) / 2)
    # A crop beyond the border fills with black; only `border` mode can need it.
    return np.asarray(resized.crop((left, top, left + side, top + side)))


def _resized(size: tuple[int, int], scaled: int, mode: str) -> tuple[int, int]:
    width, height = size
    if mode == "squash":
        return scaled, scaled
    reference = max(size) if mode == "border" else min(size)
    if mode == "border":
        return max(1, round(width * scaled / reference)), max(1, round(height * scaled / reference))
    # torchvision's Resize: the short side exactly, the long side rounded down.
    return (scaled, int(scaled * height / width)) if width <= height else (int(scaled * width / height), scaled)
