"""`python -m soak.try_pictures FOLDER FIRST [NAME …]`: the files of FOLDER/cat from the FIRST on, by all that reads pictures.

Prints a line of JSON before each file, so that the one that ends the process is known, and one for each that isn't survived.
"""

from __future__ import annotations

import faulthandler
import json
import sys
from pathlib import Path

import numpy as np

from unfreeze.data.content import read_bytes
from unfreeze.data.layout import find_files
from unfreeze.data.load import load_files, prepared
from unfreeze.data.picture import examine, look_closely, read_pixels
from unfreeze.data.scan import scan
from unfreeze.errors import DataError
from unfreeze.recipe.network import InputContract

_CONTRACT = InputContract(side_px=16, crop_fraction=1.0, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))


def main(folder: Path, first: int, promised: list[str]) -> None:
    """Tries each file, then all of them at once."""
    faulthandler.enable()
    paths = find_files([folder / "cat"])
    readable: set[Path] = set()
    for number, path in enumerate(paths[first:], start=first):
        say(begun=number, file=path.relative_to(folder / "cat").as_posix())
        try:
            if is_read(path):
                readable.add(path)
        except Exception as error:  # whatever escapes is what is looked for
            say(file=path.relative_to(folder / "cat").as_posix(), lost=f"{type(error).__name__}: {error}")
    if first == 0:
        say(begun=len(paths), file="scan and load_files")
        try:
            together(folder, paths, readable, promised)
        except Exception as error:
            say(file="scan and load_files", lost=f"{type(error).__name__}: {error}")
    say(end=True)


def is_read(path: Path) -> bool:
    """Whether one file can be read; where not, every way to read it says why and names it."""
    ways = (
        lambda: read_pixels(path),
        lambda: read_pixels(path, 16),
        lambda: prepared(path, _CONTRACT),
        lambda: examine(read_bytes(path), path),
        lambda: look_closely(read_bytes(path), path),
    )
    done = []
    for way in ways:
        try:
            result = way()
        except DataError as error:
            if not str(error).startswith(f"{path}: ") or len(str(error)) < len(str(path)) + 5:
                raise AssertionError(f"doesn't name the file: {error}") from None
        else:
            done.append(result)
            if isinstance(result, np.ndarray) and (result.dtype != np.uint8 or result.ndim != 3 or result.shape[2] != 3):
                raise AssertionError(f"{result.dtype} {result.shape} isn't a picture")
    return len(done) == len(ways)


def together(folder: Path, paths: list[Path], readable: set[Path], promised: list[str]) -> None:
    """By `scan` each is a record, or left out with a reason; by `load_files` it is in a batch, or has one."""
    dataset = scan(folder, closely=True)
    used = {record.path for record in dataset.records}
    left_out = {folder / file.name: file.reason for file in dataset.left_out}
    for path in paths:
        if (path in used) == (path in left_out):
            raise AssertionError(f"{path.name!r}: neither or both of used and left out")
        if path in left_out and not left_out[path]:
            raise AssertionError(f"{path.name!r}: left out without a reason")
        if path in used and path not in readable:
            raise AssertionError(f"{path.name!r}: used, and can't be read")
    lacking = [name for name in ("good 0.png", "good 1.png", *promised) if folder / "cat" / name not in used]
    if lacking:
        raise AssertionError(f"{lacking}: good and not used")
    unreadable: dict[int, str] = {}
    loaded = {int(place) for batch in load_files(paths, _CONTRACT, 8, 2, unreadable) for place in batch.labels}
    if loaded & {*unreadable} or loaded | {*unreadable} != {*range(len(paths))}:
        raise AssertionError("load_files: a file is in no batch and has no reason, or both")


def say(**facts: object) -> None:
    """A line for the parent, at once."""
    print(json.dumps(facts), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
