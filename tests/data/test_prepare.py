"""The pixels a network gets in evaluation are, one by one, those of timm's evaluation transform."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from PIL import Image
from timm.data import create_transform

from support.folders import noisy_pixels
from unfreeze.data import prepare as module
from unfreeze.data.prepare import FILTERS, prepare
from unfreeze.recipe.network import InputContract

MEANS = [(0.485, 0.456, 0.406), (0.5, 0.5, 0.5), (0.0, 1.0, 0.25)]


def picture(width: int, height: int) -> Image.Image:
    return Image.fromarray(noisy_pixels((120, 130, 110), (width, height), seed=width * 1000 + height))


def timm_pixels(image: Image.Image, contract: InputContract) -> np.ndarray:
    transform = create_transform(
        input_size=(3, contract.side_px, contract.side_px),
        interpolation=contract.interpolation,
        crop_pct=contract.crop_fraction,
        crop_mode=contract.crop_mode,
        mean=contract.mean,
        std=contract.std,
        is_training=False,
        normalize=False,
    )
    return transform(image).permute(1, 2, 0).numpy()


def assert_equal_to_timm(image: Image.Image, contract: InputContract) -> None:
    prepared = prepare(image, contract)
    assert prepared.dtype == np.uint8
    assert prepared.shape == (contract.side_px, contract.side_px, 3)
    np.testing.assert_array_equal(prepared, timm_pixels(image, contract))


@pytest.mark.parametrize("mode", ["center", "squash", "border"])
@pytest.mark.parametrize("fraction", [1.0, 0.95, 0.875, 0.5])
@pytest.mark.parametrize("side", [32, 45])
@pytest.mark.parametrize("size", [(32, 32), (45, 45), (64, 48), (48, 64), (101, 37), (37, 101), (13, 8), (200, 199), (9, 90)])
def test_same_pixels_as_timm(mode: Any, fraction: float, side: int, size: tuple[int, int]) -> None:
    assert_equal_to_timm(picture(*size), InputContract(side_px=side, crop_fraction=fraction, crop_mode=mode))


@pytest.mark.parametrize("interpolation", FILTERS)
@pytest.mark.parametrize("mode", ["center", "squash", "border"])
def test_same_pixels_as_timm_by_every_filter(interpolation: Any, mode: Any) -> None:
    contract = InputContract(side_px=32, interpolation=interpolation, crop_mode=mode)
    assert_equal_to_timm(picture(77, 51), contract)
    assert_equal_to_timm(picture(21, 30), contract)


@pytest.mark.parametrize("mean", MEANS)
def test_border_is_padded_with_the_mean_colour_like_timm(mean: tuple[float, float, float]) -> None:
    contract = InputContract(side_px=32, crop_fraction=1.0, crop_mode="border", mean=mean)
    assert_equal_to_timm(picture(60, 31), contract)
    assert prepare(picture(60, 31), contract)[0, 0].tolist() == [round(255 * value) for value in mean]


@given(
    width=some.integers(2, 120),
    height=some.integers(2, 120),
    side=some.integers(8, 60),
    fraction=some.floats(0.4, 1.0),
    mode=some.sampled_from(["center", "squash", "border"]),
    mean=some.sampled_from(MEANS),
)
@settings(max_examples=150, deadline=None, derandomize=True)
def test_same_pixels_as_timm_at_any_size(
    width: int, height: int, side: int, fraction: float, mode: Any, mean: tuple[float, float, float]
) -> None:
    # Below half a pixel timm's border mode fails; there is nothing to compare with.
    if mode == "border" and min(width, height) * side < max(width, height):
        return
    contract = InputContract(side_px=side, crop_fraction=fraction, crop_mode=mode, mean=mean)
    assert_equal_to_timm(picture(width, height), contract)


def test_a_real_size() -> None:
    for mode in ("center", "squash", "border"):
        assert_equal_to_timm(picture(500, 375), InputContract(side_px=224, crop_fraction=0.875, crop_mode=mode))


def test_a_line_of_pixels_survives_border_mode() -> None:
    prepared = prepare(picture(500, 1), InputContract(side_px=16, crop_fraction=1.0, crop_mode="border"))
    assert prepared.shape == (16, 16, 3)
    assert (prepared != prepared[0, 0]).any(axis=(1, 2)).sum() == 1, "one row of picture in the padding"


@pytest.mark.parametrize("size", [(3, 400), (400, 3), (6, 301)])
def test_long_thin_pictures_are_cut_before_they_are_resized(size: tuple[int, int], monkeypatch: Any) -> None:
    contract = InputContract(side_px=32)
    whole = prepare(picture(*size), contract).astype(int)
    monkeypatch.setattr(module, "_LARGEST_RESIZED_PIXELS", 0)
    assert np.abs(prepare(picture(*size), contract) - whole).max() <= 1


def test_an_extremely_thin_picture_does_not_fill_the_memory() -> None:
    # Whole, it would be resized to 256 × 25,600,000 pixels.
    image = Image.new("RGB", (1, 100_000), (10, 200, 30))
    assert (prepare(image, InputContract(side_px=224)) == (10, 200, 30)).all()
