"""Writing files whole: under a temporary name, then renamed, so that a reader never sees half a file.

A temporary name ends in the number of its process and `.tmp`: what a killed process left is recognised by it. A process that is
killed loses nothing that was written; a machine that stops loses what it hadn't yet put on its disk. So what nothing else could
make again is synced: about 10 ms a file on a disk, too much for what is written after each epoch of 50 ms.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
from pathlib import Path
from typing import Any

import psutil

from unfreeze.errors import StorageError, first_line


def write_text(path: Path, text: str, sync: bool = False) -> None:
    """Writes `text` as UTF-8 with line ends as given; the rest is as `write_bytes` does it."""
    write_bytes(path, text.encode("utf-8", "surrogateescape"), sync)


def write_bytes(path: Path, content: bytes, sync: bool = False) -> None:
    """Writes `content`.

    Args:
        sync: it is on the disk, under its name, before this returns.

    Raises:
        StorageError: it can't be written; what was there before is still there.
    """
    temporary = temporary_name(path)
    try:
        # Never into what stands under that name: in a folder from a stranger it may be a link to somewhere else.
        temporary.unlink(missing_ok=True)
        with temporary.open("xb") as file:
            file.write(content)
            if sync:
                _sync(file.fileno())
        temporary.replace(path)
        if sync:
            _sync_folder(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise StorageError(f"{path}: can't be written ({error.strerror or error}){next_step(error)}") from None
    except BaseException:  # Ctrl-C
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def temporary_name(path: Path, ending: str = "") -> Path:
    """Where to write what is to be renamed to `path`.

    Args:
        ending: what the name has to end in, for a library that asks for it, for example `.keras`.
    """
    return path.with_name(f"{path.name}.{os.getpid()}.tmp{ending}")


def settle(folder: Path) -> None:
    """Puts all that lies in a folder, and in those below it, on the disk: what was written, and the names.

    Raises:
        StorageError: it can't be done; the disk is failing.
    """
    for place, _, names in os.walk(folder):
        for path in (Path(place, name) for name in names):
            try:
                with path.open("rb+" if os.name == "nt" else "rb") as file:
                    _sync(file.fileno())
            except (FileNotFoundError, PermissionError):  # gone meanwhile, or not ours
                continue
            except OSError as error:
                raise StorageError(f"{path}: can't be put on the disk ({error.strerror or error})") from None
        _sync_folder(Path(place))


def is_leftover(path: Path) -> bool:
    """Whether its name is a temporary one of a process that no longer runs, on this machine."""
    owner = re.search(r"\.(\d{1,9})\.tmp(\.\w+)?$", path.name)
    return owner is not None and not psutil.pid_exists(int(owner[1]))


def remove_leftovers(folder: Path) -> list[Path]:
    """Removes temporary files of processes that no longer run from a folder and those below it.

    To be called where no other machine can be writing: its processes aren't known here.

    Returns:
        What was removed, in order.
    """
    removed = []
    for place, _, names in os.walk(folder):
        for path in (Path(place, name) for name in names):
            if is_leftover(path):
                with contextlib.suppress(OSError):
                    path.unlink()
                    removed.append(path)
    return sorted(removed)


def _sync(file: int) -> None:
    try:
        os.fsync(file)
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP}:  # a file system that has no such thing
            raise


def _sync_folder(folder: Path) -> None:
    """Puts the names in a folder on the disk; Windows does so by itself, and opens no folder."""
    if os.name == "nt":
        return
    opened = os.open(folder, os.O_RDONLY)
    try:
        _sync(opened)
    finally:
        os.close(opened)


# What is wrong with the machine, or with its limits, by the number of the error; and what to do about it.
_FULL = "make room there (`unfreeze cache list` shows what could leave), or name a folder on another disk"
_LOCKED = "make it writable, or name another folder"
_NEXT_STEPS = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EROFS: _LOCKED,
    errno.EACCES: _LOCKED,
    errno.EPERM: _LOCKED,
    errno.EFBIG: "a limit on the size of files is in force, `ulimit -f` shows it",
    errno.EMFILE: "a limit on open files is in force, `ulimit -n` shows it",
    errno.ENOMEM: "end other programs",
    errno.EIO: "the disk is failing",
}


def next_step(error: OSError) -> str:
    """What to do about it, to be put after its words; empty where that isn't known."""
    return f": {_NEXT_STEPS[error.errno]}" if error.errno in _NEXT_STEPS else ""


def is_of_the_machine(error: MemoryError | OSError) -> bool:
    """Whether an error that nobody expected comes of the machine as it is now: full, read-only, limited or failing."""
    return isinstance(error, MemoryError) or error.errno in _NEXT_STEPS


def in_words(error: MemoryError | OSError) -> str:
    """Such an error as one line."""
    if isinstance(error, MemoryError):
        return f"there isn't enough memory ({first_line(error)}): end other programs, or take a smaller input.batch_size"
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror}{next_step(error)}"


def check_folder_of(path: Path) -> None:
    """Refuses a file that can't be written for want of its folder: before the work, not after.

    Raises:
        StorageError: there is no such folder.
    """
    if not path.parent.is_dir():
        raise StorageError(f"{path}: can't be written, there is no folder {path.parent}: make it, or name another file")


def make_folder(path: Path) -> None:
    """Makes a folder and those above it, if they aren't there.

    Raises:
        StorageError: it can't be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"{path}: the folder can't be made ({error.strerror or error}){next_step(error)}") from None


def write_json(path: Path, values: Any, sync: bool = False) -> None:
    """Writes plain values as readable JSON; the rest is as `write_bytes` does it."""
    write_text(path, json.dumps(values, indent=2, ensure_ascii=False) + "\n", sync)
