"""The bytes of a picture file, of whatever stands under its name."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from unfreeze.data.bounds import LIMIT_VARIABLE, most_bytes
from unfreeze.errors import PictureError


def read_bytes(path: Path) -> bytes:
    """The content of a file. Nothing is waited for: not for the other end of a pipe either, or for a device.

    Raises:
        PictureError: it can't be read, with the system's reason, or is no file, or larger than any picture may be.
        DataError: as `bounds.most_pixels`.
    """
    limit = most_bytes()
    try:
        with open(path, "rb", buffering=0, opener=_without_waiting) as file:
            facts = os.fstat(file.fileno())
            if not stat.S_ISREG(facts.st_mode):
                raise PictureError("unreadable", f"{path}: a pipe or device, not a file")
            if facts.st_size > limit:
                raise PictureError(
                    "too-large",
                    f"{path}: {facts.st_size} bytes, more than a picture may have ({limit}); {LIMIT_VARIABLE} raises it",
                )
            return file.read() or b""
    except OSError as error:
        raise PictureError("unreadable", f"{path}: can't be read ({error.strerror or error})") from None
    except ValueError as error:  # a name with a zero byte, from a manifest
        raise PictureError("unreadable", f"{path}: can't be read ({error})") from None
    except MemoryError:
        raise PictureError("too-large", f"{path}: there is too little memory to read it") from None


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
