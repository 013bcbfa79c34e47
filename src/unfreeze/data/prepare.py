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


# Above this a resized picture is never made whole: 1 × 100,000 pixels, one side brought to 256, are 6.5 billion.
_LARGEST_RESIZED_PIXELS = 2**26


def prepare(image: Image.Image, contract: InputContract) -> NDArray[np.uint8]:
    """The picture as the network expects it in evaluation, before normalisation.

    The same pixels as timm's evaluation transform gives for the same contract (tested against it), but for extremely
    long and thin pictures, of which only the middle is resized: there a value may differ by one.

    Args:
        image: mode `RGB`.
        contract: `side_px`, `crop_fraction`, `crop_mode` and `interpolation` count here, and `mean`, to pad with in
            `border` mode; the rest is the backend's.

    Returns:
        uint8 [side_px, side_px, 3], RGB, 0–255.
    """
    side = contract.side_px
    scaled = math.floor(side / contract.crop_fraction)
    width, height = _resized(image.size, scaled, contract.crop_mode)
    left, top = _offset(width, side), _offset(height, side)
    resampling = FILTERS[contract.interpolation]
    if contract.crop_mode == "center" and width * height > _LARGEST_RESIZED_PIXELS:
        across, down = image.width / width, image.height / height
        box = (left * across, top * down, (left + side) * across, (top + side) * down)
        return np.asarray(image.resize((side, side), resampling, box=box))
    resized = image.resize((width, height), resampling)
    if contract.crop_mode == "border":
        # Padded with the checkpoint's mean colour, so that the border is zero once it is normalised.
        red, green, blue = (round(255 * value) for value in contract.mean)
        canvas = Image.new("RGB", (side, side), (red, green, blue))
        canvas.paste(resized, (-left, -top))
        return np.asarray(canvas)
    return np.asarray(resized.crop((left, top, left + side, top + side)))


def _resized(size: tuple[int, int], scaled: int, mode: str) -> tuple[int, int]:
    width, height = size
    if mode == "squash":
        return scaled, scaled
    if mode == "border":
        # Divided and not multiplied by the inverse, because timm's ResizeKeepRatio rounds so.
        ratio = max(size) / scaled
        return max(1, round(width / ratio)), max(1, round(height / ratio))
    # torchvision's Resize: the short side exactly, the long side rounded down.
    return (scaled, int(scaled * height / width)) if width <= height else (int(scaled * width / height), scaled)


def _offset(length: int, side: int) -> int:
    """Where a crop of `side` begins; negative where it pads; then an odd pixel is padded after, as in torchvision."""
    return -((side - length) // 2) if length < side else round((length - side) / 2)
