"""Random changes to training pictures. View `v` of picture `i` is a value: the same in any order or thread."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance

from unfreeze.data.prepare import FILTERS, prepare
from unfreeze.recipe.network import InputContract
from unfreeze.recipe.recipe import Augment

_ASPECT = (3 / 4, 4 / 3)  # of a random crop, as in Szegedy et al. 2015 and torchvision's RandomResizedCrop
_CROP_TRIES = 10
_ENHANCERS = (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color)


def view_generator(seed: int, picture: int, view: int) -> np.random.Generator:
    """The generator that draws view number `view` of picture number `picture`."""
    return np.random.default_rng((seed, picture, view))


def augment(
    image: Image.Image, contract: InputContract, settings: Augment, generator: np.random.Generator
) -> NDArray[np.uint8]:
    """One random view of a picture.

    Args:
        image: mode `RGB`, whole.
        contract: gives the size and the interpolation.
        settings: which changes are made, and how strongly.
        generator: decides; see `view_generator`.

    Returns:
        uint8 [side_px, side_px, 3], RGB, 0–255.
    """
    if settings.crop_min_area < 1:
        box = _random_box(image.size, settings.crop_min_area, generator)
        image = image.resize((contract.side_px, contract.side_px), FILTERS[contract.interpolation], box=box)
    else:
        image = Image.fromarray(prepare(image, contract))
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
