"""The pictures of `strategies.py`: folders {train,validation,test}/<class>/*, of different kind and distance from ImageNet.

All are written anew, small enough to be decoded quickly, from a seed: another one deals other pictures to the splits.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageOps
from subset import find_pictures

from unfreeze.data.digits import write_digits

Draw = Callable[[str, np.random.Generator], Image.Image]
# The short side of what is written: `input.side_px: 96` is cut from it without much scaling.
_SIDE_PX = 112


@dataclass(frozen=True)
class DataSet:
    """Pictures to compare strategies on.

    Attributes:
        name: of its folder.
        words: what it is, for the table.
        train, validation, test: pictures of each class, or fewer to test on where there are no more.
        source: a folder below `--data`, or `digits`, or None where `draw` draws them.
        classes: their names, where they are drawn.
        change: what is done to each picture.
        side_px: of the network's input.
    """

    name: str
    words: str
    train: int
    validation: int
    test: int
    source: str | None = None
    classes: tuple[str, ...] = ()
    draw: Draw | None = None
    change: Callable[[Image.Image], Image.Image] = lambda picture: picture
    side_px: int = 96


def make_folder(data_set: DataSet, seed: int, data: Path, to: Path) -> Path:
    """The folder of these pictures, made once.

    Args:
        data: has clothing/ and bloodcells/.
        to: where it is made.
    """
    folder = to / f"{data_set.name}-{seed}"
    if folder.is_dir():
        return folder
    temporary = folder.with_name(f".{folder.name}")
    shutil.rmtree(temporary, ignore_errors=True)  # of a making that was cut off
    if data_set.draw is None:
        _deal(data_set, seed, _found(data_set, data, to), temporary)
    else:
        _draw(data_set, data_set.draw, seed, temporary)
    temporary.rename(folder)
    return folder


def _splits(data_set: DataSet) -> list[str]:
    """The split of each picture of a class. What is tested on comes last: where pictures lack, it lacks them."""
    return ["train"] * data_set.train + ["validation"] * data_set.validation + ["test"] * data_set.test


def _found(data_set: DataSet, data: Path, to: Path) -> dict[str, list[Path]]:
    """All pictures there are, by class."""
    if data_set.source == "digits":
        root = to / "digits"
        if not root.is_dir():
            write_digits(root, root)
        paths: Sequence[Path] = sorted(root.glob("*/*.png"))
    else:
        paths = sorted(path for _, path in find_pictures(data / str(data_set.source)))
    found: dict[str, list[Path]] = {}
    for path in paths:
        found.setdefault(path.parent.name, []).append(path)
    return found


def _deal(data_set: DataSet, seed: int, found: dict[str, list[Path]], folder: Path) -> None:
    generator = random.Random(f"{data_set.name} {seed}")
    for label, paths in sorted(found.items()):
        dealt = generator.sample(paths, min(len(paths), len(_splits(data_set))))
        for number, (split, path) in enumerate(zip(_splits(data_set), dealt, strict=False)):
            with Image.open(path) as picture:
                _save(data_set.change(_small(picture.convert("RGB"))), folder / split / label / f"{number:04d}.jpg")


def _draw(data_set: DataSet, draw: Draw, seed: int, folder: Path) -> None:
    for place, label in enumerate(data_set.classes):
        generator = np.random.default_rng([seed, place])
        for number, split in enumerate(_splits(data_set)):
            _save(draw(label, generator), folder / split / label / f"{number:04d}.jpg")


def _small(picture: Image.Image) -> Image.Image:
    scale = _SIDE_PX / min(picture.size)
    width, height = (max(_SIDE_PX, round(side * scale)) for side in picture.size)
    return picture.resize((width, height), Image.Resampling.BICUBIC) if scale < 1 else picture


def _save(picture: Image.Image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path, quality=95)


def _edges(picture: Image.Image) -> Image.Image:
    """Only the outlines, dark on white."""
    outlines = picture.convert("L").filter(ImageFilter.GaussianBlur(1)).filter(ImageFilter.FIND_EDGES)
    inner = outlines.crop((1, 1, outlines.width - 1, outlines.height - 1))  # the filter leaves a frame
    return ImageOps.invert(ImageOps.autocontrast(inner, cutoff=1)).convert("RGB")


# Orientation spread in radians (None is every way) and periods in pixels.
_TEXTURES: dict[str, tuple[float | None, float]] = {
    f"{words}-{period}": (spread, period)
    for words, spread in (("every-way", None), ("brushed", 0.5))
    for period in (5, 7, 10, 14)
}


def _draw_texture(label: str, generator: np.random.Generator) -> Image.Image:
    """Noise of one band of frequencies, in any direction or in one, in two colours."""
    spread, period = _TEXTURES[label]
    down, across = np.meshgrid(np.fft.fftfreq(_SIDE_PX), np.fft.fftfreq(_SIDE_PX), indexing="ij")
    centre = 1 / (period * np.exp(generator.normal(0, 0.1)))
    band = np.exp(-((np.hypot(down, across) - centre) ** 2) / (2 * (0.35 * centre) ** 2))
    if spread is not None:
        turned = np.arctan2(down, across) - generator.uniform(0, np.pi)
        band = band * np.exp(-(np.sin(turned) ** 2) / (2 * spread**2))
    noise = np.fft.ifft2(np.fft.fft2(generator.normal(size=band.shape)) * band).real
    return _coloured(noise / noise.std() / 4 + 0.5, generator, 30)


_CORNERS = {f"{kind}-{corners}": (kind, corners) for kind in ("polygon", "star") for corners in (3, 4, 5, 6)}


def _draw_shape(label: str, generator: np.random.Generator) -> Image.Image:
    """A polygon or star of any size, place and turn among strokes, in two colours."""
    kind, corners = _CORNERS[label]
    level = Image.new("L", (_SIDE_PX, _SIDE_PX), 0)
    pen = ImageDraw.Draw(level)
    radius = generator.uniform(18, 36)
    x, y = generator.uniform(radius, _SIDE_PX - radius, 2)
    number = corners * (2 if kind == "star" else 1)
    lengths = radius * generator.uniform(0.85, 1, number)
    if kind == "star":
        lengths[1::2] *= 0.55
    angles = (np.arange(number) / number + generator.uniform()) * 2 * np.pi
    pen.polygon([(x + r * np.cos(a), y + r * np.sin(a)) for r, a in zip(lengths, angles, strict=True)], fill=255)
    for _ in range(8):
        ends = generator.uniform(0, _SIDE_PX, 4)
        pen.line(tuple(ends), fill=int(generator.integers(0, 256)), width=int(generator.integers(1, 4)))
    return _coloured(np.asarray(level, np.float64) / 255, generator, 20)


def _coloured(level: NDArray[np.float64], generator: np.random.Generator, noise: float) -> Image.Image:
    """Levels in about 0–1 as a mixture of two colours that differ, under noise."""
    ground, ink = generator.uniform(0, 255, 3), generator.uniform(0, 255, 3)
    while np.abs(ground - ink).sum() < 150:
        ink = generator.uniform(0, 255, 3)
    values = ground + level[..., None] * (ink - ground) + generator.normal(0, noise, (*level.shape, 3))
    return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))


# fmt: off
DATA_SETS = {one.name: one for one in (
    DataSet("clothing",        "photographs of clothes",                 30, 5,  60, "clothing"),
    DataSet("clothing-tiny",   "the same, very few",                      8, 2,  60, "clothing"),
    DataSet("clothing-edges",  "their outlines only",                    20, 4,  60, "clothing", change=_edges),
    DataSet("bloodcells",      "blood cells under a microscope",         40, 7, 240, "bloodcells"),
    DataSet("bloodcells-tiny", "the same, very few",                     10, 3, 240, "bloodcells"),
    DataSet("digits",          "handwritten digits",                     16, 3, 120, "digits", side_px=64),
    DataSet("textures",        "drawn: noise of a period and direction", 25, 4,  75, None, tuple(_TEXTURES), _draw_texture),
    DataSet("shapes",          "drawn: polygons and stars among strokes", 25, 4, 75, None, tuple(_CORNERS), _draw_shape),
)}
# fmt: on
