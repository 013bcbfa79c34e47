"""The look of pictures, by numbers that can be worked out."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageFilter

from support.folders import scene
from unfreeze.data.look import SIDE_PX, Look, look_at


def grey(levels: np.ndarray) -> np.ndarray:
    return np.repeat(levels.astype(np.uint8)[:, :, None], 3, axis=2)


def test_of_one_level() -> None:
    look = look_at(grey(np.full((50, 60), 51)))
    assert look == Look(pytest.approx(0.2, abs=0.003), pytest.approx(0.2, abs=0.003), pytest.approx(0, abs=0.005), None)


def test_of_two_levels() -> None:
    levels = np.zeros((100, 100))
    levels[:, 50:] = 255
    look = look_at(grey(levels))
    assert (look.darkest, look.brightest, look.spread, look.sharpness) == pytest.approx((0, 1, 1, 1), abs=0.01)


def test_few_pixels_count_for_nothing() -> None:
    levels = np.full((100, 100), 20)
    levels[:1, :4] = 255  # 0.04 %
    assert look_at(grey(levels)).spread < 0.01
    levels[:1, :15] = 255  # 0.15 %
    assert look_at(grey(levels)).spread > 0.9
    assert look_at(grey(levels)).brightest < 0.1
    levels[:2] = 255  # 2 %
    assert look_at(grey(levels)).brightest > 0.9
    levels[:6] = 0
    assert look_at(grey(levels)).darkest < 0.01


def test_a_slope_has_no_edge() -> None:
    assert look_at(grey(np.tile(np.arange(0, 250, 2), (100, 1)))).sharpness == pytest.approx(1 / 8, abs=0.03)


def test_too_small_for_edges() -> None:
    assert look_at(grey(np.eye(31) * 255)).sharpness is None
    assert look_at(grey(np.eye(32) * 255)).sharpness is not None


def test_too_empty_for_edges() -> None:
    levels = np.zeros((200, 200))
    levels[40:45, 50:55] = levels[140:145, 90:95] = 200  # sharp, and no neighbours differ in 99.9 % of the picture
    assert look_at(grey(levels)).sharpness is None
    levels[20:180:20] = 200
    assert look_at(grey(levels)).sharpness == pytest.approx(1, abs=0.01)


def test_sharpness_falls_with_blur_and_not_with_contrast() -> None:
    image = scene(1, (SIDE_PX, SIDE_PX))
    falling = [look_at(np.asarray(image.filter(ImageFilter.GaussianBlur(radius)))).sharpness or 0 for radius in (0, 1, 2, 4)]
    assert falling[0] > 0.5
    assert falling == sorted(falling, reverse=True)
    assert falling[2] < 0.23
    weak = Image.blend(image, Image.new("RGB", image.size, (128, 128, 128)), 0.7)
    assert look_at(np.asarray(weak)).sharpness == pytest.approx(falling[0], abs=0.1)


def test_large_pictures_are_seen_at_the_size_of_networks() -> None:
    small = scene(2, (SIDE_PX, SIDE_PX)).filter(ImageFilter.GaussianBlur(2))
    large = small.resize((4 * SIDE_PX, 4 * SIDE_PX), Image.Resampling.BICUBIC)
    assert look_at(np.asarray(large)).sharpness == pytest.approx(look_at(np.asarray(small)).sharpness, abs=0.03)
