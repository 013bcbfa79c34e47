"""How much of the machine a picture may take: a small file can unpack to fill the memory, and a large one can be no picture."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from unfreeze.errors import DataError

# A picture of more pixels than this is refused: Pillow's own limit. The environment variable raises or lowers it.
MAXIMUM_PIXELS = 178_956_970
LIMIT_VARIABLE = "UNFREEZE_MAX_PIXELS"
# Longer than any camera or scanner makes. Pillow's filters take 16 bytes a pixel of a side, its raw rows 2^31 bytes at most.
MAXIMUM_SIDE_PX = 1_000_000
# A pixel takes 8 bytes in a file at most (RGBA of 16 bits), a whole file this much beside them.
_FILE_BYTES_PER_PIXEL, _BESIDE_PIXELS = 8, 2**26
# What decoding takes at its peak: WebP's decoder keeps two canvases; the most of the others was 11, turned by EXIF.
_BYTES_PER_PIXEL = {"WEBP": 20}
_OTHER_BYTES_PER_PIXEL = 11

_waiting = threading.Condition()
_in_hand: list[int] = []


def most_pixels() -> int:
    """A picture of more pixels than this is refused.

    Raises:
        DataError: the environment variable that sets it isn't a number of pixels.
    """
    given = os.environ.get(LIMIT_VARIABLE)
    if given is None:
        return MAXIMUM_PIXELS
    if not given.isdecimal() or int(given) == 0:
        raise DataError(f"{LIMIT_VARIABLE}={given!r} isn't a number of pixels: set it to one like 500000000, or unset it")
    return int(given)


def most_bytes() -> int:
    """A file of more bytes than this holds no picture of at most `most_pixels`.

    Raises:
        DataError: as `most_pixels`.
    """
    return _FILE_BYTES_PER_PIXEL * most_pixels() + _BESIDE_PIXELS


@contextmanager
def in_turn(pixels: int, format: str) -> Iterator[None]:
    """Within it a picture may be decoded: the threads of the process together never take more memory than the largest takes.

    Of 12 megapixels about 27 are decoded at once, at the limit one.

    Args:
        pixels: of the whole picture, at most `most_pixels`.
        format: one of `picture.FORMATS`.
    """
    wanted = pixels * _BYTES_PER_PIXEL.get(format, _OTHER_BYTES_PER_PIXEL)
    budget = most_pixels() * max(_BYTES_PER_PIXEL.values())
    with _waiting:
        _waiting.wait_for(lambda: not _in_hand or sum(_in_hand) + wanted <= budget)
        _in_hand.append(wanted)
    try:
        yield
    finally:
        with _waiting:
            _in_hand.remove(wanted)
            _waiting.notify_all()
