"""One process at a time trains into a run folder: a lock that the system lets go of when its process ends, however it ends."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import filelock

from unfreeze.cache.store import is_held
from unfreeze.errors import RunError, StorageError
from unfreeze.files import next_step, remove_leftovers

LOCK = ".training.lock"


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Inside the context this process alone trains into a run folder, and what killed ones left half-written there is gone.

    Args:
        folder: is there.

    Raises:
        RunError: another process, or this one, is training into it.
        StorageError: it can't be written to.
    """
    lock = filelock.FileLock(folder / LOCK)
    try:
        lock.acquire(blocking=False)
    except filelock.Timeout:
        raise RunError(busy(folder)) from None
    except OSError as error:
        raise StorageError(f"{folder}: can't be written to ({error.strerror or error}){next_step(error)}") from None
    try:
        remove_leftovers(folder)
        yield
    finally:
        with contextlib.suppress(OSError):  # Windows deletes no open file
            (folder / LOCK).unlink(missing_ok=True)
        lock.release()


def is_trained(folder: Path) -> bool:
    """Whether a process is training into a folder."""
    return (folder / LOCK).is_file() and is_held(folder / LOCK)


def busy(folder: Path) -> str:
    """What to tell someone who wants to train into a folder that is being trained into."""
    return f"{folder} is being trained by another process: wait until that has ended, or give another --out"
