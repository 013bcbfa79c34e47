"""Random erasing: noise in one box, nothing else touched."""

from __future__ import annotations

import numpy as np
import pytest

from unfreeze.data.augment import augment, view_generator
from unfreeze.data.erase import AREAS, ASPECTS, erase
from unfreeze.recipe.network import InputContract
from unfreeze.recipe.recipe import Augment

GREY = np.full((60, 60, 3), 150, np.uint8)


def erased_box(pixels: np.ndarray) -> tuple[int, int, int, int]:
    rows, columns = np.nonzero((pixels != GREY).any(axis=2))
    return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1


def test_a_box_of_the_sizes_of_the_paper_is_noise_and_the_rest_as_it_was() -> None:
    generator = np.random.default_rng(0)
    parts, aspects, levels = [], [], []
    for _ in range(300):
        left, top, right, bottom = box = erased_box(pixels := erase(GREY, generator))
        outside = np.ones((60, 60), bool)
        outside[top:bottom, left:right] = False
        assert (pixels[outside] == 150).all()
        parts.append((right - left) * (bottom - top) / 3600)
        aspects.append((right - left) / (bottom - top))
        levels.append(pixels[top:bottom, left:right].ravel())
        assert min(box) >= 0
        assert max(box) <= 60
    assert (GREY == 150).all(), "the picture itself stays"
    assert AREAS[0] * 0.8 <= min(parts) < 0.03
    assert 0.30 < max(parts) <= AREAS[1] * 1.05
    assert ASPECTS[0] * 0.8 <= min(aspects) < 0.4
    assert 2.5 < max(aspects) <= ASPECTS[1] * 1.2
    noise = np.concatenate(levels)
    assert (noise.min(), noise.max()) == (0, 255)
    assert noise.mean() == pytest.approx(127.5, abs=0.5)
    assert noise.std() == pytest.approx(73.9, abs=0.5), "even on 0–255"


def test_no_box_fits_a_line() -> None:
    line = np.full((1, 60, 3), 9, np.uint8)
    assert (erase(line, np.random.default_rng(0)) == 9).all()


def test_the_part_of_the_views_that_was_asked_for_and_the_others_as_without() -> None:
    contract, off = InputContract(side_px=24), {"crop_min_area": 1.0, "rotation_degrees": 0.0, "jitter": 0.2}

    def view(number: int, erasing: float) -> np.ndarray:
        return augment(GREY, contract, Augment(**off, erasing=erasing), view_generator(0, "3", number))

    for asked, least, most in ((0.25, 68, 132), (1.0, 400, 400)):
        # Of 400, in 4 standard deviations; a view that isn't erased is the view without erasing.
        assert least <= sum(bool((view(number, asked) != view(number, 0)).any()) for number in range(400)) <= most
