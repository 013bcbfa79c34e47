"""One picture file to RGB pixels: the only decoder there is, so that every framework sees the same bytes."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import io
import os
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import PIL
import simplejpeg
from numpy.typing import NDArray
from PIL import ExifTags, Image, TiffImagePlugin, UnidentifiedImageError, WebPImagePlugin

from unfreeze.data.bounds import LIMIT_VARIABLE, MAXIMUM_SIDE_PX, in_turn, most_pixels
from unfreeze.data.content import read_bytes
from unfreeze.data.look import SIDE_PX, Look, look_at
from unfreeze.data.thumbnail import SIDE_PX as THUMBNAIL_PX
from unfreeze.data.thumbnail import make_thumbnail
from unfreeze.errors import DataError, PictureError

# Only these of Pillow's many formats: some others start programs (EPS) or have no business in a folder of photographs.
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF")
# Pillow registers some formats only when their modules are imported, and these must be there before the first `open`.
_REGISTERED = (TiffImagePlugin, WebPImagePlugin)
# There are no wheels of it for Linux on ARM; without it Pillow resizes.
HAS_FAST_RESIZE = importlib.util.find_spec("cykooz_resizer") is not None
_RESIZER = f"cykooz-resizer {importlib.metadata.version('cykooz-resizer')}" if HAS_FAST_RESIZE else "resized by pillow"
# All that decides pixels, `prepare` included, for whoever keeps what was made of them. The last number is ours: it goes
# up whenever the same file may give other pixels than before.
DECODER = f"pillow {PIL.__version__}, simplejpeg {simplejpeg.__version__}, {_RESIZER}, unfreeze 1"
# libjpeg decodes to 1/2, 1/4 or 1/8 for less than the whole. It is kept this many times larger than what is made of it,
# because its own reduction is coarser than the resize that follows (docs/decisions/0009).
_PARTS = (2, 4, 8)
_SPARE = 2.5
# Pillow calls the pictures of some cameras MPO: a JPEG, and others after it.
_JPEG = ("JPEG", "MPO")
_WHITE = (255, 255, 255, 255)
# Pillow's modes with alpha, and what they are without.
_WITH_ALPHA = {"RGBA": "RGB", "LA": "L", "PA": "P", "RGBa": "RGB", "La": "L"}
# How files of each format begin, and whether one ends before its time.
_BEGINNINGS = {
    "JPEG": b"\xff\xd8\xff",
    "PNG": b"\x89PNG\r\n\x1a\n",
    "GIF": b"GIF8",
    "WEBP": b"RIFF",  # and four bytes later WEBP: sounds and films are RIFF too
    "BMP": b"BM",
    "TIFF": b"II*\0",
    "TIFF (big-endian)": b"MM\0*",
    "BigTIFF": b"II+\0",
}
# Colours are converted in strips of about so many pixels: all at once takes as much memory as the picture, three times over.
_STRIP_PIXELS = 2**22
# Each pass over a JPEG takes as long as decoding it: of the largest picture no more passes than this are made, of smaller
# ones more. Cameras and programs make about ten.
_MOST_PASSES = 20
# Pillow takes a time that grows with the square of their number to count the pages of a TIFF.
_MOST_PAGES = 1000
# What is kept of a decoded picture to make its thumbnail from: twice its side.
_THUMBNAIL_SPARE = 2
# Orientations of EXIF: what is to be done to rows and columns to see the picture upright.
_ON_THE_SIDE = {5, 6, 7, 8}
_UPSIDE_DOWN = {3, 4, 6, 7}
_MIRRORED = {2, 3, 7, 8}
_TURNED = _ON_THE_SIDE | _UPSIDE_DOWN | _MIRRORED
# What libjpeg says of a JPEG that lacks parts of its pixels, which Pillow fills up. It only says the first thing that it
# meets. Markers 0xd0–0xd7, 0xc4 and 0xda are within the pixels; good files too have something superfluous before the end,
# 0xd9: Kaggle's cats and dogs up to 2,226 bytes.
_LACKING = re.compile(
    "premature end of data|bad Huffman code|Inconsistent progression|instead of RST|Invalid JPEG"
    "|extraneous bytes before marker 0x(d[0-7a]|c4)"
)
# Markers of a JPEG: of what begins a scan; any but those within its pixels; of the start and the end.
_PASS = b"\xff\xda"
_MARKER = re.compile(rb"\xff([^\x00\x01\xd0-\xd7\xff])", re.DOTALL)
_START, _END = b"\xd8", b"\xd9"
_SUPERFLUOUS = re.compile(r"(\d+) extraneous bytes")
_MOST_SUPERFLUOUS = 0.25  # of the file

# Pillow warns of oddities (damaged EXIF, more than 89 million pixels) in pictures that decode well. Ignored once, and
# Pillow's only: `catch_warnings` around each picture isn't safe in threads, and left all warnings ignored.
warnings.filterwarnings("ignore", module=r"PIL\.")


def decode_pixels(content: bytes, name: str | Path, short_side_px: int | None = None) -> NDArray[np.uint8]:
    """The picture in `content` as RGB, 8 bits a channel, upright.

    JPEG, PNG, WebP, BMP, TIFF and GIF (the first frame). EXIF orientation is applied; transparency is laid on white;
    grey, palette, CMYK and 16-bit pictures become RGB. 16-bit grey is divided by 257; floating-point grey is taken as
    0–1 where all its finite values are at most 1, else as 0–255, with NaN as 0.

    Args:
        content: the bytes of the file.
        name: what to call it in an error.
        short_side_px: the short side that the picture will be brought to. A large JPEG is then decoded at 1/2, 1/4 or 1/8
            of its size, never below 2.5 times this; None decodes it whole.

    Returns:
        uint8 [height, width, 3], RGB, 0–255; it may be read-only.

    Raises:
        PictureError: it is empty, no picture of these formats, truncated, damaged, or larger than `most_pixels`.
        DataError: the limit of pixels isn't a number.
    """
    with _opened(content, name) as image:
        return _pixels(content, image, 1 if short_side_px is None else _part(image, short_side_px))


class Examined(NamedTuple):
    """What a picture is.

    Attributes:
        width, height: in pixels, upright.
        mode: how the file stores its colour, by Pillow's name (`RGB`, `L`, `P`, `CMYK`, `I;16` …), with `;16` where each
            channel has 16 bits and `+alpha` where some of it is transparent.
        format: by its content, one of `FORMATS`.
        frames: how many pictures are in the file, of a TIFF up to 1,000; only the first is used.
        turned: its EXIF data turn or mirror it.
        thumbnail: as of `make_thumbnail`.
    """

    width: int
    height: int
    mode: str
    format: str
    frames: int
    turned: bool
    thumbnail: bytes


def examine(content: bytes, name: str | Path) -> Examined:
    """Whether a picture can be decoded to its end, and what it is.

    Raises:
        DataError, PictureError: as `decode_pixels`; also where pixels are lacking that `decode_pixels` fills up.
    """
    with _opened(content, name) as image:
        mode = _mode(image)
        if image.format == "PNG":
            # Asked for its EXIF data Pillow decodes it, because they may come last; a second time it lets damage pass.
            image.load()
        turned = _orientation(image) in _TURNED
        frames, format = _frames(image), image.format or ""
        if format not in _JPEG:
            pixels = _pixels(content, image, 1)
            mode += "+alpha" * _is_transparent(image)
            _check_rest(content, image, frames)
            # Pillow turns some formats upright by itself, so that only the pixels tell.
            height, width, _ = pixels.shape
            return Examined(width, height, mode, format, frames, turned, make_thumbnail(pixels))
        # Decoding to an eighth reads the whole file as well.
        part = _part(image, THUMBNAIL_PX, _THUMBNAIL_SPARE)
        width, height = image.size[::-1] if _orientation(image) in _ON_THE_SIDE else image.size
        thumbnail = make_thumbnail(_pixels(content, image, part, strictly=True), (width / part, height / part))
        return Examined(width, height, mode, _JPEG[0], frames, turned, thumbnail)


def look_closely(content: bytes, name: str | Path) -> Look:
    """How a picture looks: a JPEG is decoded to what that takes, which is more than `examine` needs.

    Raises:
        DataError, PictureError: as `decode_pixels`.
    """
    with _opened(content, name) as image:
        return look_at(_pixels(content, image, _part(image, SIDE_PX, 1)))


def read_pixels(path: Path, short_side_px: int | None = None) -> NDArray[np.uint8]:
    """`decode_pixels` of a file.

    Raises:
        DataError, PictureError: as `decode_pixels`, or the file can't be read.
    """
    return decode_pixels(read_bytes(path), path, short_side_px)


def decoding_threads() -> int:
    """How many threads decode pictures where nothing else is asked for: one per processor core, at most 16."""
    return min(16, os.cpu_count() or 1)


@contextmanager
def _opened(content: bytes, name: str | Path) -> Iterator[Image.Image]:
    """The picture, not yet decoded; whatever goes wrong with it inside the `with` becomes a PictureError."""
    if not content:
        raise PictureError("empty-file", f"{name}: the file is empty (0 bytes)")
    limit = most_pixels()
    bound = f"than the limit of {limit} pixels; {LIMIT_VARIABLE} raises it"
    if Image.MAX_IMAGE_PIXELS is not None and limit > 2 * Image.MAX_IMAGE_PIXELS:
        Image.MAX_IMAGE_PIXELS = limit  # Pillow refuses twice this, before it says how large the picture is
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            if image.width * image.height > limit:
                raise PictureError("too-large", f"{name}: {image.width} × {image.height} pixels, more {bound}")
            _check_shape(content, image, name, limit)
            with in_turn(image.width * image.height, image.format or ""):
                yield image
    except DataError:
        raise
    except Image.DecompressionBombError:
        raise PictureError("too-large", f"{name}: more pixels {bound}") from None
    except MemoryError:  # says nothing of the picture
        raise PictureError("too-large", f"{name}: there is too little memory to decode it") from None
    except UnidentifiedImageError:
        begun = next((format for format, beginning in _BEGINNINGS.items() if content.startswith(beginning)), None)
        if begun is not None and (begun != "WEBP" or content[8:12] == b"WEBP"):
            kind = "truncated" if _ends_early(content) else "damaged"
            raise PictureError(kind, f"{name}: damaged or truncated (it begins like {begun})") from None
        message = f"{name}: not a picture in a format that can be read ({', '.join(FORMATS)})"
        raise PictureError("not-a-picture", message) from None
    except Exception as error:  # Pillow's decoders raise almost anything on damaged files; each is "this file is unreadable"
        reason = str(error) or type(error).__name__
        kind = "truncated" if _ends_early(content) or "truncated" in reason else "damaged"
        raise PictureError(kind, f"{name}: damaged or truncated ({reason})") from None


def _check_shape(content: bytes, image: Image.Image, name: str | Path, limit: int) -> None:
    """Refuses what would take for ever, or more memory than its pixels."""
    size = f"{name}: {image.width} × {image.height} pixels"
    if max(image.size) > MAXIMUM_SIDE_PX:
        raise PictureError("too-large", f"{size}, a side of more than {MAXIMUM_SIDE_PX}")
    most = max(1, _MOST_PASSES * limit // (image.width * image.height or 1))
    if image.format in _JPEG and content.count(_PASS) > most and (passes := _passes(content)) > most:
        raise PictureError("too-large", f"{size} in {passes} passes, more than the limit of {most} for its size")


def _passes(content: bytes) -> int:
    """How many times a JPEG goes over its pixels: its scans (ITU-T T.81, B.1.1.3), without those of its preview or a film."""
    passes = place = 0
    while (marker := _MARKER.search(content, place)) and marker[1] != _END:
        passes += marker[1] == _PASS[1:]
        place = marker.end()
        if marker[1] != _START:
            place += int.from_bytes(content[place : place + 2], "big")
    return passes


def _ends_early(content: bytes) -> bool:
    """Whether a file lacks its end, by what each format puts there or says of its length. Nothing is known of TIFF."""
    filled = content.rstrip(b"\0\r\n ")
    if content.startswith(_BEGINNINGS["JPEG"]):
        return not filled.endswith(b"\xff\xd9")
    if content.startswith(_BEGINNINGS["PNG"]):
        return b"IEND" not in content[-64:]
    if content.startswith(_BEGINNINGS["GIF"]):
        return not filled.endswith(b";")
    if content.startswith(_BEGINNINGS["WEBP"]):
        return int.from_bytes(content[4:8], "little") + 8 > len(content)
    if content.startswith(_BEGINNINGS["BMP"]):
        return int.from_bytes(content[2:6], "little") > len(content)
    return False


def _check_rest(content: bytes, image: Image.Image, frames: int) -> None:
    """Raises where there is damage that decoding the first frame doesn't show: in the sums of a PNG, in later frames."""
    if image.format == "PNG":
        with Image.open(io.BytesIO(content), formats=("PNG",)) as again:
            again.verify()
    elif frames > 1 and _ends_early(content) and frames * image.width * image.height <= most_pixels():
        image.seek(frames - 1)
        image.load()


def _mode(image: Image.Image) -> str:
    """How a picture that isn't decoded yet stores its opaque colour."""
    # Pillow has no modes for colour of 16 bits, only ways to read it.
    is_deep = not image.mode.startswith("I") and any(
        re.search(";16[BLN]", str(tile.args)) for tile in getattr(image, "tile", ())
    )
    return _WITH_ALPHA.get(image.mode, image.mode) + ";16" * is_deep


def _is_transparent(image: Image.Image) -> bool:
    """Whether any pixel of a decoded picture isn't opaque."""
    if not image.has_transparency_data:
        return False
    if image.mode.startswith("I"):
        return any((np.asarray(strip) == image.info["transparency"]).any() for _, strip in _strips(image))
    return any(strip.convert("RGBA").getchannel("A").getextrema() != (255, 255) for _, strip in _strips(image))


def _frames(image: Image.Image) -> int:
    if image.format == "MPO":  # a camera's preview of the same picture, not another frame
        return 1
    try:
        return _pages(image) if image.format == "TIFF" else int(getattr(image, "n_frames", 1))
    except Exception:  # anything, as in `_opened`: the first can be good where those after it are not
        return 1


def _pages(image: Image.Image) -> int:
    try:
        for page in range(1, _MOST_PAGES):
            image.seek(page)
    except EOFError:
        return page
    finally:
        image.seek(0)
    return _MOST_PAGES


def _pixels(content: bytes, image: Image.Image, part: int, strictly: bool = False) -> NDArray[np.uint8]:
    """All of the picture, upright; a JPEG at 1 / `part` of its size, `strictly` only where it lacks nothing."""
    pixels = _jpeg_pixels(content, image, part, strictly)
    if pixels is None:
        if part > 1:
            image.draft(None, (image.width // part, image.height // part))  # of no effect on other formats than JPEG
        image.load()
        orientation = _orientation(image)
        pixels = _rgb(image)
    else:
        orientation = _orientation(image)
    return _upright(pixels, orientation)


def _jpeg_pixels(content: bytes, image: Image.Image, part: int, strictly: bool) -> NDArray[np.uint8] | None:
    """What Pillow gives for an ordinary JPEG, byte for byte, by the same library without Pillow's copies; else None."""
    is_cmyk = image.mode == "CMYK"  # read by Pillow, but its faults are told here
    if image.format not in _JPEG or (is_cmyk and not strictly):
        return None
    width, height = image.size
    smallest = {"min_width": -(-width // part), "min_height": -(-height // part), "min_factor": part}
    try:
        if simplejpeg.decode_jpeg_header(content)[:2] != (height, width):
            return None  # what was allowed is the size that Pillow read
        # It refuses whatever isn't in order; what can be made of a damaged file, and what to say of it, is for Pillow.
        pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(content, "CMYK" if is_cmyk else "RGB", **smallest)
    except ValueError as error:
        if strictly and _lacks_pixels(str(error), len(content)):
            raise
        return None
    return None if is_cmyk else pixels


def _lacks_pixels(message: str, size: int) -> bool:
    superfluous = _SUPERFLUOUS.search(message)
    return bool(_LACKING.search(message)) or (superfluous is not None and int(superfluous[1]) > _MOST_SUPERFLUOUS * size)


def _part(image: Image.Image, short_side_px: int, spare: float = _SPARE) -> int:
    """The smallest part, as its denominator, of which a picture keeps `spare` times the short side wanted."""
    enough = [part for part in _PARTS if min(image.size) // part >= spare * short_side_px]
    return enough[-1] if enough else 1


def _orientation(image: Image.Image) -> int:
    # Not ImageOps.exif_transpose: it writes the EXIF data back, and fails on a good picture where they are damaged.
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # anything, as in `_opened`: then nothing is known of the orientation
        return 1


def _upright(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    if orientation in _UPSIDE_DOWN:
        pixels = pixels[::-1]
    if orientation in _MIRRORED:
        pixels = pixels[:, ::-1]
    if orientation in _ON_THE_SIDE:
        pixels = pixels.transpose(1, 0, 2)
    return np.ascontiguousarray(pixels)


def _strips(image: Image.Image) -> Iterator[tuple[int, Image.Image]]:
    """A decoded picture from top to bottom, with the row at which each strip begins."""
    rows = max(1, _STRIP_PIXELS // image.width)
    if image.height <= rows:
        yield 0, image
        return
    for top in range(0, image.height, rows):
        yield top, image.crop((0, top, image.width, min(top + rows, image.height)))


def _rgb(image: Image.Image) -> NDArray[np.uint8]:
    scale = 255 if image.mode == "F" and all(_is_within_one(strip) for _, strip in _strips(image)) else 1
    if image.width * image.height <= _STRIP_PIXELS:
        return np.asarray(_to_rgb(image, scale))
    rgb = np.empty((image.height, image.width, 3), np.uint8)
    for top, strip in _strips(image):
        rgb[top : top + strip.height] = np.asarray(_to_rgb(strip, scale))
    return rgb


def _is_within_one(image: Image.Image) -> bool:
    values = np.asarray(image)
    return float(np.max(values, initial=0, where=np.isfinite(values))) <= 1


def _to_rgb(image: Image.Image, scale: int) -> Image.Image:
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
        return _from_grey(values if scale == 1 else values * scale)
    return image.convert("RGB")


def _on_white(image: Image.Image) -> Image.Image:
    background = Image.new("RGBA", image.size, _WHITE)
    return Image.alpha_composite(background, image).convert("RGB")


def _from_grey(values: NDArray[np.float32]) -> Image.Image:
    levels = np.clip(np.rint(np.nan_to_num(values)), 0, 255).astype(np.uint8)
    return Image.fromarray(levels).convert("RGB")
