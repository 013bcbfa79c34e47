"""The pictures of a benchmark: links to every n-th picture of each split, so that all classes take part."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

SUFFIXES = {".jpg", ".jpeg", ".png"}
# The names a person's splits may have -> ours.
SPLITS = {"train": "train", "validation": "validation", "val": "validation", "valid": "validation", "test": "test"}
# Of every 20 pictures of a folder without splits.
TRAIN, VALIDATION = 14, 17


def link_subset(data: Path, pictures: int, folder: Path) -> dict[str, int]:
    """Fills `folder` with links {train,validation,test}/<class>/*; returns the pictures of each split.

    Args:
        data: a folder of splits, or one of classes, which is then split 14 : 3 : 3.
        pictures: about how many in all; 0 takes every one.
    """
    found = sorted(find_pictures(data))
    if not found:
        raise SystemExit(f"{data}: no JPEG or PNG in {{train,validation,test}}/<class>/ or <class>/")
    step = max(1, round(len(found) / pictures)) if pictures else 1
    counts = dict.fromkeys(("train", "validation", "test"), 0)
    for split, group in by_split(found).items():
        for path in group[::step]:
            link = folder / split / path.parent.name / path.name
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(path.resolve())
            counts[split] += 1
    if not all(counts.values()):
        raise SystemExit(f"{data}: pictures by split {counts}: each split must have some; raise --pictures")
    return counts


def by_split(found: list[tuple[str, Path]]) -> dict[str, list[Path]]:
    groups: dict[str, list[Path]] = {"train": [], "validation": [], "test": []}
    for split, path in found:
        groups[split].append(path)
    return groups


def find_pictures(data: Path) -> Iterator[tuple[str, Path]]:
    """Each picture with its split."""
    splits = [(ours, data / name) for name, ours in SPLITS.items() if (data / name).is_dir()]
    for split, folder in splits:
        yield from ((split, path) for path in pictures_in(folder))
    if not splits:
        for number, path in enumerate(pictures_in(data)):
            place = number % 20
            yield "train" if place < TRAIN else "validation" if place < VALIDATION else "test", path


def pictures_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*/*") if path.suffix.lower() in SUFFIXES)


def warm_up(folder: Path) -> None:
    """Reads every picture once, so that the first to be measured doesn't pay for the disk."""
    for path in folder.glob("*/*/*"):
        path.read_bytes()
