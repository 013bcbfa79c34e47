"""Some of the pictures a run was scored on, if they are still there."""

from __future__ import annotations

import hashlib
from pathlib import Path

from unfreeze.data.content import read_bytes
from unfreeze.errors import DataError, RunError
from unfreeze.training import run_folder

_MOST = 64


def scored_pictures(folder: Path) -> list[Path]:
    """Up to 64 of a run's validation and test pictures, evenly over all of them; files that have changed are left out.

    Raises:
        DataError: none is as it was.
        RunError: the run's list of pictures is missing or damaged.
    """
    data = run_folder.read_json(folder, run_folder.DATA)
    try:
        root = Path(data["root"])
        scored = [(picture["name"], picture["content"]) for picture in data["pictures"] if picture["split"] != "train"]
    except (KeyError, TypeError) as error:
        raise RunError(f"{folder / run_folder.DATA}: isn't as written ({error})") from None
    base = root.parent if root.is_file() else root  # a manifest names files relative to itself
    chosen = scored[:: max(1, -(-len(scored) // _MOST))]
    unchanged = [base / name for name, content in chosen if _hash(base / name) == content]
    if not unchanged:
        raise DataError(
            f"{folder}: the pictures it was scored on aren't in {root} any more, or have changed: give some pictures to check"
            " with: --check FOLDER"
        )
    return unchanged


def _hash(path: Path) -> str | None:
    try:
        return hashlib.blake2b(read_bytes(path), digest_size=16).hexdigest()
    except DataError:
        return None
