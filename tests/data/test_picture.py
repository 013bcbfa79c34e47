"""One decoder for every format, mode and oddity; the expected pixels are worked out by hand or by NumPy."""

from __future__ import annotations

import contextlib
import io
import re
import struct
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import simplejpeg
from PIL import Image, TiffImagePlugin

from support.folders import noisy_pixels, scene, write_picture
from unfreeze.data import bounds, picture
from unfreeze.data.picture import decode_pixels, examine, read_pixels
from unfreeze.errors import DataError, PictureError

SIZE = (7, 5)
PIXELS = noisy_pixels((120, 100, 80), SIZE, seed=3)


def decode(content: bytes, name: str) -> Image.Image:
    return Image.fromarray(decode_pixels(content, name))


def encoded(image: Image.Image, format: str, **saving: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **saving)
    return buffer.getvalue()


def pixels(content: bytes) -> np.ndarray:
    image = decode(content, "x")
    assert image.mode == "RGB"
    return np.asarray(image)


def colour(content: bytes) -> tuple[int, ...]:
    """The one colour of a picture that has one colour."""
    values = pixels(content)
    assert (values == values[0, 0]).all()
    return tuple(int(value) for value in values[0, 0])


@pytest.mark.parametrize(
    ("format", "saving"),
    [
        ("PNG", {}),
        ("BMP", {}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("TIFF", {"compression": "tiff_adobe_deflate"}),
        ("WEBP", {"lossless": True}),
    ],
)
def test_lossless_formats_give_back_the_very_pixels(format: str, saving: dict[str, Any]) -> None:
    assert (pixels(encoded(Image.fromarray(PIXELS), format, **saving)) == PIXELS).all()


@pytest.mark.parametrize(("format", "saving"), [("JPEG", {"quality": 95, "subsampling": 0}), ("WEBP", {"quality": 95})])
def test_lossy_formats_come_close(format: str, saving: dict[str, Any]) -> None:
    smooth = np.tile(np.linspace(60, 180, 32, dtype=np.uint8)[:, None, None], (1, 32, 3))
    difference = np.abs(pixels(encoded(Image.fromarray(smooth), format, **saving)).astype(int) - smooth)
    assert difference.max() <= 6


def by_pillow(content: bytes) -> np.ndarray:
    """What Pillow makes of a file that needs no turning."""
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


@pytest.mark.parametrize(
    "saving",
    [
        {"progressive": True},
        {"optimize": True},
        *({"subsampling": way} for way in ("4:4:4", "4:2:2", "4:2:0", "4:1:1")),
        {"keep_rgb": True},
        {"restart_marker_rows": 1},
        {"quality": 1},
    ],
    ids=str,
)
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_jpeg_variants_are_what_pillow_decodes(saving: dict[str, Any], mode: str) -> None:
    large = Image.fromarray(noisy_pixels((120, 100, 80), (83, 61), seed=3))
    for image in (Image.fromarray(PIXELS), large):
        content = encoded(image.convert(mode), "JPEG", **saving)
        assert (pixels(content) == by_pillow(content)).all()


@pytest.mark.parametrize("subsampling", ["440", "411", "422", "420", "Gray"])
def test_subsampling_that_pillow_does_not_write(subsampling: str) -> None:
    large = noisy_pixels((120, 100, 80), (83, 61), seed=3)
    content = simplejpeg.encode_jpeg(large, colorsubsampling=subsampling)
    assert (pixels(content) == by_pillow(content)).all()


def test_array_is_the_image() -> None:
    for format in ("JPEG", "PNG"):
        content = encoded(Image.fromarray(PIXELS), format)
        values = decode_pixels(content, "x")
        assert values.dtype == np.uint8
        assert values.flags.c_contiguous
        assert (values == np.asarray(decode(content, "x"))).all()


def gradient(width: int, height: int) -> Image.Image:
    """A smooth picture, which looks the same at every size."""
    down, across = np.mgrid[0:height, 0:width]
    return Image.fromarray(np.stack([across * 255 / width, down * 255 / height, 0 * down + 90], 2).astype(np.uint8))


class TestLargeJpeg:
    @pytest.mark.parametrize(
        ("short_side_px", "size"),
        [
            (None, (803, 601)),
            (121, (803, 601)),
            (120, (402, 301)),
            (61, (402, 301)),
            (60, (201, 151)),
            (31, (201, 151)),
            (30, (101, 76)),
            (1, (101, 76)),
        ],
    )
    def test_is_decoded_at_a_part_of_its_size(self, short_side_px: int | None, size: tuple[int, int]) -> None:
        content = encoded(gradient(803, 601), "JPEG", quality=95)
        values = decode_pixels(content, "x", short_side_px)
        assert values.shape == (size[1], size[0], 3)
        assert np.abs(values.astype(int) - gradient(*size)).max() <= 8

    @pytest.mark.parametrize("mode", ["L", "CMYK"])
    def test_of_other_colours(self, mode: str) -> None:
        content = encoded(gradient(803, 601).convert(mode), "JPEG", quality=95)
        small = decode_pixels(content, "x", 60)
        assert small.shape == (151, 201, 3)
        assert np.abs(small.astype(int) - gradient(201, 151).convert("L" if mode == "L" else "RGB").convert("RGB")).max() <= 6

    def test_turned(self) -> None:
        exif = Image.Exif()
        exif[0x0112] = 6
        content = encoded(gradient(803, 601), "JPEG", quality=95, exif=exif)
        small = decode_pixels(content, "x", 60)
        assert small.shape == (201, 151, 3)
        assert np.abs(small.astype(int) - np.rot90(np.asarray(gradient(201, 151)).astype(int), -1)).max() <= 4
        assert examine(content, "x")[:3] == (601, 803, "RGB")

    def test_of_several_pictures(self) -> None:
        first, other = gradient(803, 601), Image.new("RGB", (803, 601))
        content = encoded(first, "MPO", save_all=True, append_images=[other], quality=95)
        assert decode_pixels(content, "x", 60).shape == (151, 201, 3)
        assert (decode_pixels(content, "x") == by_pillow(content)).all()
        assert examine(content, "x")[:3] == (803, 601, "RGB")

    def test_other_formats_are_decoded_whole(self) -> None:
        assert decode_pixels(encoded(gradient(80, 60), "PNG"), "x", 1).shape == (60, 80, 3)


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG", "TIFF", "MPO"])
def test_of_several_frames_the_first(format: str) -> None:
    frames = [Image.new("RGB", SIZE, shade) for shade in ((200, 0, 0), (0, 200, 0), (0, 0, 200))]
    saving = {"lossless": True} if format == "WEBP" else {}
    content = encoded(frames[0], format, save_all=True, append_images=frames[1:], **saving)
    assert np.abs(pixels(content).astype(int) - (200, 0, 0)).max() <= (2 if format == "MPO" else 0)


# A matrix that no rotation or reflection leaves as it is, and what a file of each orientation stores of it.
UPRIGHT = np.arange(6, dtype=np.uint8).reshape(2, 3) * 40
STORED = {
    1: UPRIGHT,
    2: UPRIGHT[:, ::-1],
    3: UPRIGHT[::-1, ::-1],
    4: UPRIGHT[::-1],
    5: UPRIGHT.T,
    6: np.rot90(UPRIGHT),
    7: np.rot90(UPRIGHT, 2).T,
    8: np.rot90(UPRIGHT, -1),
}


@pytest.mark.parametrize("format", ["PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", STORED)
def test_exif_orientation_is_applied_once(orientation: int, format: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = Image.fromarray(np.ascontiguousarray(STORED[orientation])).convert("RGB")
    saving = {"lossless": True} if format == "WEBP" else {}
    assert (pixels(encoded(stored, format, exif=exif, **saving))[:, :, 0] == UPRIGHT).all()


@pytest.mark.parametrize("orientation", STORED)
def test_every_exif_orientation_of_a_jpeg(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = np.repeat(np.repeat(STORED[orientation], 16, 0), 16, 1)
    content = encoded(Image.fromarray(stored).convert("RGB"), "JPEG", quality=100, exif=exif)
    assert np.abs(pixels(content)[8::16, 8::16, 0].astype(int) - UPRIGHT).max() <= 1
    assert examine(content, "x")[:2] == (48, 32)


@pytest.mark.parametrize("orientation", [0, 1, 9, 65535])
def test_orientations_that_turn_nothing(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert not examine(encoded(Image.fromarray(PIXELS), "JPEG", exif=exif), "x").turned
    exif[0x0112] = 8
    assert examine(encoded(Image.fromarray(PIXELS), "JPEG", exif=exif), "x").turned


def test_exif_orientation_of_a_jpeg() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    left_red = np.zeros((16, 32, 3), np.uint8)
    left_red[:, :16, 0] = 255
    values = pixels(encoded(Image.fromarray(left_red), "JPEG", quality=100, subsampling=0, exif=exif))
    assert values.shape == (32, 16, 3)
    assert values[:16, :, 0].min() > 250, "turned clockwise, left is on top"
    assert values[16:, :, 0].max() < 5


@pytest.mark.filterwarnings("ignore:Corrupt EXIF:UserWarning")
@pytest.mark.parametrize("exif", [b"garbage here", b"II*\0\x08\0\0\0\xff\xff", b"", b"MM\0*\xff\xff\xff\xff"])
def test_damaged_exif_does_not_cost_the_picture(exif: bytes) -> None:
    # Pillow's exif_transpose raises on the first of these.
    assert (pixels(encoded(Image.fromarray(PIXELS), "PNG", exif=exif)) == PIXELS).all()


def test_grey_becomes_three_equal_channels() -> None:
    values = pixels(encoded(Image.fromarray(PIXELS[:, :, 0]), "PNG"))
    assert (values == PIXELS[:, :, :1]).all()


def test_one_bit_is_black_and_white() -> None:
    bits = PIXELS[:, :, 0] > 120
    for format in ("PNG", "TIFF", "BMP"):
        assert (pixels(encoded(Image.fromarray(bits), format)) == bits[:, :, None] * 255).all()


def test_palette_gives_the_colours_it_stands_for() -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putpixel((1, 0), 1)
    for format in ("PNG", "GIF", "BMP", "TIFF"):
        assert pixels(encoded(image, format)).tolist() == [[[10, 20, 30], [200, 100, 50]]]


@pytest.mark.parametrize("format", ["PNG", "GIF"])
def test_transparent_colour_of_a_palette_is_white(format: str) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putpixel((1, 0), 1)
    assert pixels(encoded(image, format, transparency=0)).tolist() == [[[255, 255, 255], [200, 100, 50]]]


def test_palette_with_an_alpha_for_each_colour() -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([0, 0, 0, 200, 100, 50])
    image.putpixel((1, 0), 1)
    blended, opaque = pixels(encoded(image, "PNG", transparency=bytes([51, 255])))[0].tolist()
    assert blended == [204, 204, 204], "a fifth of black on white"
    assert opaque == [200, 100, 50]


@pytest.mark.parametrize("format", ["PNG", "WEBP", "TIFF"])
def test_alpha_is_laid_on_white(format: str) -> None:
    alpha = np.zeros((1, 3, 4), np.uint8)
    alpha[0, :, :3] = (100, 0, 200)
    alpha[0, :, 3] = (255, 51, 0)
    saving = {"lossless": True, "exact": True} if format == "WEBP" else {}
    values = pixels(encoded(Image.fromarray(alpha), format, **saving))
    assert values.tolist() == [[[100, 0, 200], [224, 204, 244], [255, 255, 255]]]


def test_grey_with_alpha_is_laid_on_white() -> None:
    for format in ("PNG", "TIFF"):
        assert colour(encoded(Image.new("LA", SIZE, (100, 51)), format)) == (224, 224, 224)


@pytest.mark.parametrize(
    ("mode", "level", "transparent", "expected"),
    [
        ("L", 77, 77, 255),
        ("L", 77, 78, 77),
        ("1", 0, 0, 255),
        ("RGB", (1, 2, 3), (1, 2, 3), 255),
    ],
)
def test_one_level_declared_transparent(mode: str, level: Any, transparent: Any, expected: int) -> None:
    assert colour(encoded(Image.new(mode, SIZE, level), "PNG", transparency=transparent)) == (expected,) * 3


def test_other_colours_than_the_transparent_one_stay() -> None:
    assert colour(encoded(Image.new("RGB", SIZE, (1, 2, 3)), "PNG", transparency=(3, 2, 1))) == (1, 2, 3)


def test_cmyk_jpeg() -> None:
    # Full cyan and half yellow, no magenta, no black.
    red, green, blue = colour(encoded(Image.new("CMYK", (16, 16), (255, 0, 128, 0)), "JPEG", quality=100))
    assert red <= 2
    assert green >= 253
    assert abs(blue - 127) <= 2


def test_cmyk_and_ycbcr_tiff() -> None:
    assert colour(encoded(Image.new("CMYK", SIZE, (255, 0, 0, 0)), "TIFF")) == (0, 255, 255)
    assert colour(encoded(Image.new("YCbCr", SIZE, (90, 128, 128)), "TIFF")) == (90, 90, 90)


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_sixteen_bit_grey_keeps_its_whole_range(format: str) -> None:
    levels = np.array([[0, 257, 128, 129, 25700, 65535]], np.uint16)
    assert pixels(encoded(Image.fromarray(levels), format))[0, :, 0].tolist() == [0, 1, 0, 1, 100, 255]


def test_sixteen_bit_grey_big_endian_tiff() -> None:
    image = Image.frombytes("I;16B", (2, 1), np.array([25700, 65535], ">u2").tobytes())
    assert pixels(encoded(image, "TIFF"))[0, :, 0].tolist() == [100, 255]


def test_sixteen_bit_grey_with_a_transparent_level() -> None:
    # Pillow's own way to RGBA clips at 255, so that everything came out white.
    levels = np.array([[25700, 300, 0]], np.uint16)
    assert pixels(encoded(Image.fromarray(levels), "PNG", transparency=300))[0, :, 1].tolist() == [100, 255, 0]


def test_thirty_two_bit_integers_are_read_as_sixteen_bit() -> None:
    levels = np.array([[0, 25700, 65535, 1_000_000]], np.int32)
    assert pixels(encoded(Image.fromarray(levels), "TIFF"))[0, :, 2].tolist() == [0, 100, 255, 255]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0, 0.5, 1], [0, 128, 255]),
        ([0, 0.5, 200, 400], [0, 0, 200, 255]),
        ([-3, 0.2], [0, 51]),
        ([np.nan, 0.2], [0, 51]),
        ([np.inf, 0.2, -np.inf], [255, 51, 0]),
        ([np.nan, np.nan], [0, 0]),
    ],
)
def test_floating_point_tiff(values: list[float], expected: list[int]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        decoded = pixels(encoded(Image.fromarray(np.array([values], np.float32)), "TIFF"))
    assert decoded[0, :, 0].tolist() == expected


def test_examine_gives_size_and_colour_mode_of_the_file() -> None:
    for mode in ("RGB", "L", "P", "CMYK", "I;16", "F", "1"):
        assert examine(encoded(Image.new(mode, SIZE), "TIFF"), "x")[:3] == (*SIZE, mode)
    for mode in ("RGB", "L", "CMYK"):
        assert examine(encoded(Image.new(mode, (70, 51)), "JPEG"), "x")[:3] == (70, 51, mode)


@pytest.mark.parametrize(
    ("mode", "shade", "saving", "expected"),
    [
        ("RGBA", (1, 2, 3, 255), {}, "RGB"),
        ("RGBA", (1, 2, 3, 254), {}, "RGB+alpha"),
        ("LA", (1, 255), {}, "L"),
        ("LA", (1, 0), {}, "L+alpha"),
        ("RGB", (1, 2, 3), {"transparency": (3, 2, 1)}, "RGB"),
        ("RGB", (1, 2, 3), {"transparency": (1, 2, 3)}, "RGB+alpha"),
        ("L", 7, {"transparency": 7}, "L+alpha"),
        ("P", 0, {"transparency": bytes([254])}, "P+alpha"),
        ("P", 0, {"transparency": bytes([255, 0])}, "P"),
        ("I;16", 300, {"transparency": 301}, "I;16"),
        ("I;16", 300, {"transparency": 300}, "I;16+alpha"),
    ],
)
def test_alpha_is_told_where_something_is_transparent(mode: str, shade: Any, saving: dict[str, Any], expected: str) -> None:
    assert examine(encoded(Image.new(mode, SIZE, shade), "PNG", **saving), "x").mode == expected


def deep_png(values: np.ndarray) -> bytes:
    """uint16 [height, width, 2, 3 or 4] as a PNG of 16 bits a channel, which Pillow doesn't write."""
    height, width, channels = values.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    return _png(width, height, 16, {2: 4, 3: 2, 4: 6}[channels], rows)


@pytest.mark.parametrize(
    ("shade", "expected"),
    [
        ((25700, 0, 65535), "RGB;16"),
        ((25700, 0, 65535, 65535), "RGB;16"),
        ((25700, 0, 65535, 9), "RGB;16+alpha"),
        ((25700, 65535), "RGB;16"),
    ],
)
def test_sixteen_bit_colour_of_a_png_is_told(shade: tuple[int, ...], expected: str) -> None:
    assert examine(deep_png(np.full((5, 7, len(shade)), shade, np.uint16)), "x")[:3] == (*SIZE, expected)


@pytest.mark.parametrize("mark", [b"II", b"MM"])
@pytest.mark.parametrize("compression", [1, 8])
def test_sixteen_bit_colour_of_a_tiff_is_told(mark: bytes, compression: int) -> None:
    strip = bytes(7 * 5 * 6)
    if compression == 8:
        strip = zlib.compress(strip)
    start = mark + struct.pack("<HI" if mark == b"II" else ">HI", 42, 8)
    tags = TiffImagePlugin.ImageFileDirectory_v2(start)
    size = {256: 7, 257: 5, 278: 5, 279: len(strip)}
    for tag, value in (size | {258: (16, 16, 16), 259: compression, 262: 2, 273: 0, 277: 3}).items():
        tags[tag] = value
    assert examine(start + tags.tobytes(8) + strip, "x")[:3] == (*SIZE, "RGB;16")


NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40, 3)).astype(np.uint8))


@pytest.mark.parametrize("format", picture.FORMATS)
@pytest.mark.parametrize("part", [0.9, 0.5])
def test_truncated(format: str, part: float) -> None:
    content = encoded(NOISE, format)
    with pytest.raises(DataError, match=r"^x: damaged or truncated \(.+\)$"):
        decode(content[: int(len(content) * part)], "x")


def read_alike(content: bytes) -> None:
    """A damaged JPEG is decoded where Pillow decodes it, to the same pixels, and refused where Pillow refuses it."""
    try:
        expected = by_pillow(content)
    except Exception:
        for read in (decode, examine):
            with pytest.raises(DataError, match=r"^x: (damaged or truncated \(.+\)|not a picture)"):
                read(content, "x")
    else:
        assert (decode_pixels(content, "x") == expected).all()
        with contextlib.suppress(PictureError):  # it asks for more
            assert examine(content, "x")[:2] == expected.shape[1::-1]


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("saving", [{}, {"progressive": True}])
def test_damaged_jpegs_are_what_pillow_makes_of_them(saving: dict[str, Any]) -> None:
    content = encoded(Image.fromarray(noisy_pixels((120, 100, 80), (64, 48), seed=5)), "JPEG", **saving)
    generator = np.random.default_rng(0)
    for _ in range(150):
        damaged = bytearray(content)
        for place in generator.integers(len(content), size=generator.integers(1, 4)):
            damaged[place] ^= int(generator.integers(1, 256))
        read_alike(bytes(damaged))
    for length in (*generator.integers(2, len(content), 30), *(len(content) - few for few in range(1, 8))):
        read_alike(content[:length])
    read_alike(content + b"more after the end")


def holed(content: bytes, how: str) -> bytes:
    """A JPEG without some of its pixels, but with its end."""
    half, end = len(content) // 2, content[-2:]
    return {
        "first half": content[:half] + end,
        "zeros": content[:half] + bytes(half - 2) + end,
        "hole": content[:half] + content[half + 1500 :],
    }[how]


@pytest.mark.parametrize("how", ["first half", "zeros", "hole"])
@pytest.mark.parametrize("saving", [{}, {"progressive": True}, {"restart_marker_rows": 1}], ids=str)
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_jpeg_that_lacks_pixels_is_found(mode: str, saving: dict[str, Any], how: str) -> None:
    content = holed(encoded(scene(1).convert(mode), "JPEG", quality=90, **saving), how)
    with pytest.raises(PictureError, match=r"^x: damaged or truncated \(.+\)$") as caught:
        examine(content, "x")
    assert caught.value.kind == "damaged"


@pytest.mark.parametrize("saving", [{}, {"progressive": True}, {"restart_marker_rows": 1}], ids=str)
def test_a_jpeg_with_more_in_it_than_needed_is_good(saving: dict[str, Any]) -> None:
    content = encoded(scene(1), "JPEG", quality=90, **saving)
    end = content[-2:]
    for good in (content + b"more", content + bytes(999), content + content, content[:-2] + bytes(900) + end):
        assert examine(good, "x") == examine(content, "x")


@pytest.mark.parametrize("part", [0.5, 0.9])
def test_a_cut_animation(part: float) -> None:
    frames = [scene(seed, (80, 80)) for seed in (1, 2, 3)]
    content = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert examine(content, "x").frames == examine(content + b"more", "x").frames == 3
    with pytest.raises(PictureError) as caught:
        examine(content[: int(part * len(content))], "x")
    assert caught.value.kind == "truncated"


def test_corrupted_png() -> None:
    content = bytearray(encoded(NOISE, "PNG"))
    content[len(content) // 2] ^= 0xFF
    with pytest.raises(DataError, match=r"^x: damaged or truncated \(.+\)$"):
        decode(bytes(content), "x")


def test_a_png_of_another_size_than_it_says_is_damaged_for_a_scan_too() -> None:
    content = bytearray(encoded(Image.fromarray(noisy_pixels((99, 120, 80), (64, 64))), "PNG"))
    content[16:24] = struct.pack(">II", 2, 2)
    content[29:33] = struct.pack(">I", zlib.crc32(bytes(content[12:29])))
    for look in (examine, decode_pixels):
        with pytest.raises(PictureError, match="damaged or truncated"):
            look(bytes(content), "a.png")


def test_empty() -> None:
    with pytest.raises(DataError, match=r"^x: the file is empty \(0 bytes\)$"):
        decode(b"", "x")


@pytest.mark.parametrize(
    "content",
    [b"hello", b"P6 1 1 255 abc", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", b"\xff\xd8", b"\0" * 99],
)
def test_not_a_picture_of_these_formats(content: bytes) -> None:
    with pytest.raises(DataError) as caught:
        decode(content, "x")
    assert str(caught.value) == "x: not a picture in a format that can be read (JPEG, PNG, WEBP, BMP, TIFF, GIF)"


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _png(width: int, height: int, depth: int, kind: int, rows: bytes) -> bytes:
    header = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + _chunk(b"IDAT", zlib.compress(rows)) + _chunk(b"IEND", b"")


def test_decompression_bomb_is_refused_unopened() -> None:
    with pytest.raises(DataError, match=r"^x: more pixels than the limit of 178956970 pixels; UNFREEZE_MAX_PIXELS raises it$"):
        decode(_png(20_000, 20_000, 1, 0, b""), "x")


def test_limit_of_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "MAXIMUM_PIXELS", 1600)
    decode(encoded(NOISE, "PNG"), "x")
    with pytest.raises(
        DataError, match=r"^x: 41 × 40 pixels, more than the limit of 1600 pixels; UNFREEZE_MAX_PIXELS raises it$"
    ):
        decode(encoded(NOISE.resize((41, 40)), "PNG"), "x")


def test_threads_leave_the_warnings_of_the_program_alone() -> None:
    # `warnings.catch_warnings` around each picture left "ignore everything" behind when two threads overlapped.
    content = encoded(NOISE.resize((300, 300)), "JPEG")
    before = list(warnings.filters)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: decode(content, "x"), range(200)))
    assert list(warnings.filters) == before


def test_read_pixels(tmp_path: Path) -> None:
    path = write_picture(tmp_path / "a.png", (120, 100, 80), SIZE, seed=3)
    assert (np.asarray(read_pixels(path)) == PIXELS).all()
    assert (read_pixels(path) == PIXELS).all()


def test_read_picture_names_what_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        read_pixels(tmp_path / "gone.png")
    assert str(caught.value) == f"{tmp_path / 'gone.png'}: can't be read (No such file or directory)"
    with pytest.raises(DataError, match=r"can't be read \(Is a directory\)$"):
        read_pixels(tmp_path)


def test_decoder_names_what_decides_pixels() -> None:
    assert re.fullmatch(
        r"pillow [\d.]+, simplejpeg [\d.]+, (cykooz-resizer [\d.]+|resized by pillow), unfreeze \d+", picture.DECODER
    )


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "CMYK", "1", "I;16", "F", "YCbCr"])
def test_strips_are_as_the_whole(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    image = NOISE.convert("L").convert("F").point(lambda value: value * 0.004) if mode == "F" else NOISE.convert("RGBA")
    if mode == "I;16":
        image = Image.fromarray(np.asarray(NOISE.convert("L"), np.uint16) * 200)
    elif mode != "F":
        image = image.convert("L" if mode == "LA" else "RGB" if mode not in ("RGBA", "LA") else mode).convert(mode)
    content = encoded(image, "TIFF" if mode in ("F", "CMYK", "YCbCr") else "PNG")
    whole = decode(content, "x"), examine(content, "x")
    monkeypatch.setattr(picture, "_STRIP_PIXELS", NOISE.width * 7)
    assert decode(content, "x") == whole[0]
    assert examine(content, "x") == whole[1]


def test_a_side_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture, "MAXIMUM_SIDE_PX", 40)
    decode(encoded(NOISE.resize((40, 3)), "PNG"), "x")
    with pytest.raises(DataError, match=r"^x: 41 × 3 pixels, a side of more than 40$"):
        decode(encoded(NOISE.resize((41, 3)), "PNG"), "x")


def test_passes_over_a_jpeg_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    content = encoded(NOISE, "JPEG", progressive=True)
    passes = content.count(b"\xff\xda")
    assert passes > 5
    # A film after the picture, and a preview in its header, may hold what looks like the beginning of a pass.
    preview = b"\xff\xe5" + (2 + 400).to_bytes(2, "big") + b"\xff\xda" * 200
    filled = content[:2] + preview + content[2:] + b"\xff\xda" * 500
    monkeypatch.setattr(bounds, "MAXIMUM_PIXELS", NOISE.width * NOISE.height)
    monkeypatch.setattr(picture, "_MOST_PASSES", passes)
    decode(filled, "x")
    monkeypatch.setattr(picture, "_MOST_PASSES", passes - 1)
    expected = (
        rf"^x: {NOISE.width} × {NOISE.height} pixels in {passes} passes, more than the limit of {passes - 1} for its size$"
    )
    with pytest.raises(DataError, match=expected):
        decode(filled, "x")


def test_pages_of_a_tiff_are_counted_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    content = encoded(NOISE, "TIFF", save_all=True, append_images=[NOISE.resize((5, 4)).convert("L")] * 5)
    assert examine(content, "x").frames == 6
    monkeypatch.setattr(picture, "_MOST_PAGES", 4)
    found = examine(content, "x")
    assert (found.frames, found.width, found.mode) == (4, NOISE.width, "RGB")
    assert decode(content, "x") == NOISE.convert("RGB")


def test_too_little_memory_is_not_taken_for_damage(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(picture, "_pixels", fail)
    with pytest.raises(PictureError, match=r"^x: there is too little memory to decode it$") as caught:
        decode(encoded(NOISE, "PNG"), "x")
    assert caught.value.kind == "too-large"
