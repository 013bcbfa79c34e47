"""The dataset: a scanned folder as records of path, label, split, content hash and size."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from unfreeze.data.look import Look

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True, slots=True)
class Record:
    """One readable picture.

    Attributes:
        folder: that the name is relative to: the dataset's root, or where its CSV file is.
        name: the path below it, with forward slashes.
        label: its class, by name.
        split: `train`, `validation` or `test`; None until the dataset is split.
        group: pictures of one group (a patient, a camera) stay in one split; None where no group was given.
        content: BLAKE2b hash of the file's bytes, in hexadecimal.
        width, height: in pixels, upright.
        mode: how the file stores colour, as of `picture.Examined`; so are `format`, `frames`, `turned` and `thumbnail`.
        look: how it looks, where that was asked for.
    """

    folder: Path
    name: str
    label: str
    split: str | None
    group: str | None
    content: str
    width: int
    height: int
    mode: str
    format: str = ""
    frames: int = 1
    turned: bool = False
    thumbnail: bytes = field(default=b"", repr=False)
    look: Look | None = None

    @property
    def path(self) -> Path:
        """Where it is; made anew each time, because a million of them fill half a gigabyte."""
        return self.folder / self.name


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A file or folder that was found and not used, with the reason.

    `kind` is that of `errors.PictureError`, or `linked-folder`, or `unused`.
    """

    name: str
    reason: str
    kind: str = "unused"


@dataclass(frozen=True)
class Dataset:
    """A scanned folder.

    Attributes:
        root: as given.
        classes: their names, in the order of the network's outputs.
        records: the readable pictures, in the order of their names.
        left_out: every other file, with its reason.
        decisions: what was decided where the data left a choice, in words.
        empty_classes: classes that have a folder or are asked for, and no readable picture.
        given_splits: those that the person gave, whether or not they hold a readable picture.
    """

    root: Path
    classes: tuple[str, ...]
    records: tuple[Record, ...]
    left_out: tuple[LeftOut, ...] = ()
    decisions: tuple[str, ...] = field(default=())
    empty_classes: tuple[str, ...] = ()
    given_splits: tuple[str, ...] = ()

    def split(self, name: str) -> tuple[Record, ...]:
        """The records of one split, in the order of their names."""
        return tuple(record for record in self.records if record.split == name)

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that hold pictures; empty where the dataset isn't split."""
        present = {record.split for record in self.records}
        return tuple(name for name in SPLITS if name in present)

    @property
    def paths(self) -> dict[str, Path]:
        """Where each picture is, by its name."""
        return {record.name: record.path for record in self.records}

    def counts(self) -> dict[str, dict[str, int]]:
        """Split (or `all` for pictures in none) -> class -> number of pictures, classes in their order."""
        tally = Counter((record.split or "all", record.label) for record in self.records)
        names = [name for name in (*SPLITS, "all") if any(split == name for split, _ in tally)]
        return {name: {label: tally[name, label] for label in self.classes} for name in names}

    def label_number(self, record: Record) -> int:
        """The network's output for the record's class."""
        return self.classes.index(record.label)

    @property
    def fingerprint(self) -> str:
        """A hash of all labels, splits and contents: two datasets with the same one train alike."""
        digest = hashlib.blake2b(digest_size=16)
        for part in self._facts():
            digest.update(part.encode("utf-8", "surrogateescape") + b"\0")
        return digest.hexdigest()

    def _facts(self) -> Iterator[str]:
        yield from self.classes
        for record in self.records:
            yield from (record.name, record.label, record.split or "", record.content)
