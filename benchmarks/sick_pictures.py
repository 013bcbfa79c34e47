"""The pictures of `sickness.py`: folders {train,validation,test}/<class>/* made from a seed, some with a fault on purpose."""

from __future__ import annotations

import random
import shutil
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, ImageDraw
from subset import find_pictures

from unfreeze.data.digits import write_digits

Source = Literal["clothing", "bloodcells", "digits", "textures", "shapes"]
Fault = Literal["none", "shuffled labels", "class split in two", "leaked", "wrong labels", "one rare class"]
SPLITS = ("train", "validation", "test")
# Of what is drawn here.
_SIDE_PX, _DRAWN = 64, 150
_TEXTURES = [(kind, period) for kind in ("stripes", "checks", "rings") for period in (5, 9)]
_SHAPES = ("circle", "square", "triangle", "cross", "star", "ring")
# One training label in so many is wrong where they are made wrong, and a rare class has this part of the others' pictures.
_WRONG_EVERY, _RARE_PART = 2, 0.05


@dataclass(frozen=True)
class Pictures:
    """Which pictures a run has.

    Attributes:
        source: where they are from; clothing and bloodcells are folders below `--data`, the others come with Python packages or
            are drawn.
        classes: how many, chosen by the seed; or these.
        train, validation, test: pictures of each class, or fewer where there are no more.
        fault: what is wrong with them.
    """

    source: Source
    classes: int | tuple[str, ...]
    train: int
    validation: int = 25
    test: int = 5
    fault: Fault = "none"

    def but(self, fault: Fault) -> Pictures:
        """The same with a fault."""
        return replace(self, fault=fault)

    @property
    def name(self) -> str:
        """For a folder: no two of them share it."""
        classes = self.classes if isinstance(self.classes, int) else "+".join(self.classes)
        parts = (self.source, classes, self.train, self.validation, self.test, self.fault)
        return "-".join(str(part).replace(" ", "_") for part in parts)


def make_folder(pictures: Pictures, seed: int, data: Path, work: Path) -> Path:
    """The folder of these pictures, made once: other seeds have other classes, other pictures and other splits.

    Args:
        data: has clothing/ and bloodcells/.
        work: where drawn pictures and the folders are kept.
    """
    folder = work / f"{pictures.name}-{seed}"
    if folder.is_dir():
        return folder
    generator = random.Random(f"{pictures.name} {seed}")
    dealt = _deal(pictures, _pool(pictures, seed, data, work), generator)
    temporary = folder.with_name(f".{folder.name}")
    shutil.rmtree(temporary, ignore_errors=True)  # of a making that was cut off
    for split, label, path, number in _FAULTS[pictures.fault](dealt, generator):
        new = temporary / split / label / f"{number:05d}{path.suffix}"
        new.parent.mkdir(parents=True, exist_ok=True)
        new.symlink_to(path.resolve())
    temporary.rename(folder)
    return folder


# Split, class, file and a number of its own.
_Dealt = list[tuple[str, str, Path, int]]


def _pool(pictures: Pictures, seed: int, data: Path, work: Path) -> dict[str, list[Path]]:
    """All pictures there are, by class."""
    if pictures.source in ("clothing", "bloodcells"):
        found = sorted(path for _, path in find_pictures(data / pictures.source))
    else:
        root = work / f"{pictures.source}-{0 if pictures.source == 'digits' else seed}"
        if not root.is_dir():
            temporary = root.with_name(f".{root.name}")
            shutil.rmtree(temporary, ignore_errors=True)
            _DRAWERS[pictures.source](temporary, seed)
            temporary.rename(root)
        found = sorted(root.glob("*/*.png"))
    pool: dict[str, list[Path]] = {}
    for path in found:
        pool.setdefault(path.parent.name, []).append(path)
    return pool


def _deal(pictures: Pictures, pool: dict[str, list[Path]], generator: random.Random) -> _Dealt:
    names = pictures.classes if isinstance(pictures.classes, tuple) else generator.sample(sorted(pool), pictures.classes)
    rare = names[-1] if pictures.fault == "one rare class" else None
    dealt: list[tuple[str, str, Path]] = []
    for name in sorted(names):
        train = max(4, round(pictures.train * _RARE_PART)) if name == rare else pictures.train
        wanted = (train, pictures.validation, pictures.test)
        paths = iter(generator.sample(pool[name], min(sum(wanted), len(pool[name]))))
        # What is evaluated on comes first: a class that lacks pictures lacks some to train on.
        for split, count in zip(reversed(SPLITS), reversed(wanted), strict=True):
            dealt += [(split, name, path) for path in islice(paths, count)]
    return [(*one, number) for number, one in enumerate(dealt)]


def _as_dealt(dealt: _Dealt, _: random.Random) -> _Dealt:
    return dealt


def _shuffled(dealt: _Dealt, generator: random.Random) -> _Dealt:
    """Each split keeps its number of pictures of each class, which say nothing about the class."""
    changed: _Dealt = []
    for wanted in SPLITS:
        group = [one for one in dealt if one[0] == wanted]
        labels = generator.sample([label for _, label, _, _ in group], len(group))
        changed += [(split, label, path, number) for label, (split, _, path, number) in zip(labels, group, strict=True)]
    return changed


def _split_in_two(dealt: _Dealt, generator: random.Random) -> _Dealt:
    """The pictures of the first class are of two classes, by chance."""
    first = min(label for _, label, _, _ in dealt)
    return [
        (split, f"{label}-again" if label == first and generator.random() < 0.5 else label, path, number)
        for split, label, path, number in dealt
    ]


def _leaked(dealt: _Dealt, _: random.Random) -> _Dealt:
    """Four in five validation pictures are training pictures."""
    training: dict[str, list[Path]] = {}
    for split, label, path, _number in dealt:
        if split == "train":
            training.setdefault(label, []).append(path)
    changed: _Dealt = []
    for split, label, path, number in dealt:
        leaks = split == "validation" and number % 5 and training[label]
        changed.append((split, label, training[label].pop() if leaks else path, number))
    return changed


def _wrong_training_labels(dealt: _Dealt, generator: random.Random) -> _Dealt:
    """Validation and test are right: they are easier than training."""
    names = sorted({label for _, label, _, _ in dealt})
    return [
        (split, generator.choice(names) if split == "train" and number % _WRONG_EVERY == 0 else label, path, number)
        for split, label, path, number in dealt
    ]


_FAULTS = {
    "none": _as_dealt,
    "one rare class": _as_dealt,
    "shuffled labels": _shuffled,
    "class split in two": _split_in_two,
    "leaked": _leaked,
    "wrong labels": _wrong_training_labels,
}


def _draw_digits(folder: Path, _: int) -> None:
    write_digits(folder, folder)


def _draw_textures(folder: Path, seed: int) -> None:
    """Patterns of two periods each, turned, shifted, coloured, under noise."""
    generator = np.random.default_rng([seed, 1])
    for kind, period in _TEXTURES:
        (folder / f"{kind}-{period}").mkdir(parents=True)
        for number in range(_DRAWN):
            angle = generator.normal(0, 0.5)
            across, down = np.meshgrid(
                np.arange(_SIDE_PX) + generator.uniform(0, 40), np.arange(_SIDE_PX) + generator.uniform(0, 40)
            )
            u, v = across * np.cos(angle) + down * np.sin(angle), down * np.cos(angle) - across * np.sin(angle)
            turns = 2 * np.pi / (period * generator.uniform(0.85, 1.15))
            waves = {
                "stripes": np.sin(u * turns),
                "checks": np.sin(u * turns) * np.sin(v * turns),
                "rings": np.sin(np.hypot(u, v) * turns),
            }
            level = generator.uniform(80, 170, 3) + waves[kind][..., None] * generator.uniform(-50, 50, 3)
            _save(level + generator.normal(0, 25, (_SIDE_PX, _SIDE_PX, 3)), folder / f"{kind}-{period}" / f"{number:04d}.png")


def _draw_shapes(folder: Path, seed: int) -> None:
    """A filled shape anywhere, of any size and colour, on a noisy ground."""
    generator = np.random.default_rng([seed, 2])
    for shape in _SHAPES:
        (folder / shape).mkdir(parents=True)
        for number in range(_DRAWN):
            ground, ink = generator.integers(0, 256, 3), generator.integers(0, 256, 3)
            picture = Image.new("RGB", (_SIDE_PX, _SIDE_PX), tuple(int(value) for value in ground))
            radius = generator.uniform(10, 22)
            x, y = generator.uniform(radius, _SIDE_PX - radius, 2)
            _draw_shape(ImageDraw.Draw(picture), shape, x, y, radius, tuple(int(value) for value in ink))
            _save(
                np.asarray(picture, float) + generator.normal(0, 20, (_SIDE_PX, _SIDE_PX, 3)),
                folder / shape / f"{number:04d}.png",
            )


def _draw_shape(draw: ImageDraw.ImageDraw, shape: str, x: float, y: float, radius: float, ink: tuple[int, ...]) -> None:
    box = (x - radius, y - radius, x + radius, y + radius)
    if shape == "circle":
        draw.ellipse(box, fill=ink)
    elif shape == "ring":
        draw.ellipse(box, outline=ink, width=5)
    elif shape == "square":
        draw.rectangle(box, fill=ink)
    elif shape == "cross":
        draw.line((x - radius, y, x + radius, y), fill=ink, width=7)
        draw.line((x, y - radius, x, y + radius), fill=ink, width=7)
    else:
        corners = 3 if shape == "triangle" else 10
        lengths = [radius * (0.4 if corners == 10 and corner % 2 else 1) for corner in range(corners)]
        turns = [2 * np.pi * corner / corners - np.pi / 2 for corner in range(corners)]
        draw.polygon(
            [(x + length * np.cos(turn), y + length * np.sin(turn)) for length, turn in zip(lengths, turns, strict=True)],
            fill=ink,
        )


def _save(levels: np.ndarray, path: Path) -> None:
    Image.fromarray(np.clip(levels, 0, 255).astype(np.uint8)).save(path)


_DRAWERS = {"digits": _draw_digits, "textures": _draw_textures, "shapes": _draw_shapes}
