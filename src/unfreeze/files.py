"""Writing files whole: under a temporary name, then renamed, so that a reader never sees half a file."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

from unfreeze.errors import StorageError


def write_text(path: Path, text: str) -> None:
    """Writes `text` as UTF-8 with line ends as given."""
    write_bytes(path, text.encode("utf-8", "surrogateescape"))


def write_bytes(path: Path, content: bytes) -> None:
    """Writes `content`.

    Raises:
        StorageError: it can't be written; what was there before is still there.
    """
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise StorageError(f"{path}: can't be written ({error.strerror or error})") from None


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
        raise StorageError(f"{path}: the folder can't be made ({error.strerror or error})") from None


def write_json(path: Path, values: Any) -> None:
    """Writes plain values as readable JSON."""
    write_text(path, json.dumps(values, indent=2, ensure_ascii=False) + "\n")
