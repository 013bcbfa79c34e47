"""Random changes to training pictures. View `v` of a picture is a value: the same in any order, thread, split or run."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance

from unfreeze.data.box import PixelBox, random_box
from unfreeze.data.erase import erase
from unfreeze.data.prepare import prepare, resize, short_side
from unfreeze.data.trivial import trivial_augment
from unfreeze.recipe.network import InputContract
from unfreeze.recipe.recipe import Augment

_ASPECT = (3 / 4, 4 / 3)  # of a random crop, as in Szegedy et al. 2015 and torchvision's RandomResizedCrop
_ENHANCERS = (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color)


def view_generator(seed: int, content: str, view: int) -> np.random.Generator:
    """The generator that draws view number `view` of the picture whose file has the hash `content`, in hexadecimal."""
    return np.random.default_rng((seed, int(content, 16), view))


def is_off(settings: Augment) -> bool:
    """Whether nothing is changed: then every view is the picture as it is evaluated."""
    changes = (settings.flip, settings.rotation_degrees, settings.jitter, settings.trivial, settings.erasing)
    return settings.crop_min_area == 1 and not any(changes) and not mixes(settings)


def mixes(settings: Augment) -> bool:
    """Whether other pictures are mixed in, which `mixing` does to the views that `augment` makes."""
    return bool(settings.mixup or settings.cutmix)


def view_facts(settings: Augment) -> dict[str, Any]:
    """What decides a view of one picture, besides its content and the view's number.

    How many views there are changes none of them, and what is mixed in comes afterwards. Changes that were added later are
    named only where they are on: what was kept before there were any is valid still.
    """
    facts = settings.model_dump(exclude={"views", "mixup", "cutmix"})
    return {name: value for name, value in facts.items() if value or name not in ("trivial", "erasing")}


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
        box = _shown((pixels.shape[1], pixels.shape[0]), settings.crop_min_area, generator)
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
    if settings.trivial:
        image = trivial_augment(image, generator)
    view = np.asarray(image)
    return erase(view, generator) if settings.erasing and generator.random() < settings.erasing else view


def _shown(size: tuple[int, int], min_area: float, generator: np.random.Generator) -> PixelBox:
    """A random box of at least `min_area` of the picture and nearly square; the centre square if none fits."""
    box = random_box(size, (min_area, 1), _ASPECT, generator)
    if box is not None:
        return box
    side = min(size)
    left, top = (size[0] - side) // 2, (size[1] - side) // 2
    return left, top, left + side, top + side
