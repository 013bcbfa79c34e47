"""Near-identical pictures: every way a copy comes about is found, nothing else is joined."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from support.folders import scene
from support.still_camera import LABELS, camera_picture, x_ray
from unfreeze.data.alignment import standardised, unexplained, unexplained_when_aligned
from unfreeze.data.likeness import Likeness, find_alike
from unfreeze.data.picture import examine
from unfreeze.data.thumbnail import BYTES, colour_of, luma_of, make_thumbnail, stack

COUNT = 40
NONE = Likeness((), ())


def thumbnail(image: Image.Image, format: str = "JPEG", **saving: int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **saving)
    return examine(buffer.getvalue(), "x").thumbnail


def cropped(image: Image.Image, left: float, upper: float, right: float, lower: float) -> Image.Image:
    width, height = image.size
    return image.crop((round(left * width), round(upper * height), round((1 - right) * width), round((1 - lower) * height)))


SCENES = [scene(seed) for seed in range(COUNT)]
ORIGINALS = [thumbnail(image, quality=95) for image in SCENES]
COPIES: dict[str, Callable[[Image.Image], bytes]] = {
    "as another format": lambda image: thumbnail(image, "PNG"),
    "at quality 50": lambda image: thumbnail(image, quality=50),
    "half as large": lambda image: thumbnail(image.resize((160, 120)), quality=90),
    "twice as large": lambda image: thumbnail(image.resize((640, 480)), quality=90),
    "of odd size": lambda image: thumbnail(image.resize((301, 217)), quality=90),
    "squeezed": lambda image: thumbnail(image.resize((224, 224)), quality=90),
    "darker": lambda image: thumbnail(ImageEnhance.Brightness(image).enhance(0.8), quality=90),
    "brighter": lambda image: thumbnail(ImageEnhance.Brightness(image).enhance(1.2), quality=90),
    "cropped by 5 % on one side": lambda image: thumbnail(cropped(image, 0.05, 0, 0, 0), quality=90),
    "cropped by 3 % on every side": lambda image: thumbnail(cropped(image, 0.03, 0.03, 0.03, 0.03), quality=90),
    "all at once": lambda image: thumbnail(
        ImageEnhance.Brightness(cropped(image, 0.02, 0.03, 0, 0.01)).enhance(0.85).resize((224, 224)), quality=60
    ),
}


def test_different_pictures_are_not_joined() -> None:
    assert find_alike(tuple(ORIGINALS)) == NONE


@pytest.mark.parametrize("way", COPIES)
def test_copies_are_found_and_nothing_else(way: str) -> None:
    copies = [COPIES[way](image) for image in SCENES]
    found = find_alike((*ORIGINALS, *copies))
    pairs = {(number, number + COUNT) for number in range(COUNT)}
    # An edge that was cropped away, or colours that became white, can look like another thing in one place.
    assert pairs >= {*found.copies, *found.scenes}
    assert len(found.copies) >= COUNT * 0.9


@pytest.mark.parametrize(
    "change",
    [
        lambda image: cropped(image, 0.25, 0.25, 0.25, 0.25),
        lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        lambda image: Image.merge("RGB", image.split()[::-1]),
    ],
    ids=["cropped by half", "mirrored", "of other colours"],
)
def test_pictures_made_from_another_that_show_something_else(change: Callable[[Image.Image], Image.Image]) -> None:
    changed = [thumbnail(change(image), quality=95) for image in SCENES]
    assert find_alike((*ORIGINALS, *changed)) == NONE


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("way", ["1 %", "2 %", "4 %", "10 %", "X-rays"])
def test_pictures_that_differ_in_a_small_place_are_no_copies(way: str, seed: int) -> None:
    generator = np.random.default_rng(seed)
    labels = LABELS * 15
    if way == "X-rays":
        images = [x_ray(label, generator) for label in labels]
    else:
        images = [camera_picture(label, int(way[:-2]) / 100, generator, place=7 + seed) for label in labels]
    found = find_alike(tuple(make_thumbnail(np.asarray(image)) for image in images))
    assert found.copies == ()
    if way in ("1 %", "X-rays"):
        assert max(map(len, found.scenes)) >= 10


def test_copies_are_found_beside_a_scene() -> None:
    generator = np.random.default_rng(0)
    still = [make_thumbnail(np.asarray(camera_picture(label, 0.01, generator, place=100))) for label in LABELS * 5]
    copies = [COPIES["all at once"](image) for image in SCENES]
    alone, found = find_alike((*ORIGINALS, *copies)), find_alike((*ORIGINALS, *copies, *still))
    assert len(alone.copies) >= COUNT * 0.9
    assert found.copies == alone.copies
    assert all(set(scene) <= set(range(2 * COUNT, 2 * COUNT + 10)) for scene in set(found.scenes) - set(alone.scenes))
    assert len(found.scenes) > len(alone.scenes)


@pytest.mark.parametrize("factor", [0.5, 0.7, 0.8])
def test_darker_copies_of_strong_colours_are_found(factor: float) -> None:
    colours = [Image.new("RGB", SCENES[0].size, colour) for colour in ((230, 20, 20), (20, 230, 20), (20, 20, 230))]
    masks = [image.convert("L").point(lambda level: min(255, level + 60)) for image in SCENES[:12]]
    strong = [Image.composite(colours[number % 3], SCENES[number + 12], mask) for number, mask in enumerate(masks)]
    originals = [thumbnail(image, quality=90) for image in strong]
    copies = [thumbnail(ImageEnhance.Brightness(image).enhance(factor), quality=90) for image in strong]
    found = find_alike((*originals, *copies))
    assert np.square(colour_of(stack(originals)) - colour_of(stack(copies))).mean() > 10**2
    assert {(number, number + 12) for number in range(12)} >= set(found.copies)
    assert len(found.copies) >= 11


def test_clusters_are_chains() -> None:
    steps = [thumbnail(cropped(SCENES[0], 0.02 * step, 0, 0, 0), quality=95) for step in range(6)]
    found = find_alike((ORIGINALS[1], *steps, b"", ORIGINALS[2], ORIGINALS[1]))
    assert found == Likeness(copies=((0, 9), (1, 2, 3, 4, 5, 6)), scenes=())


def test_a_thousand_copies_hide_nothing() -> None:
    noise = np.random.default_rng(0).integers(-1, 2, (1000, BYTES))
    copies = [bytes(row) for row in np.clip(stack([ORIGINALS[0]]) + noise, 0, 255).astype(np.uint8)]
    found = find_alike((*ORIGINALS[1:], *copies, *[copies[0]] * 500, COPIES["at quality 50"](SCENES[5])))
    # More than half of all pictures: what they are like.
    assert found == Likeness(copies=((4, COUNT + 1499),), scenes=(tuple(range(COUNT - 1, COUNT + 1499)),))


def test_pictures_that_tell_nothing_are_like_no_other() -> None:
    plain = [thumbnail(Image.new("RGB", (64, 64), (shade, shade, shade))) for shade in (0, 100, 100, 255)]
    slopes = [thumbnail(Image.linear_gradient("L").convert("RGB"), quality=quality) for quality in (60, 90)]
    assert find_alike((*plain, *slopes)) == NONE
    assert find_alike(()) == find_alike((b"",)) == find_alike((b"", b"", ORIGINALS[0])) == NONE


def test_noise_alone_is_told_apart() -> None:
    noise = np.random.default_rng(0).integers(100, 141, (200, 32, 32, 3), np.uint8)
    assert find_alike(tuple(make_thumbnail(pixels) for pixels in noise)) == NONE


class TestAlignment:
    def test_brightness_contrast_shift_and_zoom_are_allowed_for(self) -> None:
        positions = np.arange(16, dtype=np.float32)
        waves = lambda shift, zoom: np.sin((positions[:, None] * zoom + shift) / 2.5) * np.cos(positions / 3)  # noqa: E731
        first, other = (standardised(picture[None]) for picture in (waves(0, 1), 40 + 3 * waves(0.6, 1.05)))
        assert unexplained(first, first).mean() < 1e-9
        assert np.square(first - other).mean() > 0.02
        assert unexplained_when_aligned(first, other).mean() < 0.001
        assert unexplained_when_aligned(other, first).mean() < 0.001

    def test_noise_explains_no_other_noise(self) -> None:
        noise = standardised(np.random.default_rng(0).standard_normal((2, 100, 16, 16), np.float32).reshape(200, 16, 16))
        assert unexplained(noise[:100], noise[100:]).mean((1, 2)).min() > 0.8


class TestThumbnail:
    def test_is_luma_and_coarse_colour(self) -> None:
        pixels = np.zeros((40, 60, 3), np.uint8)
        pixels[:, 30:] = (255, 0, 0)
        made = make_thumbnail(pixels)
        assert len(made) == BYTES == 288
        (luma,), (colour,) = luma_of(stack([made])), colour_of(stack([made]))
        assert (luma[:, :7] == 0).all()
        assert (luma[:, 9:] == 76).all()
        assert colour.reshape(2, 4, 4)[:, :, 0].tolist() == [[0] * 4] * 2
        assert colour.reshape(2, 4, 4)[:, :, 3].tolist() == [[-44] * 4, [127] * 4]

    @pytest.mark.parametrize("size", [(320, 240), (301, 217), (90, 70), (33, 40)])
    def test_is_the_same_from_a_part_of_a_jpeg(self, size: tuple[int, int]) -> None:
        image = scene(0, size)
        whole, part = make_thumbnail(np.asarray(image)), thumbnail(image, quality=100, subsampling=0)
        assert np.abs(luma_of(stack([whole])) - luma_of(stack([part]))).max() <= 6
