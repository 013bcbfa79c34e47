"""The pixels a network gets in evaluation are, one by one, those of timm's evaluation transform."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as some
from PIL import Image
from timm.data import create_transform
from torchvision.transforms.v2 import functional

from support.folders import noisy_pixels
from unfreeze.data import prepare as module
from unfreeze.data.picture import HAS_FAST_RESIZE
from unfreeze.data.prepare import FILTERS, prepare, resize, short_side
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


@pytest.fixture(params=["fast", "pillow"])
def resizer(request: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once with the fast resize, once as on machines that lack it."""
    if request.param == "pillow":
        monkeypatch.setattr(module, "_FAST_FILTERS", {})
    elif not HAS_FAST_RESIZE:
        pytest.skip("cykooz-resizer isn't installed")


def assert_equal_to_timm(image: Image.Image, contract: InputContract) -> None:
    prepared = prepare(image, contract)
    assert prepared.dtype == np.uint8
    assert prepared.shape == (contract.side_px, contract.side_px, 3)
    differences = np.abs(prepared.astype(int) - timm_pixels(image, contract))
    if contract.interpolation not in module._FAST_FILTERS:
        assert not differences.any()
    assert differences.max() <= 1
    # In tall pictures Pillow may go down first: another order, another rounding.
    part = 0.02 if image.width >= image.height else 0.3
    assert (differences > 0).sum() <= part * differences.size + 10  # a few more than their part in a picture of a few


@pytest.mark.usefixtures("resizer")
@pytest.mark.parametrize("mode", ["center", "squash", "border"])
@pytest.mark.parametrize("fraction", [1.0, 0.95, 0.875, 0.5])
@pytest.mark.parametrize("side", [32, 45])
@pytest.mark.parametrize("size", [(32, 32), (45, 45), (64, 48), (48, 64), (101, 37), (37, 101), (13, 8), (200, 199), (9, 90)])
def test_same_pixels_as_timm(mode: Any, fraction: float, side: int, size: tuple[int, int]) -> None:
    assert_equal_to_timm(picture(*size), InputContract(side_px=side, crop_fraction=fraction, crop_mode=mode))


@pytest.mark.usefixtures("resizer")
@pytest.mark.parametrize("interpolation", FILTERS)
@pytest.mark.parametrize("mode", ["center", "squash", "border"])
def test_same_pixels_as_timm_by_every_filter(interpolation: Any, mode: Any) -> None:
    contract = InputContract(side_px=32, interpolation=interpolation, crop_mode=mode)
    assert_equal_to_timm(picture(77, 51), contract)
    assert_equal_to_timm(picture(21, 30), contract)


@pytest.mark.usefixtures("resizer")
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


@pytest.mark.usefixtures("resizer")
def test_a_real_size() -> None:
    for mode in ("center", "squash", "border"):
        assert_equal_to_timm(picture(500, 375), InputContract(side_px=224, crop_fraction=0.875, crop_mode=mode))


@pytest.mark.usefixtures("resizer")
def test_a_line_of_pixels_survives_border_mode() -> None:
    prepared = prepare(picture(500, 1), InputContract(side_px=16, crop_fraction=1.0, crop_mode="border"))
    assert prepared.shape == (16, 16, 3)
    assert (prepared != prepared[0, 0]).any(axis=(1, 2)).sum() == 1, "one row of picture in the padding"


@pytest.mark.parametrize("size", [(3, 400), (400, 3), (6, 301)])
def test_long_thin_pictures_are_cut_before_they_are_resized(size: tuple[int, int], monkeypatch: Any) -> None:
    contract = InputContract(side_px=32)
    monkeypatch.setattr(module, "_FAST_FILTERS", {})
    whole = prepare(picture(*size), contract).astype(int)
    monkeypatch.setattr(module, "_LARGEST_RESIZED_PIXELS", 0)
    assert np.abs(prepare(picture(*size), contract) - whole).max() <= 1


@pytest.mark.usefixtures("resizer")
def test_an_extremely_thin_picture_does_not_fill_the_memory() -> None:
    # Whole, it would be resized to 256 × 25,600,000 pixels.
    image = Image.new("RGB", (1, 100_000), (10, 200, 30))
    assert (prepare(image, InputContract(side_px=224)) == (10, 200, 30)).all()


def test_an_array_and_a_pillow_image_are_the_same_picture() -> None:
    image, contract = picture(60, 40), InputContract(side_px=32)
    assert (prepare(image, contract) == prepare(np.asarray(image), contract)).all()


@pytest.mark.usefixtures("resizer")
@pytest.mark.parametrize("interpolation", FILTERS)
def test_resize_of_a_box_takes_neighbours_from_outside_it(interpolation: str) -> None:
    pixels = np.asarray(picture(60, 40))
    box = (7, 5, 47, 35)
    by_pillow = np.asarray(Image.fromarray(pixels).resize((20, 16), FILTERS[interpolation], box)).astype(int)
    assert np.abs(resize(pixels, (20, 16), interpolation, box) - by_pillow).max() <= 1
    assert resize(pixels, (20, 16), interpolation).shape == (16, 20, 3)


@pytest.mark.usefixtures("resizer")
def test_resize_goes_across_first() -> None:
    # Black and white, so that what is cut to 0–255 between the passes is many levels.
    pixels = np.random.default_rng(0).integers(0, 2, (60, 80, 3)).astype(np.uint8) * 255
    image, bicubic = Image.fromarray(pixels), Image.Resampling.BICUBIC
    across_first = image.resize((50, 60), bicubic).resize((50, 38), bicubic)
    assert np.abs(resize(pixels, (50, 38), "bicubic") - np.asarray(across_first).astype(int)).max() <= 2


@pytest.mark.skipif(not HAS_FAST_RESIZE, reason="cykooz-resizer isn't installed")
@pytest.mark.skipif("AVX" not in torch.backends.cpu.get_cpu_capability(), reason="torch's own path for bytes needs AVX2")
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_resize_gives_the_bytes_of_torchvision(interpolation: str) -> None:
    generator = np.random.default_rng(0)
    mode = functional.InterpolationMode(interpolation)
    for _ in range(60):
        width, height, new_width, new_height = (int(length) for length in generator.integers(5, 90, 4))
        pixels = generator.integers(0, 256, (height, width, 3)).astype(np.uint8)
        image = torch.from_numpy(pixels).permute(2, 0, 1)
        expected = functional.resize(image, [new_height, new_width], mode, antialias=True).permute(1, 2, 0).numpy()
        assert (resize(pixels, (new_width, new_height), interpolation) == expected).all()


def test_short_side() -> None:
    assert short_side(InputContract(side_px=224)) == 256
    assert short_side(InputContract(side_px=224, crop_fraction=0.9)) == 248
    assert short_side(InputContract(side_px=32, crop_fraction=1.0)) == 32
