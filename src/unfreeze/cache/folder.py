"""The person's cache folder: what lies in it, and what leaves when it is full.

activations/<key>/                  a store: see `store.py`
carried-over/<network>.{json,keras} a network of PyTorch's in TensorFlow: see `backends/tensorflow/carried.py`
scans.sqlite                        what scans found: see `data/index.py`
inputs/<key>.json                   whether pictures reach a network as in its pretraining: see `api/network_findings.py`
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import uuid
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs

from unfreeze.cache.store import DESCRIPTION, INDEX, LOCK, ROWS, alone, is_held
from unfreeze.reading import parse_json, read_text

VARIABLE = "UNFREEZE_CACHE"
ACTIVATIONS, CARRIED_OVER, SCANS_KIND, INPUTS = "activations", "carried-over", "scans", "inputs"
SCANS = "scans.sqlite"
_LEAVING = "leaving-"
_OURS = {ROWS, INDEX, LOCK, ".tmp"}


def cache_folder() -> Path:
    """`UNFREEZE_CACHE`, or the system's folder for caches; it needn't exist yet."""
    chosen = os.environ.get(VARIABLE)
    return Path(chosen) if chosen else platformdirs.user_cache_path("unfreeze")


@dataclass(frozen=True)
class Entry:
    """Something in a cache folder that can be deleted on its own.

    Attributes:
        kind: `activations`, `carried-over`, `scans` or `inputs`.
        description: what it is, in words.
        paths: its folder, or its files.
        size: in bytes.
        last_used: seconds since 1970.
    """

    kind: str
    description: str
    paths: tuple[Path, ...]
    size: int
    last_used: float


def entries(folder: Path) -> list[Entry]:
    """What lies in a cache folder, least recently used first. What is unknown there is left out."""
    found = [*_stores(folder), *_carried_over(folder), *_scans(folder), *_inputs(folder)]
    return sorted(found, key=lambda entry: entry.last_used)


def delete(entry: Entry) -> bool:
    """Deletes it, unless a process uses it or it can't be deleted. True where it is gone."""
    if entry.kind == ACTIVATIONS:
        return _delete_store(entry.paths[0])
    try:
        for path in entry.paths:
            path.unlink(missing_ok=True)
    except OSError:
        return False
    return True


def room(folder: Path, limit: int) -> int:
    """How many bytes of activations can be added to a cache folder, if all that nobody uses leaves.

    Args:
        limit: the most that the folder's activations may take.
    """
    stores = [entry for entry in entries(folder) if entry.kind == ACTIVATIONS]
    held = sum(entry.size for entry in stores if _is_used(entry.paths[0]))
    return min(limit - held, _free(folder) + sum(entry.size for entry in stores) - held)


def make_room(folder: Path, needed: int, limit: int, keep: Path) -> bool:
    """Deletes activations, least recently used first, until `needed` bytes more fit; none where all wouldn't do.

    To be called within `taking_room`, in which the room is taken as well: else another process takes it, too.

    Args:
        limit: the most that the folder's activations may take.
        keep: a store that stays.

    Returns:
        Whether they fit now.
    """
    stores = [entry for entry in entries(folder) if entry.kind == ACTIVATIONS]
    excess = max(sum(entry.size for entry in stores) + needed - limit, needed - _free(folder))
    can_leave = [entry for entry in stores if entry.paths[0] != keep and not _is_used(entry.paths[0])]
    if excess > sum(entry.size for entry in can_leave):
        return False
    for entry in can_leave:
        if excess <= 0:
            break
        excess -= entry.size if delete(entry) else 0
    return excess <= 0


def taking_room(folder: Path) -> AbstractContextManager[object]:
    """A context in which no other process takes room in a cache folder. Raises OSError where it can't be written to."""
    (folder / ACTIVATIONS).mkdir(parents=True, exist_ok=True)
    return alone(folder / ACTIVATIONS)


def _free(folder: Path) -> int:
    # A disk that is filled to the last byte harms everything else on it.
    return int(0.9 * shutil.disk_usage(_nearest(folder)).free)


def _nearest(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    return next(path for path in (folder.absolute(), *folder.absolute().parents) if path.is_dir())


def _stores(folder: Path) -> Iterator[Entry]:
    for path in sorted((folder / ACTIVATIONS).glob("*")):
        with contextlib.suppress(OSError):  # another process is deleting it
            if not _is_store(path):
                continue
            if path.name.startswith(_LEAVING):  # what was left of one when its deletion was interrupted
                shutil.rmtree(path, ignore_errors=True)
                continue
            used = (path / DESCRIPTION).stat().st_mtime if (path / DESCRIPTION).is_file() else path.stat().st_mtime
            size = sum(file.stat().st_size for file in path.iterdir())
            yield Entry(ACTIVATIONS, _described(path / DESCRIPTION), (path,), size, used)


def _is_store(path: Path) -> bool:
    """Whether a folder is one of ours, by its name and by all that is in it: nothing else may ever be deleted."""
    named = re.fullmatch(r"[0-9a-f]{32}", path.name.removeprefix(_LEAVING)) is not None
    return named and path.is_dir() and all(file.suffix in _OURS or file.name == DESCRIPTION for file in path.iterdir())


def _described(description: Path) -> str:
    try:
        values: dict[str, Any] = parse_json(read_text(description))
        return str(values["words"])
    except (OSError, ValueError, KeyError, TypeError):
        return "unknown activations"


def _carried_over(folder: Path) -> Iterator[Entry]:
    for path in sorted((folder / CARRIED_OVER).glob("*.keras")):
        files = tuple(file for file in (path, path.with_suffix(".json")) if file.is_file())
        facts = _facts(files)
        used = max((max(fact.st_mtime, fact.st_atime) for fact in facts), default=0)
        yield Entry(CARRIED_OVER, f"{path.stem}, in TensorFlow", files, sum(fact.st_size for fact in facts), used)


def _scans(folder: Path) -> Iterator[Entry]:
    yield from _together(SCANS_KIND, "what is known of pictures that were scanned", folder.glob(f"{SCANS}*"))


def _inputs(folder: Path) -> Iterator[Entry]:
    answers = (path for path in (folder / INPUTS).glob("*.json") if re.fullmatch(r"[0-9a-f]{32}", path.stem))
    yield from _together(INPUTS, "whether pictures reach networks as in their pretraining", answers)


def _together(kind: str, description: str, paths: Iterable[Path]) -> Iterator[Entry]:
    """Files as one entry; none where there are none."""
    files = tuple(sorted(paths))
    if files:
        facts = _facts(files)
        size, used = sum(fact.st_size for fact in facts), max((fact.st_mtime for fact in facts), default=0)
        yield Entry(kind, description, files, size, used)


def _facts(files: Iterable[Path]) -> list[os.stat_result]:
    facts = []
    for file in files:
        with contextlib.suppress(OSError):  # files of a database come and go
            facts.append(file.stat())
    return facts


def _is_used(store: Path) -> bool:
    return any(is_held(lock) for lock in store.glob(f"*{LOCK}"))


def _delete_store(path: Path) -> bool:
    leaving = path.with_name(f"{_LEAVING}{uuid.uuid4().hex}")
    try:
        with alone(path.parent):
            if _is_used(path):
                return False
            path.rename(leaving)  # first, so that no process finds half of it
    except OSError:
        return False
    shutil.rmtree(leaving, ignore_errors=True)
    return True
