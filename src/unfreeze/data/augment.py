"""Random changes to training pictures. View `v` of a picture is a value: the same in any order, thread, split or run."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance

from unfreeze.data.prepare import prepare, resize, short_side
from unfreeze.recipe.network import InputContract
from unfreeze.recipe.recipe import Augment

_ASPECT = (3 / 4, 4 / 3)  # of a random crop, as in Szegedy et al. 2015 and torchvision's RandomResizedCrop
_CROP_TRIES = 10
_ENHANCERS = (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color)


def view_generator(seed: int, content: str, view: int) -> np.random.Generator:
    """The generator that draws view number `view` of the picture whose file has the hash `content`, in hexadecimal."""
    return np.random.default_rng((seed, int(content, 16), view))


def is_off(settings: Augment) -> bool:
    """Whether nothing is changed: then every view is the picture as it is evaluated."""
    return settings.crop_min_area == 1 and not (settings.flip or settings.rotation_degrees or settings.jitter)


def smallest_side(contract: InputContract, settings: Augment) -> int:
    """The short side, in pixels, that a picture must have so that no view of it is enlarged."""
    if settings.crop_min_area == 1:
        return short_side(contract)
    return math.ceil(contract.side_px / math.sqrt(_ASPECT[0] * settings.crop_min_area))


def augment(
    pixels: NDArray[np.uint8], contract: InputContract, settings: Augment, generator: np.random.Generator
) -> NDArray[np.uint8]:
    """One random view of a picture.

    Args:
        pixels: the whole picture, uint8 [height, width, 3], RGB, 0–255.
        contract: gives the size and the interpolation.
        settings: which changes are made, and how strongly.
        generator: decides; see `view_generator`.

    Returns:
        uint8 [side_px, side_px, 3], RGB, 0–255.
    """
    if settings.crop_min_area < 1:
        box = _random_box((pixels.shape[1], pixels.shape[0]), settings.crop_min_area, generator)
        shown = resize(pixels, (contract.side_px, contract.side_px), contract.interpolation, box)
    else:
        shown = prepare(pixels, contract)
    image = Image.fromarray(shown)
    if settings.flip and generator.random() < 0.5:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if settings.rotation_degrees:
        angle = generator.uniform(-settings.rotation_degrees, settings.rotation_degrees)
        image = image.rotate(angle, Image.Resampling.BILINEAR)
    if settings.jitter:
        for enhancer in _ENHANCERS:
            image = enhancer(image).enhance(generator.uniform(1 - settings.jitter, 1 + settings.jitter))
    return np.asarray(image)


def _random_box(size: tuple[int, int], min_area: float, generator: np.random.Generator) -> tuple[int, int, int, int]:
    """A random box of at least `min_area` of the picture and nearly square; the centre square if none fits."""
    width, height = size
    for _ in range(_CROP_TRIES):
        area = width * height * generator.uniform(min_area, 1)
        aspect = math.exp(generator.uniform(math.log(_ASPECT[0]), math.log(_ASPECT[1])))
        box_width, box_height = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < box_width <= width and 0 < box_height <= height:
            left = int(generator.integers(0, width - box_width + 1))
            top = int(generator.integers(0, height - box_height + 1))
            return left, top, left + box_width, top + box_height
    side = min(size)
    left, top = (width - side) // 2, (height - side) // 2
    return left, top, left + side, top + side
