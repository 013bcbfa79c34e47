"""Pictures that differ in a small place only, which tells their classes apart: a camera that stands still, and X-rays."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from support.folders import scene

SIZE = WIDTH, HEIGHT = 320, 240
LABELS = ("a", "b")


def camera_picture(label: str, part: float, generator: np.random.Generator, place: int = 7) -> Image.Image:
    """A scene (of each `place` another) with noise and an object anywhere, on `part` of it: an ellipse (a), a rectangle (b)."""
    image = scene(place, SIZE)
    side = round((WIDTH * HEIGHT * part) ** 0.5)
    left, upper = (int(generator.integers(0, length - side)) for length in SIZE)
    draw = ImageDraw.Draw(image)
    shape = draw.ellipse if label == "a" else draw.rectangle
    shape((left, upper, left + side, upper + side), tuple(int(level) for level in generator.integers(0, 255, 3)))
    return _noisy(np.asarray(image), generator)


def x_ray(label: str, generator: np.random.Generator) -> Image.Image:
    """A spine and ribs in a pose that varies a little; under label b with a bright spot."""
    (shift_x, shift_y), zoom = generator.normal(0, 0.02, 2), generator.normal(1, 0.03)
    y, x = np.mgrid[0:256, 0:256] / 256
    across, down = (x - 0.5) * zoom + 0.5 + shift_x, (y - 0.5) * zoom + 0.5 + shift_y
    ribs = 70 * np.cos(down * 40 + generator.normal(0, 0.6)) ** 2 * (np.abs(across - 0.5) < 0.35)
    levels = 10 + 170 * np.exp(-((across - 0.5) ** 2) / 0.02) + ribs
    if label == "b":
        spot_x, spot_y = generator.uniform(0.2, 0.8, 2)
        levels += 60 * np.exp(-((across - spot_x) ** 2 + (down - spot_y) ** 2) / 0.002)
    return _noisy(levels[..., None].repeat(3, 2), generator)


def _noisy(levels: np.ndarray, generator: np.random.Generator) -> Image.Image:  # type: ignore[type-arg]
    return Image.fromarray(np.clip(levels + generator.normal(0, 4, levels.shape), 0, 255).astype(np.uint8))
