"""Pictures that change, vanish or appear between the scan of a folder and its training."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from support.folders import class_folder, write_picture
from unfreeze.data.load import Loader
from unfreeze.data.scan import scan_for_training
from unfreeze.errors import DataError
from unfreeze.recipe.network import InputContract
from unfreeze.recipe.recipe import Augment, Data

_CONTRACT = InputContract(side_px=16, crop_fraction=1.0, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))


def changed_after_scan(folder: Path, kind: str, seed: int) -> str:
    """What was wrong with how the loader took it; empty where it named the file and the next step, and read the others."""
    dataset = scan_for_training(class_folder(folder, {"cat": 8, "dog": 8}, size=(16, 16)), Data(), seed=0)
    records = dataset.split("train")
    path = records[seed % len(records)].path
    CHANGES[kind](path)
    loader = Loader(dataset, _CONTRACT, 4, Augment(), threads=1 + seed % 4)
    for batches in (loader.training(0), loader.evaluation("train")):
        try:
            list(batches)
        except DataError as error:
            if not str(error).startswith(f"{path}: ") or "put it back" not in str(error).lower():
                return f"names neither the file nor the next step: {error}"
        except Exception as error:  # whatever escapes is what is looked for
            return f"{type(error).__name__}: {error}"
        else:
            return "trained as if nothing had changed"
    read = sum(len(batch.labels) for batch in loader.evaluation("validation"))
    return "" if read == len(dataset.split("validation")) else "the others aren't read"


def _instead(make: Callable[[Path], object]) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        path.unlink()
        make(path)

    return change


CHANGES: dict[str, Callable[[Path], None]] = {
    "vanished": Path.unlink,
    "emptied": lambda path: path.write_bytes(b"") and None,
    "cut off": lambda path: os.truncate(path, path.stat().st_size // 2),
    "another picture": lambda path: write_picture(path, size=(16, 16), seed=999) and None,
    "a pipe": _instead(os.mkfifo),
    "a folder": _instead(Path.mkdir),
    "a link to nowhere": _instead(lambda path: path.symlink_to("nowhere.png")),
    "a link to a device": _instead(lambda path: path.symlink_to("/dev/zero")),
    "a link to itself": _instead(lambda path: path.symlink_to(path.name)),
}
