"""Checkpoints: all that a training needs to go on as if it had never stopped, in one file.

    RUN/checkpoints/00000012.checkpoint    the newest and the one before it; numbers count on

The first line of a file is `unfreeze checkpoint 1` and the BLAKE2b of what follows, in hexadecimal digits. A safetensors file
follows: plain values as JSON in its metadata, and tensors. A tensor that is as it was when the network was opened, or the same
as another of the same name, isn't repeated: with the base frozen a checkpoint is as small as its head.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray

from unfreeze.errors import RunError
from unfreeze.files import make_folder, write_bytes
from unfreeze.reading import check_readable

CHECKPOINTS = "checkpoints"
_NAME = re.compile(r"(\d{8})\.checkpoint")
_MAGIC, _FACTS = b"unfreeze checkpoint 1 ", "facts"
# Where a tensor is that isn't in the file: among those of the opened network, or under another name in the file.
_OPENED, _SAME = "opened", "same"

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Checkpoint:
    """What stands in one.

    Attributes:
        facts: plain values, as JSON has them; numbers may be infinite.
        arrays: tensors as `<group>/<name>`; the name is that of a tensor of the network, wherever it is one's.
        path: where it was read from.
    """

    facts: dict[str, Any]
    arrays: Arrays
    path: Path | None = None


@dataclass(frozen=True)
class Newest:
    """The newest checkpoint that is whole, if there is one, and a remark on each that isn't."""

    checkpoint: Checkpoint | None
    remarks: list[str] = field(default_factory=list)


class Checkpoints:
    """Those of one run.

    Args:
        run: its folder.
        opened: the tensors of the network as it was opened, with its new head. A checkpoint can only be read where they are
            the same.

    Attributes:
        opened: as given.
    """

    def __init__(self, run: Path, opened: Arrays) -> None:
        self._run, self._folder, self.opened = run, run / CHECKPOINTS, opened
        self._digest = _digest_of(opened)
        # The newest that is known to be whole.
        self._whole: Path | None = None

    def write(self, checkpoint: Checkpoint) -> None:
        """Adds one: on the disk, under its name, before this returns; only then others leave, but for the newest whole one.

        Raises:
            StorageError: it can't be written; those before are still there.
        """
        make_folder(self._folder)
        before = self._numbered()
        number = max(before, default=0) + 1
        content = self._packed(checkpoint)
        path = self._folder / f"{number:08d}.checkpoint"
        write_bytes(path, _MAGIC + hashlib.blake2b(content).hexdigest().encode() + b"\n" + content, sync=True)
        for old in set(before.values()) - {self._whole}:
            old.unlink(missing_ok=True)
        self._whole = path

    def newest(self) -> Newest:
        """The newest one that is whole.

        Raises:
            RunError: it is of a network with other weights.
        """
        remarks: list[str] = []
        numbered = self._numbered()
        for number, path in sorted(numbered.items(), reverse=True):
            try:
                found = self._unpacked(path)
            except (OSError, ValueError, KeyError, TypeError, AttributeError, safetensors.SafetensorError) as error:
                instead = "the one before it is used" if number > min(numbered) else "there is none before it to be used"
                remarks.append(f"{path} is damaged ({error}): {instead}")
                continue
            self._whole = path
            return Newest(found, remarks)
        return Newest(None, remarks)

    def delete(self) -> None:
        """Deletes all: the training is finished."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _numbered(self) -> dict[int, Path]:
        named = ((_NAME.fullmatch(path.name), path) for path in self._folder.glob("*"))
        return {int(match[1]): path for match, path in named if match}

    def _packed(self, checkpoint: Checkpoint) -> bytes:
        written: dict[str, NDArray[Any]] = {}
        elsewhere: dict[str, list[str]] = {}
        of_leaf: dict[str, list[str]] = {}
        for name, values in checkpoint.arrays.items():
            leaf = name.partition("/")[2]
            others = of_leaf.setdefault(leaf, [])
            if leaf in self.opened and _equal(values, self.opened[leaf]):
                elsewhere[name] = [_OPENED, leaf]
            elif (same := next((other for other in others if _equal(values, written[other])), None)) is not None:
                elsewhere[name] = [_SAME, same]
            else:
                written[name] = np.array(values, order="C", copy=None)  # which leaves one of no dimensions as it is
                others.append(name)
        order, said = [*checkpoint.arrays], json.dumps(checkpoint.facts)
        metadata = {_FACTS: said, "elsewhere": json.dumps(elsewhere), "order": json.dumps(order), "opened": self._digest}
        packed: bytes = safetensors.numpy.save(written, metadata)
        return packed

    def _unpacked(self, path: Path) -> Checkpoint:
        check_readable(path, within=self._run)
        line, _, content = path.read_bytes().partition(b"\n")
        if not line.startswith(_MAGIC) or line.removeprefix(_MAGIC).decode() != hashlib.blake2b(content).hexdigest():
            raise ValueError("its checksum is wrong")
        metadata = _metadata(content)
        if metadata["opened"] != self._digest:
            raise RunError(
                f"{path}: was written of a network with other pretrained weights than the recipe's are now: put back the file"
                " of weights, or the version of the package, that the training was started with"
            )
        arrays = safetensors.numpy.load(content)
        for name, (where, other) in json.loads(metadata["elsewhere"]).items():
            arrays[name] = self.opened[other] if where == _OPENED else arrays[other]
        return Checkpoint(json.loads(metadata[_FACTS]), {name: arrays[name] for name in json.loads(metadata["order"])}, path)


def is_there(run: Path) -> bool:
    """Whether a run's folder holds a checkpoint, whole or not."""
    return any(_NAME.fullmatch(path.name) for path in (run / CHECKPOINTS).glob("*"))


def grouped(**groups: Arrays | None) -> dict[str, NDArray[Any]]:
    """The arrays of some groups as one, each group's names behind its own; None is left out."""
    return {f"{group}/{name}": values for group, arrays in groups.items() for name, values in (arrays or {}).items()}


def group(arrays: Arrays, name: str) -> dict[str, NDArray[Any]] | None:
    """One group of them; None where there is none."""
    return members(arrays, f"{name}/") or None


def members(arrays: Arrays, start: str) -> dict[str, NDArray[Any]]:
    """Those whose names begin so, by what comes after."""
    return {name.removeprefix(start): values for name, values in arrays.items() if name.startswith(start)}


def _equal(one: NDArray[Any], other: NDArray[Any]) -> bool:
    """Whether two arrays are the same in every bit."""
    if one is other:
        return True
    return one.dtype == other.dtype and one.shape == other.shape and np.array_equal(_bits(one), _bits(other))


def _bits(values: NDArray[Any]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(values).reshape(-1).view(np.uint8)


def _digest_of(arrays: Arrays) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for name, values in sorted(arrays.items()):
        digest.update(f"{name} {values.dtype} {values.shape}".encode())
        digest.update(_bits(values).data)
    return digest.hexdigest()


def _metadata(content: bytes) -> dict[str, str]:
    """Of a safetensors file: its header is JSON, whose length the first eight bytes tell."""
    length = int.from_bytes(content[:8], "little")
    metadata: dict[str, str] = json.loads(content[8 : 8 + length])["__metadata__"]
    return metadata
