"""Small pictures for a page, within a number of bytes, and what the network looked at laid over them."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unfreeze.data.content import read_bytes
from unfreeze.data.picture import decode_pixels, decoding_threads
from unfreeze.data.prepare import prepare, short_side
from unfreeze.errors import DataError
from unfreeze.recipe.network import InputContract
from unfreeze.report.rendering import as_data_url

_SIDE_PX, _QUALITY = 96, 72
_LARGE_SIDE_PX, _LARGE_QUALITY = 192, 76
_AT_ONCE = 32
# From pale yellow to dark red: warm spots can be told on white grounds and on dark ones.
_COLOURS, _STRENGTH = "YlOrRd", 0.72


class Thumbnails:
    """Pictures as data URLs, until their bytes are spent.

    Attributes:
        budget: how many bytes of URLs may still be given.
        lost: pictures that aren't where they were, or can't be read.
        changed: pictures that are other ones by now.
    """

    def __init__(self, files: Mapping[str, Path], contents: Mapping[str, str] | None = None, budget: int | None = None) -> None:
        """
        Args:
            files: where each picture is, by its name.
            contents: the hash of each picture's bytes; one with another hash isn't shown. None checks nothing.
            budget: in bytes; None for no limit.
        """
        self._files, self._contents = files, contents
        self.budget = budget
        self.lost: set[str] = set()
        self.changed: set[str] = set()

    def small(self, names: Iterable[str]) -> dict[str, str]:
        """Pictures of at most 96 px as JPEG, by name, in this order; those for which the bytes don't do aren't in it."""
        made: dict[str, str] = {}
        wanted = list(dict.fromkeys(names))
        with ThreadPoolExecutor(decoding_threads()) as pool:
            for start in range(0, len(wanted), _AT_ONCE):
                if self._is_spent:
                    break
                some = wanted[start : start + _AT_ONCE]
                urls = pool.map(self._small, some)
                made |= {name: url for name, url in zip(some, urls, strict=True) if url is not None and self._spend(url)}
        return made

    def as_seen(self, name: str, contract: InputContract, heat: NDArray[np.float32] | None) -> tuple[str, str | None] | None:
        """A picture as the network gets it, at 192 px, and the same with a map of heat, float32 [h, w] in 0–1, over it."""
        pixels = self._read(name, short_side(contract.with_side(_LARGE_SIDE_PX)))
        if pixels is None:
            return None
        seen = prepare(pixels, contract.with_side(_LARGE_SIDE_PX))
        picture = _jpeg(Image.fromarray(seen), _LARGE_QUALITY)
        warm = None if heat is None else _jpeg(Image.fromarray(laid_over(seen, heat)), _LARGE_QUALITY)
        return (picture, warm if warm is not None and self._spend(warm) else None) if self._spend(picture) else None

    @property
    def _is_spent(self) -> bool:
        return self.budget is not None and self.budget <= 0

    def _spend(self, url: str) -> bool:
        if self.budget is None:
            return True
        if len(url) > self.budget:
            self.budget = 0  # so that not every smaller one is tried
            return False
        self.budget -= len(url)
        return True

    def _small(self, name: str) -> str | None:
        pixels = self._read(name, _SIDE_PX)
        if pixels is None:
            return None
        image = Image.fromarray(pixels)
        image.thumbnail((_SIDE_PX, _SIDE_PX))
        return _jpeg(image, _QUALITY)

    def _read(self, name: str, short_side_px: int) -> NDArray[np.uint8] | None:
        try:
            content = read_bytes(self._files[name])
            if self._contents is not None and hashlib.blake2b(content, digest_size=16).hexdigest() != self._contents.get(name):
                self.changed.add(name)
                return None
            return decode_pixels(content, name, short_side_px)
        except (KeyError, DataError):
            # What is found in data may be about files that never were pictures.
            if self._contents is None or name in self._contents:
                self.lost.add(name)
            return None


def laid_over(pixels: NDArray[np.uint8], heat: NDArray[np.float32]) -> NDArray[np.uint8]:
    """A map over a picture: the warmer a spot, the redder and the less transparent.

    Args:
        pixels: uint8 [S, S, 3], RGB.
        heat: float32 [h, w], 0–1, of the whole picture; it is brought to its size bilinearly.

    Returns:
        uint8 [S, S, 3], RGB.
    """
    import matplotlib  # late: it takes long to import

    height, width = pixels.shape[:2]
    smooth = np.asarray(Image.fromarray(np.nan_to_num(heat)).resize((width, height), Image.Resampling.BILINEAR)).clip(0, 1)
    colours = matplotlib.colormaps[_COLOURS](smooth)[..., :3] * 255
    strength = _STRENGTH * smooth[..., None]
    blended: NDArray[np.uint8] = np.rint(pixels * (1 - strength) + colours * strength).astype(np.uint8)
    return blended


def _jpeg(image: Image.Image, quality: int) -> str:
    content = io.BytesIO()
    image.save(content, "JPEG", quality=quality, optimize=True)
    return as_data_url(content.getvalue(), "image/jpeg")
