"""The folder of trials: one process at a time, and one thing that is tuned."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import filelock

from unfreeze.api.preparation import Preparation
from unfreeze.errors import RunError, StorageError
from unfreeze.files import write_json
from unfreeze.reading import parse_json, read_text
from unfreeze.recipe.network import HEAD
from unfreeze.recipe.read import flatten
from unfreeze.training import run_folder
from unfreeze.tuning.space import Space

# What is tuned, and the lock of the process that does it.
TUNING, LOCK = "tuning.json", "tuning.lock"
# Goes up when the former changes its meaning.
SCHEMA = 1
# What may differ from one command to the next: it changes nothing that trials have learned.
_FREE = ("cache.", "checkpoint_minutes", "device", "explain", "calibrate", "input.loader_threads", "data.inspect")


def check_folder(folder: Path) -> None:
    """Refuses a folder that holds something other than a tuning, before anything is computed."""
    if not (folder / TUNING).is_file() and not (folder / LOCK).is_file():
        run_folder.check_free(folder)


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Keeps other processes away from a folder."""
    lock = filelock.FileLock(folder / LOCK)
    try:
        lock.acquire(blocking=False)
    except filelock.Timeout:
        raise RunError(f"{folder}: another process is tuning there: wait for its end, or give another --out") from None
    except OSError as error:
        raise StorageError(f"{folder}: can't be written to ({error.strerror or error})") from None
    with lock:
        yield


def describe(job: Preparation, space: Space) -> dict[str, Any]:
    """What trials must have in common, by name; plain values."""
    network = job.plan.network
    recipe = {f"recipe: {name}": value for name, value in flatten(space.recipe.model_dump()) if not name.startswith(_FREE)}
    description = {
        "schema": SCHEMA,
        "pictures": job.plan.data.fingerprint,
        "network": f"{network.name} in {network.framework}, {network.weights}, {job.plan.precision}",
        "weights": (job.backend.identify_prefix(HEAD) or {}).get("weights"),
        "searched": {one.name: asdict(one) for one in space.searched},
        **recipe,
    }
    plain: dict[str, Any] = json.loads(json.dumps(description))
    return plain


def write_or_check(path: Path, description: dict[str, Any]) -> None:
    """Writes what is tuned, or sees that it is what was tuned before.

    Raises:
        RunError: it isn't.
    """
    if not path.exists():
        write_json(path, description)
        return
    try:
        before = parse_json(read_text(path))
        differing = [name for name in {**description, **before} if description.get(name) != before.get(name)]
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise RunError(f"{path}: can't be read ({error}): give another --out") from None
    if differing:
        words = "; ".join(_difference(name, before.get(name), description.get(name)) for name in differing)
        raise RunError(
            f"{path.parent} holds trials of something else, which can't be compared with new ones: {words}."
            " Give another --out, or what was given before"
        )


def _difference(name: str, before: Any, now: Any) -> str:
    if name == "pictures":
        return "pictures were added, taken away, changed or moved"
    if name == "weights":
        return "the network's weights are others"
    if name == "searched":
        return f"searched was {', '.join(before or ())}, and now {', '.join(now or ())}, or around other values"
    return f"{name.removeprefix('recipe: ')} was {json.dumps(before)}, and is now {json.dumps(now)}"
