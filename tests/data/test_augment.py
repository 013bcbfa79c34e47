"""Random views: each a value of (seed, picture, view), each option seen to do what it says and nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from support.folders import noisy_pixels
from unfreeze.data.augment import augment, view_generator
from unfreeze.data.prepare import prepare
from unfreeze.recipe.network import InputContract
from unfreeze.recipe.recipe import Augment

CONTRACT = InputContract(side_px=24, crop_fraction=1.0)
OFF: dict[str, Any] = {"crop_min_area": 1, "flip": False, "rotation_degrees": 0, "jitter": 0}
PICTURE = noisy_pixels((120, 100, 80), (40, 30), seed=1)


def view(
    number: int, image: np.ndarray | Image.Image = PICTURE, contract: InputContract = CONTRACT, **options: Any
) -> np.ndarray:
    return augment(np.asarray(image), contract, Augment(**{**OFF, **options}), view_generator(0, "3", number))


def test_all_off_is_the_evaluation_picture() -> None:
    for mode in ("center", "squash", "border"):
        contract = InputContract(side_px=24, crop_mode=mode)
        assert (view(0, contract=contract) == prepare(PICTURE, contract)).all()


def test_a_view_is_a_value() -> None:
    settings = Augment()
    first = augment(PICTURE, CONTRACT, settings, view_generator(1, "2", 3))
    assert first.dtype == np.uint8
    assert first.shape == (24, 24, 3)
    assert (first == augment(PICTURE, CONTRACT, settings, view_generator(1, "2", 3))).all()
    for other in ((0, "2", 3), (1, "0", 3), (1, "2", 0), (1, "3", 2)):
        assert (first != augment(PICTURE, CONTRACT, settings, view_generator(*other))).any(), other


def test_flip_mirrors_half_of_the_views() -> None:
    plain = prepare(PICTURE, CONTRACT)
    mirrored = [bool((view(number, flip=True) == plain[:, ::-1]).all()) for number in range(200)]
    assert all((view(number, flip=True) == plain).all() for number in range(200) if not mirrored[number])
    assert 70 <= sum(mirrored) <= 130


def test_rotation_turns_about_the_centre_within_the_angle() -> None:
    plain = prepare(PICTURE, CONTRACT)
    turned = [view(number, rotation_degrees=5) for number in range(50)]
    assert all((values != plain).any() for values in turned)
    # 5 degrees move a point 6 pixels from the centre by half a pixel: a block of one colour stays whole there.
    block = np.zeros((24, 24, 3), np.uint8)
    block[6:18, 6:18] = 200
    for number in range(50):
        values = view(number, block, rotation_degrees=5)
        assert (values[8:16, 8:16] == 200).all()
        assert (values[:4] == 0).all()
    corners = {tuple(view(number, np.full((24, 24, 3), 255, np.uint8), rotation_degrees=45)[0, 0]) for number in range(20)}
    assert (0, 0, 0) in corners, "what was outside is black"


def test_jitter_stays_within_its_factor() -> None:
    grey = Image.new("RGB", (24, 24), (100, 100, 100))
    levels = {int(view(number, grey, jitter=0.2)[0, 0, 0]) for number in range(200)}
    # Contrast and colour do nothing to one flat grey.
    assert min(levels) in range(80, 84)
    assert max(levels) in range(117, 121)


def test_jitter_changes_colour_and_contrast() -> None:
    values = np.stack([view(number, jitter=0.5) for number in range(50)]).astype(float)
    saturation = (values.max(axis=3) - values.min(axis=3)).mean(axis=(1, 2))
    contrast = values.std(axis=(1, 2, 3))
    assert saturation.max() > 1.5 * saturation.min()
    assert contrast.max() > 1.5 * contrast.min()


def test_random_crop_shows_at_least_the_part_asked_for() -> None:
    # Red is the column and green the row, so that a view tells which part it shows.
    columns, rows = np.meshgrid(np.arange(200), np.arange(150))
    image = Image.fromarray(np.stack([columns, rows, 0 * rows], axis=2).astype(np.uint8))
    contract = InputContract(side_px=24, interpolation="nearest")
    lefts, areas = [], []
    for number in range(300):
        shown = view(number, image, contract, crop_min_area=0.25).astype(float)
        width, height = (np.ptp(shown[:, :, channel]) * 24 / 23 for channel in (0, 1))
        areas.append(width * height / (200 * 150))
        lefts.append(shown[0, 0, 0])
        assert 0.7 <= width / height <= 1.42, "an aspect of 3/4 to 4/3"
    assert min(areas) >= 0.22
    assert max(areas) > 0.8
    assert min(lefts) < 10
    assert max(lefts) > 80


@pytest.mark.parametrize("size", [(300, 6), (6, 300), (1, 1), (1, 50)])
def test_random_crop_of_extreme_pictures(size: tuple[int, int]) -> None:
    image = Image.new("RGB", size, (9, 99, 200))
    for number in range(20):
        assert (view(number, image, crop_min_area=0.9) == (9, 99, 200)).all()


def test_centre_square_where_no_crop_fits() -> None:
    strip = np.zeros((10, 100, 3), np.uint8)
    strip[:, 45:55] = (250, 150, 50)
    contract = InputContract(side_px=24, interpolation="nearest")
    assert (view(0, Image.fromarray(strip), contract, crop_min_area=0.9) == (250, 150, 50)).all()


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic", "lanczos", "box", "hamming"])
def test_random_crop_uses_the_filter_of_the_contract(interpolation: Any) -> None:
    black_and_white = Image.fromarray(noisy_pixels((120, 120, 120), (64, 64)) // 128 * 255)
    contract = InputContract(side_px=24, interpolation=interpolation)
    levels = np.unique(view(0, black_and_white, contract, crop_min_area=0.9))
    assert (len(levels) == 2) == (interpolation == "nearest")
