"""Folders of toy pictures, made on the spot: classes differ by colour, pictures of one class by seeded noise."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Colour = tuple[int, int, int]

# Far apart in every pair, so that a tiny network tells them apart within an epoch or two.
COLOURS: tuple[Colour, ...] = (
    (210, 40, 40),
    (40, 60, 210),
    (40, 190, 60),
    (220, 210, 50),
    (160, 50, 190),
    (60, 200, 210),
    (235, 235, 235),
    (25, 25, 25),
)
_NOISE = 20


def noisy_pixels(colour: Colour, size: tuple[int, int], seed: int = 0) -> NDArray[np.uint8]:
    """uint8 [height, width, 3], RGB, 0–255: `colour` with seeded noise of ± 20 levels; `size` is (width, height)."""
    width, height = size
    noise = np.random.default_rng(seed).integers(-_NOISE, _NOISE + 1, (height, width, 3))
    return np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)


def scene(seed: int, size: tuple[int, int] = (320, 240)) -> Image.Image:
    """A picture with coarse shapes, edges and fine detail as a photograph has; of each seed another. `size`: width, height."""
    random = np.random.default_rng(seed)
    coarse = Image.fromarray(random.integers(30, 226, (6, 8, 3), np.uint8)).resize(size, Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(coarse)
    for _ in range(12):
        left, upper = random.uniform(0, 0.9, 2) * size
        width, height = random.uniform(0.05, 0.3, 2) * size
        draw.rectangle((left, upper, left + width, upper + height), tuple(int(level) for level in random.integers(0, 256, 3)))
    return coarse


def scene_folder(root: Path, counts: Mapping[str, int], first_seed: int = 0) -> Path:
    """Writes `root/<class or split/class>/<number>.jpg`, a scene each, none like another."""
    seed = first_seed
    for label, count in counts.items():
        (root / label).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            scene(seed).save(root / label / f"{number:03d}.jpg", quality=90)
            seed += 1
    return root


def write_picture(
    path: Path, colour: Colour = COLOURS[0], size: tuple[int, int] = (32, 32), seed: int = 0, **saving: Any
) -> Path:
    """Writes a picture of `noisy_pixels`, in the format of the path's ending, with the folders it needs.

    Args:
        saving: for Pillow's `save`, for example `quality` or `exif`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(noisy_pixels(colour, size, seed)).save(path, **saving)
    return path


def class_folder(
    root: Path, counts: Mapping[str, int], size: tuple[int, int] = (32, 32), ending: str = ".png", first_seed: int = 0
) -> Path:
    """Writes `root/<class>/<number><ending>`, `counts[class]` of each, no two alike; 0 makes an empty folder."""
    seed = first_seed
    for colour, (label, count) in enumerate(counts.items()):
        (root / label).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            write_picture(root / label / f"{number:03d}{ending}", COLOURS[colour % len(COLOURS)], size, seed)
            seed += 1
    return root


def split_folder(
    root: Path, counts: Mapping[str, Mapping[str, int]], size: tuple[int, int] = (32, 32), ending: str = ".png"
) -> Path:
    """Writes `root/<split>/<class>/<number><ending>`; a class has the same colour in every split."""
    labels = list(dict.fromkeys(label for classes in counts.values() for label in classes))
    seed = 0
    for split, classes in counts.items():
        (root / split).mkdir(parents=True, exist_ok=True)
        for label, count in classes.items():
            (root / split / label).mkdir(exist_ok=True)
            for number in range(count):
                colour = COLOURS[labels.index(label) % len(COLOURS)]
                write_picture(root / split / label / f"{number:03d}{ending}", colour, size, seed)
                seed += 1
    return root


def manifest(path: Path, rows: Sequence[Mapping[str, str]], encoding: str = "utf-8") -> Path:
    """Writes rows as CSV, with the columns of the first; the pictures they name are not written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding=encoding) as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def manifest_of(root: Path, labels: Mapping[str, str], **columns: Mapping[str, str]) -> Path:
    """Writes `root/<path>` for each path of `labels`, and `root/manifest.csv` with them.

    Args:
        labels: path -> class.
        columns: `split` or `group`, each path -> value; paths it lacks are left empty.
    """
    classes = list(dict.fromkeys(labels.values()))
    for seed, (name, label) in enumerate(labels.items()):
        write_picture(root / name, COLOURS[classes.index(label) % len(COLOURS)], seed=seed)
    rows = [
        {"path": name, "label": label, **{column: values.get(name, "") for column, values in columns.items()}}
        for name, label in labels.items()
    ]
    return manifest(root / "manifest.csv", rows)
