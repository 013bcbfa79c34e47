"""One picture file to RGB pixels: the only decoder there is, so that every framework sees the same bytes."""

from __future__ import annotations

import io
import os
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, TiffImagePlugin, UnidentifiedImageError, WebPImagePlugin

from unfreeze.errors import DataError

# Only these of Pillow's many formats: some others start programs (EPS) or have no business in a folder of photographs.
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF")
# Pillow registers some formats only when their modules are imported, and these must be there before the first `open`.
_REGISTERED = (TiffImagePlugin, WebPImagePlugin)
# A picture of more pixels than this is refused: a small file can unpack to fill the memory. Pillow's own limit.
MAXIMUM_PIXELS = 178_956_970
_WHITE = (255, 255, 255, 255)
_WITH_ALPHA = {"RGBA", "LA", "PA", "RGBa", "La"}
# What turns a picture upright, by its EXIF orientation.
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# Pillow warns of oddities (damaged EXIF, more than 89 million pixels) in pictures that decode well. Ignored once, and
# Pillow's only: `catch_warnings` around each picture isn't safe in threads, and left all warnings ignored.
warnings.filterwarnings("ignore", module=r"PIL\.")


def decode(content: bytes, name: str | Path) -> Image.Image:
    """The picture in `content` as RGB, 8 bits a channel, upright.

    JPEG, PNG, WebP, BMP, TIFF and GIF (the first frame). EXIF orientation is applied; transparency is laid on white;
    grey, palette, CMYK and 16-bit pictures become RGB. 16-bit grey is divided by 257; floating-point grey is taken as
    0–1 where all its finite values are at most 1, else as 0–255, with NaN as 0.

    Args:
        content: the bytes of the file.
        name: what to call it in an error.

    Returns:
        A Pillow image of mode `RGB`, fully decoded.

    Raises:
        DataError: it is empty, no picture of these formats, truncated, damaged, or larger than `MAXIMUM_PIXELS`.
    """
    if not content:
        raise DataError(f"{name}: the file is empty (0 bytes)")
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            if image.width * image.height > MAXIMUM_PIXELS:
                raise DataError(
                    f"{name}: {image.width} × {image.height} pixels, more than the limit of {MAXIMUM_PIXELS} pixels"
                )
            image.load()
            return _to_rgb(_upright(image))
    except DataError:
        raise
    except Image.DecompressionBombError:  # Pillow has the same limit and comes first
        raise DataError(f"{name}: more pixels than the limit of {MAXIMUM_PIXELS} pixels") from None
    except UnidentifiedImageError:
        raise DataError(f"{name}: not a picture in a format that can be read ({', '.join(FORMATS)})") from None
    except Exception as error:  # Pillow's decoders raise almost anything on damaged files; each is "this file is unreadable"
        raise DataError(f"{name}: damaged or truncated ({error or type(error).__name__})") from None


def decoding_threads() -> int:
    """How many threads decode pictures where nothing else is asked for: one per processor core, at most 16."""
    return min(16, os.cpu_count() or 1)


def colour_mode(content: bytes) -> str:
    """How a readable picture file stores its colour, by Pillow's name (`RGB`, `L`, `P`, `CMYK`, `I;16` …)."""
    with Image.open(io.BytesIO(content), formats=FORMATS) as image:
        return image.mode


def read_picture(path: Path) -> Image.Image:
    """`decode` of a file.

    Raises:
        DataError: as `decode`, or the file can't be read.
    """
    return decode(read_bytes(path), path)


def read_bytes(path: Path) -> bytes:
    """The content of a file.

    Raises:
        DataError: it can't be read, with the system's reason.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: can't be read ({error.strerror or error})") from None


def _upright(image: Image.Image) -> Image.Image:
    """A copy, turned as its EXIF orientation says."""
    # Not ImageOps.exif_transpose: it writes the EXIF data back, and fails on a good picture where they are damaged.
    try:
        method = _UPRIGHT.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # anything, as in `decode`: then nothing is known of the orientation
        method = None
    return image.copy() if method is None else image.transpose(method)


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB":
        # A PNG can declare one RGB colour transparent.
        return _on_white(image.convert("RGBA")) if "transparency" in image.info else image
    # Before the next line: Pillow converts 16-bit grey to RGBA by clipping it at 255.
    if image.mode.startswith("I"):
        values = np.array(image, np.float32)
        # A PNG can declare one level of grey transparent.
        values[values == image.info.get("transparency")] = 65535
        return _from_grey(values / np.float32(257))
    if image.mode in _WITH_ALPHA or "transparency" in image.info:
        return _on_white(image.convert("RGBA"))
    if image.mode == "F":
        values = np.asarray(image)
        within_one = float(np.max(values, initial=0, where=np.isfinite(values))) <= 1
        return _from_grey(values * 255 if within_one else values)
    return image.convert("RGB")


def _on_white(image: Image.Image) -> Image.Image:
    background = Image.new("RGBA", image.size, _WHITE)
    return Image.alpha_composite(background, image).convert("RGB")


def _from_grey(values: NDArray[np.float32]) -> Image.Image:
    levels = np.clip(np.rint(np.nan_to_num(values)), 0, 255).astype(np.uint8)
    return Image.fromarray(levels).convert("RGB")
