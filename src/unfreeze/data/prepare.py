"""From a decoded picture to what a network expects in evaluation: resized and cropped as its input contract says."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unfreeze.data.picture import HAS_FAST_RESIZE
from unfreeze.recipe.network import InputContract

if HAS_FAST_RESIZE:
    from cykooz_resizer import CropBox, FilterType, ImageData, PixelType, ResizeAlg, ResizeOptions, Resizer

    _FAST_FILTERS = {
        "bilinear": ResizeAlg.convolution(FilterType.bilinear),
        "bicubic": ResizeAlg.convolution(FilterType.catmull_rom),
        "lanczos": ResizeAlg.convolution(FilterType.lanczos3),
    }
else:
    _FAST_FILTERS = {}

FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
    "box": Image.Resampling.BOX,
    "hamming": Image.Resampling.HAMMING,
}
# How far the filters reach, in pixels of the smaller of the two pictures, and one more.
_REACH = {"bilinear": 2, "bicubic": 3, "lanczos": 4}

# Above this a resized picture is never made whole: 1 × 100,000 pixels, one side brought to 256, are 6.5 billion.
_LARGEST_RESIZED_PIXELS = 2**26

# left, top, right, bottom, in pixels of the picture, from its upper left corner
Box = tuple[float, float, float, float]


def prepare(picture: NDArray[np.uint8] | Image.Image, contract: InputContract) -> NDArray[np.uint8]:
    """The picture as the network expects it in evaluation, before normalisation.

    The pixels of timm's evaluation transform for the same contract (tested against it), to within what `resize` says.

    Args:
        picture: uint8 [height, width, 3], RGB, 0–255, or a Pillow image of mode `RGB`.
        contract: `side_px`, `crop_fraction`, `crop_mode` and `interpolation` count here, and `mean`, to pad with in
            `border` mode; the rest is the backend's.

    Returns:
        uint8 [side_px, side_px, 3], RGB, 0–255.
    """
    pixels = np.asarray(picture)
    size, side = (pixels.shape[1], pixels.shape[0]), contract.side_px
    width, height = _resized(size, short_side(contract), contract.crop_mode)
    left, top = _offset(width, side), _offset(height, side)
    # What the crop shows of the resized picture.
    shown = max(0, left), max(0, top), min(width, left + side), min(height, top + side)
    resized = _resized_part(pixels, (width, height), contract.interpolation, shown)
    if resized.shape[:2] == (side, side):
        return resized
    # Padded with the checkpoint's mean colour, so that the border is zero once it is normalised.
    canvas = np.full((side, side, 3), [round(255 * value) for value in contract.mean], np.uint8)
    canvas[shown[1] - top : shown[3] - top, shown[0] - left : shown[2] - left] = resized
    return canvas


def short_side(contract: InputContract) -> int:
    """The side that pictures are brought to before they are cropped, in pixels: the short one, in `border` mode the long."""
    return math.floor(contract.side_px / contract.crop_fraction)


def resize(pixels: NDArray[np.uint8], size: tuple[int, int], interpolation: str, box: Box | None = None) -> NDArray[np.uint8]:
    """A picture, or a box of it, at another size: antialiased, first across and then down, as Pillow does it.

    By fast_image_resize (cykooz-resizer) where it is installed and has the filter, else by Pillow. The former keeps 16
    bits of each weight, the latter 22: one value of 200 differs, by 1. Newer Pillows (13.0.0) go down first in
    some tall pictures; there up to a quarter of the values differ by 1, at sharp edges by more.

    Args:
        pixels: uint8 [height, width, 3].
        size: the new width and height, in pixels.
        interpolation: one of `FILTERS`.
        box: what is resized; None for all of the picture. Its edges may lie within pixels.

    Returns:
        uint8 [new height, new width, 3]; it may be read-only.
    """
    height, width, _ = pixels.shape
    left, top, right, bottom = box = box or (0, 0, width, height)
    if interpolation not in _FAST_FILTERS:
        return np.asarray(Image.fromarray(pixels).resize(size, FILTERS[interpolation], box))
    # The rows that the new ones are made of, and a few more.
    reach = _REACH[interpolation] * max(1.0, (bottom - top) / size[1])
    first, last = max(0, math.floor(top - reach)), min(height, math.ceil(bottom + reach))
    # Both passes in one call would go down first, and be cut to 0–255 at other places than Pillow's.
    narrow = ImageData(size[0], last - first, PixelType.U8x3)
    whole = ImageData(width, last - first, PixelType.U8x3, pixels[first:last].tobytes())
    resizer, algorithm = Resizer(), _FAST_FILTERS[interpolation]
    across = CropBox(left, 0, _length(left, right, width), last - first)
    resizer.resize(whole, narrow, ResizeOptions(algorithm, crop_box=across))
    small = ImageData(*size, PixelType.U8x3)
    down = CropBox(0, top - first, size[0], _length(top - first, bottom - first, last - first))
    resizer.resize(narrow, small, ResizeOptions(algorithm, crop_box=down))
    return np.frombuffer(small.get_buffer(), np.uint8).reshape(size[1], size[0], 3)


def _length(start: float, end: float, limit: int) -> float:
    """`end` - `start`, so that `start` and it don't pass `limit` by a rounding error."""
    length = min(end, limit) - start
    return length if start + length <= limit else math.nextafter(length, 0)


def _resized_part(
    pixels: NDArray[np.uint8], size: tuple[int, int], interpolation: str, part: tuple[int, int, int, int]
) -> NDArray[np.uint8]:
    """The picture resized to `size`, of which only `part` is made where that gives the same pixels, or where it must be."""
    if interpolation not in _FAST_FILTERS and size[0] * size[1] <= _LARGEST_RESIZED_PIXELS:
        # Not so with Pillow, which keeps the edges of the box in single precision.
        return np.asarray(Image.fromarray(pixels).resize(size, FILTERS[interpolation]).crop(part))
    left, top, right, bottom = part
    across, down = pixels.shape[1] / size[0], pixels.shape[0] / size[1]
    return resize(
        pixels, (right - left, bottom - top), interpolation, (left * across, top * down, right * across, bottom * down)
    )


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
