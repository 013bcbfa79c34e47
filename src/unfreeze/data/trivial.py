"""TrivialAugment (Müller & Hutter 2021), with its wide space: one change, drawn evenly from a list, at a random strength."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

# From weakest to strongest.
_STRENGTHS = 31


class Operation(NamedTuple):
    """One change.

    Attributes:
        apply: makes it, on an image of mode `RGB`, at a strength.
        strengths: that it may have, each as likely.
        signed: half of the time the strength is taken negative.
    """

    apply: Callable[[Image.Image, float], Image.Image]
    strengths: tuple[float, ...] = (0.0,)
    signed: bool = False


def trivial_augment(image: Image.Image, generator: np.random.Generator) -> Image.Image:
    """An image, of mode `RGB`, with one random change, of the same size. What comes into view from outside is black."""
    operation = _LIST[int(generator.integers(len(_LIST)))]
    strength = operation.strengths[int(generator.integers(len(operation.strengths)))]
    if operation.signed and generator.random() < 0.5:
        strength = -strength
    return operation.apply(image, strength)


def _even(weakest: float, strongest: float) -> tuple[float, ...]:
    return tuple(np.linspace(weakest, strongest, _STRENGTHS).tolist())


def _moved(image: Image.Image, *matrix: float) -> Image.Image:
    """The pixel at (x, y) is that which was at (a x + b y + c, d x + e y + f), the nearest one; black where there was none."""
    return image.transform(image.size, Image.Transform.AFFINE, matrix, Image.Resampling.NEAREST)


def _enhanced(enhancer: Callable[[Image.Image], ImageEnhance._Enhance]) -> Operation:
    """A change away from the image as it is, which is at factor 1."""
    return Operation(lambda image, strength: enhancer(image).enhance(1 + strength), _even(0, 0.99), signed=True)


# The paper's names, with the strengths of torchvision's TrivialAugmentWide, which gives the same pixels (tested against it).
# Angles are in degrees, translations in pixels.
OPERATIONS = {
    "Identity": Operation(lambda image, _: image),
    "ShearX": Operation(lambda image, strength: _moved(image, 1, strength, 0, 0, 1, 0), _even(0, 0.99), signed=True),
    "ShearY": Operation(lambda image, strength: _moved(image, 1, 0, 0, strength, 1, 0), _even(0, 0.99), signed=True),
    "TranslateX": Operation(lambda image, strength: _moved(image, 1, 0, -int(strength), 0, 1, 0), _even(0, 32), signed=True),
    "TranslateY": Operation(lambda image, strength: _moved(image, 1, 0, 0, 0, 1, -int(strength)), _even(0, 32), signed=True),
    "Rotate": Operation(lambda image, strength: image.rotate(strength), _even(0, 135), signed=True),
    "Brightness": _enhanced(ImageEnhance.Brightness),
    "Color": _enhanced(ImageEnhance.Color),
    "Contrast": _enhanced(ImageEnhance.Contrast),
    "Sharpness": _enhanced(ImageEnhance.Sharpness),
    # Bits that are left of each channel's eight.
    "Posterize": Operation(
        lambda image, strength: ImageOps.posterize(image, int(strength)), tuple(8 - round(bits) for bits in _even(0, 6))
    ),
    # Levels from here on are inverted.
    "Solarize": Operation(lambda image, strength: ImageOps.solarize(image, math.ceil(strength)), _even(255, 0)),
    "AutoContrast": Operation(lambda image, _: ImageOps.autocontrast(image)),
    "Equalize": Operation(lambda image, _: ImageOps.equalize(image)),
}
_LIST = tuple(OPERATIONS.values())
