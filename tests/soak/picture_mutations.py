"""Pictures in every format, changed in ways that disks, networks, programs and attackers change them; and bombs."""

from __future__ import annotations

import functools
import io
import struct
import zlib
from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np
from PIL import Image, ImageCms

from support.folders import noisy_pixels, scene

Mutation = Callable[[bytes, Random], bytes]


@functools.cache
def bases() -> dict[str, tuple[str, bytes]]:
    """Name -> ending and content of a good file of each kind that is read."""
    photo = scene(1, (96, 72))
    clear = Image.fromarray(np.dstack([np.asarray(photo), np.asarray(photo.convert("L"))]))
    deep = Image.fromarray(np.asarray(photo.convert("L"), np.uint16) * 257)
    turned = Image.Exif()
    turned[0x0112], turned[0x010E], turned[0x010F] = 6, "described", "a camera"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    frames = [scene(seed, (48, 40)) for seed in range(2, 6)]
    return {
        "JPEG": (".jpg", _saved(photo, "JPEG")),
        "JPEG, progressive": (".jpeg", _saved(photo, "JPEG", progressive=True)),
        "JPEG, grey": (".jpg", _saved(photo.convert("L"), "JPEG")),
        "JPEG, CMYK": (".jpg", _saved(photo.convert("CMYK"), "JPEG")),
        "JPEG, turned, with a profile": (".JPG", _saved(photo, "JPEG", exif=turned, icc_profile=profile, comment=b"by hand")),
        "JPEG, restarts": (".jpg", _saved(photo, "JPEG", restart_marker_rows=1)),
        "MPO": (".jpg", _saved(frames[0], "MPO", save_all=True, append_images=frames[1:2])),
        "PNG": (".png", _saved(photo, "PNG", exif=turned, icc_profile=profile)),
        "PNG, alpha": (".png", _saved(clear, "PNG")),
        "PNG, grey and alpha": (".png", _saved(clear.convert("LA"), "PNG")),
        "PNG, 16 bits": (".png", _saved(deep, "PNG")),
        "PNG, 1 bit": (".png", _saved(photo.convert("1"), "PNG")),
        "PNG, palette, transparent": (".png", _saved(photo.quantize(17), "PNG", transparency=b"\0\x80\xff")),
        "APNG": (".png", _saved(frames[0], "PNG", save_all=True, append_images=frames[1:])),
        "GIF": (".gif", _saved(photo.quantize(64), "GIF", transparency=3)),
        "GIF, animated": (".gif", _saved(frames[0], "GIF", save_all=True, append_images=frames[1:], disposal=2)),
        "WebP": (".webp", _saved(photo, "WEBP", exif=turned, icc_profile=profile)),
        "WebP, lossless, alpha": (".webp", _saved(clear, "WEBP", lossless=True)),
        "WebP, animated": (".webp", _saved(frames[0], "WEBP", save_all=True, append_images=frames[1:])),
        "BMP": (".bmp", _saved(photo, "BMP")),
        "BMP, palette": (".bmp", _saved(photo.quantize(200), "BMP")),
        "BMP, runs": (".bmp", _bmp_of_runs(64, 48)),
        "TIFF": (".tif", _saved(photo, "TIFF")),
        "TIFF, LZW": (".tiff", _saved(photo, "TIFF", compression="tiff_lzw")),
        "TIFF, JPEG": (".tif", _saved(photo, "TIFF", compression="jpeg")),
        "TIFF, fax": (".tif", _saved(photo.convert("1"), "TIFF", compression="group4")),
        "TIFF, 16 bits": (".tif", _saved(deep, "TIFF", compression="tiff_adobe_deflate")),
        "TIFF, floating point": (".tif", _saved(photo.convert("F"), "TIFF")),
        "TIFF, CMYK": (".tif", _saved(photo.convert("CMYK"), "TIFF")),
        "TIFF, Lab": (".tif", _saved(photo.convert("LAB"), "TIFF")),
        "TIFF, pages": (".tif", _saved(frames[0], "TIFF", save_all=True, append_images=frames[1:])),
        "BigTIFF": (".tif", _saved(photo, "TIFF", big_tiff=True)),
    }  # fmt: skip


def mutated(number: int, seed: int) -> tuple[str, str, bytes]:
    """The kind, the ending and the content of one mutated file; every kind meets every base in turn."""
    random = Random(f"{seed} {number}")
    kind = [*MUTATIONS][number % len(MUTATIONS)]
    ending, content = [*bases().values()][(number // len(MUTATIONS)) % len(bases())]
    endings = (".jpg", ".png", ".gif", ".webp", ".bmp", ".tiff", ".txt", "", ".jpg.exe", ".JPEG", ".heic", ".svg")
    return kind, random.choice(endings) if kind == "another ending" else ending, MUTATIONS[kind](content, random)


def _saved(image: Image.Image, format: str, **saving: Any) -> bytes:
    file = io.BytesIO()
    if "append_images" in saving:  # `save` leaves settings of a format on what it saves
        saving["append_images"] = [each.copy() for each in saving["append_images"]]
    image.copy().save(file, format, **saving)
    return file.getvalue()


def _cut(content: bytes, random: Random) -> bytes:
    return content[: random.randrange(len(content))]


def _flip(first: int, last: int | None, most: int) -> Mutation:
    """Flips up to `most` bits of the bytes from `first` to `last`."""

    def flip(content: bytes, random: Random) -> bytes:
        changed = bytearray(content)
        end = min(len(content), last or len(content))
        for _ in range(random.randint(1, most)):
            changed[random.randrange(first, end)] ^= 1 << random.randrange(8)
        return bytes(changed)

    return flip


def _bytes_set(value: int) -> Mutation:
    """Sets a few neighbouring bytes of the header: a length, a count, a size that is then 0 or as large as can be."""

    def set_bytes(content: bytes, random: Random) -> bytes:
        start, length = random.randrange(2, min(400, len(content))), random.choice((1, 2, 4, 8))
        return content[:start] + bytes([value]) * length + content[start + length :]

    return set_bytes


def _spliced(content: bytes, random: Random) -> bytes:
    _, other = random.choice([*bases().values()])
    return content[: random.randrange(len(content))] + other[random.randrange(len(other)) :]


def _headed(content: bytes, random: Random) -> bytes:
    """With the first bytes of another format."""
    _, other = random.choice([*bases().values()])
    length = random.choice((2, 4, 12, 32))
    return other[:length] + content[length:]


def _repeated(content: bytes, random: Random) -> bytes:
    start = random.randrange(len(content))
    end = min(len(content), start + random.choice((16, 256, 4096)))
    return content[:end] + content[start:end] * random.choice((1, 3, 50)) + content[end:]


def _dropped(content: bytes, random: Random) -> bytes:
    start = random.randrange(len(content))
    return content[:start] + content[start + random.choice((1, 2, 16, 512)) :]


def _holed(content: bytes, random: Random) -> bytes:
    """With a sector of zeros, as disks leave them."""
    start, length = random.randrange(len(content)), random.choice((32, 512, 4096))
    return (content[:start] + b"\0" * length)[: len(content)] + content[start + length :]


def _noisy(content: bytes, random: Random) -> bytes:
    start = random.randrange(len(content))
    noise = random.randbytes(random.choice((8, 64, 1024)))
    return content[:start] + noise + content[start + len(noise) :]


def _sized(content: bytes, random: Random) -> bytes:
    """With another width and height in its header, in the formats where they are easily found."""
    sides = [random.choice((0, 1, 2, 255, 4096, 65_535, 2**31 - 1, 2**32 - 1)) for _ in range(2)]
    width, height = sides
    if content.startswith(b"\x89PNG"):
        header = struct.pack(">II", width, height) + content[24:29]
        return content[:12] + b"IHDR" + header + struct.pack(">I", zlib.crc32(b"IHDR" + header)) + content[33:]
    if content.startswith(b"GIF"):
        return content[:6] + struct.pack("<HH", width & 0xFFFF, height & 0xFFFF) + content[10:]
    if content.startswith(b"BM"):
        return content[:18] + struct.pack("<II", width, height) + content[26:]
    if content.startswith(b"RIFF"):
        return content[:24] + random.randbytes(6) + content[30:]
    if content.startswith(b"\xff\xd8"):
        places = [place for mark in (b"\xff\xc0", b"\xff\xc2") if (place := content.find(mark)) > 0]
        if places:
            place = min(places) + 5
            return content[:place] + struct.pack(">HH", height & 0xFFFF, width & 0xFFFF) + content[place + 4 :]
    return _tagged((0x100, 0x101, 0x102, 0x115, 0x116, 0x117, 0x142, 0x143))(content, random)


def _tagged(tags: tuple[int, ...]) -> Mutation:
    """With the type, count or value of one of these tags of a TIFF or of EXIF data changed."""

    def change(content: bytes, random: Random) -> bytes:
        for order in ("<", ">"):
            found = [place for tag in tags if (place := content.find(struct.pack(f"{order}H", tag), 8)) > 0]
            if found:
                place = random.choice(found)
                value = random.choice((0, 1, 3, 9, 255, 65_535, 2**31, 2**32 - 1, len(content)))
                offset, form = random.choice(((2, "H"), (4, "I"), (8, "I")))
                packed = struct.pack(order + form, value & (0xFFFF if form == "H" else 0xFFFFFFFF))
                return content[: place + offset] + packed + content[place + offset + len(packed) :]
        return _flip(0, 64, 8)(content, random)

    return change


def _with_profile(content: bytes, random: Random) -> bytes:
    """With a colour profile that is none, cut, or huge."""
    with Image.open(io.BytesIO(content)) as image:
        format = image.format if image.format in ("JPEG", "PNG", "WEBP", "TIFF") else "PNG"
        mode = image.mode if format == "TIFF" or image.mode in ("L", "RGB") else "RGB"
        profile = random.choice((b"not a profile", b"\0" * 128, random.randbytes(3000), b"\xff" * 200_000))
        image = image.convert("RGBA") if image.mode == "P" else image  # Pillow warns of transparent palettes
        return _saved(image.convert(mode), format, icc_profile=profile)


def _with_exif(content: bytes, random: Random) -> bytes:
    """With EXIF data that are damaged, or point at themselves."""
    entries = b"".join(struct.pack("<HHII", tag, 7, 60_000, 8) for tag in range(1, 600))
    exif = random.choice((
        b"Exif\0\0", b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x09\0\0\0\x08\0\0\0",
        b"Exif\0\0" + random.randbytes(500),
        b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", 599) + entries + bytes(50_000), b"Exif\0\0MM\0*\xff\xff\xff\xff",
        b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x05\0\x01\0\0\0\x1a\0\0\0" + bytes(20),
    ))  # fmt: skip
    with Image.open(io.BytesIO(content)) as image:
        format = image.format if image.format in ("JPEG", "PNG", "WEBP") else "JPEG"
        return _saved(image.convert("RGBA").convert("RGB"), format, exif=exif)


def _other(content: bytes, random: Random) -> bytes:
    """Something else altogether, under the same name."""
    return random.choice((
        b"", b"\0", b"\0" * 10_000, b"just a text\n", "ein Täxt\n".encode() * 100, b"<html><img src=x></html>",
        b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>', b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        b"%PDF-1.7\n", b"PK\x03\x04" + bytes(40), b"8BPS\0\x01" + bytes(60), b"\0\0\x01\0\x01\0\x10\x10" + bytes(60),
        b"P6 9 9 255\n", b"P6 99999 99999 255\n",
        b"\x1f\x8b" + bytes(20), b"\xff\xd8\xff", b"\xff\xd8\xff\xd9", b"\xff\xd8" * 500, b"GIF89a",
        b"BM", b"II*\0", b"MM\0*\0\0\0\x08\0\0", b"RIFF\x24\0\0\0WAVEfmt " + bytes(30), b"RIFF\0\0\0\0WEBP",
        b"\x89PNG\r\n\x1a\n", b"\0\0\0\x18ftypheic" + bytes(30), random.randbytes(5000), b"\xff" * 5000,
    ))  # fmt: skip


def _ended_late(content: bytes, random: Random) -> bytes:
    """With something after its end: another picture, a film, a program."""
    _, other = random.choice([*bases().values()])
    return content + random.choice(
        (other, content, b"\0" * 70_000, random.randbytes(3000), b"#!/bin/sh\nrm x\n", b"PK\x05\x06" + bytes(18))
    )


def _text_mode(content: bytes, random: Random) -> bytes:
    """As FTP's text mode, mail programs and editors leave it."""
    return random.choice((
        content.replace(b"\r\n", b"\n"), content.replace(b"\n", b"\r\n"), content.decode("latin-1").encode(),
        content.decode("utf-8", "replace").encode(), bytes(byte & 127 for byte in content), b"\xef\xbb\xbf" + content,
        content.hex().encode(), content[::-1],
    ))  # fmt: skip


MUTATIONS: dict[str, Mutation] = {
    "as it was": lambda content, random: content,
    "cut off": _cut,
    "cut off in its header": lambda content, random: content[: random.randrange(min(64, len(content)))],
    "a bit flipped": _flip(0, None, 1),
    "bits flipped": _flip(0, None, 60),
    "bits of the header flipped": _flip(0, 64, 8),
    "zeros in the header": _bytes_set(0),
    "ones in the header": _bytes_set(255),
    "another size": _sized,
    "another value of a tag": _tagged((*range(0x100, 0x11B), 0x13D, 0x140, 0x142, 0x153)),
    "a sector of zeros": _holed,
    "noise": _noisy,
    "a part twice": _repeated,
    "a part gone": _dropped,
    "spliced with another": _spliced,
    "the head of another": _headed,
    "another ending": lambda content, random: content,
    "a colour profile that is none": _with_profile,
    "damaged EXIF": _with_exif,
    "something after its end": _ended_late,
    "through a text mode": _text_mode,
    "no picture": _other,
}  # fmt: skip


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _png(width: int, height: int, depth: int = 8, colour: int = 2, rows: bytes = b"", more: bytes = b"") -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + more + _chunk(b"IDAT", zlib.compress(rows, 9)) + _chunk(b"IEND", b"")
    )


def _large_chunk(kind: bytes) -> bytes:
    return _chunk(kind, b"a\0\0" + zlib.compress(bytes(100_000_000), 9))


def _bmp_of_runs(width: int, height: int, runs: bytes | None = None) -> bytes:
    if runs is None:
        runs = b"".join(bytes([width, row % 256]) + b"\0\0" for row in range(height)) + b"\0\1"
    palette = b"".join(bytes([level, level, 255 - level, 0]) for level in range(256))
    head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, len(runs), 0, 0, 256, 0)
    return b"BM" + struct.pack("<IHHI", 1078 + len(runs), 0, 0, 1078) + head + palette + runs


def _gif_of(width: int, height: int, frames: int, ended: bool = True) -> bytes:
    content = _saved(Image.new("P", (width, height)), "GIF")
    start = content.rindex(b",\0\0\0\0")
    return content[:start] + content[start:-1] * frames + b";" * ended


def _jpeg_of_passes(side: int, passes: int) -> bytes:
    content = _saved(Image.new("RGB", (side, side)), "JPEG", quality=5, progressive=True)
    start = content.rindex(b"\xff\xda")
    return content[:start] + content[start:-2] * passes + content[-2:]


def _tiff_of_pages(pages: int) -> bytes:
    """A TIFF with its directory again and again, all of the same pixels."""
    content = bytearray(_saved(Image.new("1", (8, 8)), "TIFF"))
    start = struct.unpack("<I", content[4:8])[0]
    length = 2 + 12 * struct.unpack("<H", content[start : start + 2])[0]
    directory = content[start : start + length]
    content[start + length : start + length + 4] = struct.pack("<I", len(content))
    for page in range(1, pages):
        after = len(content) + length + 4
        content += directory + struct.pack("<I", after if page < pages - 1 else 0)
    return bytes(content)


def _tiff_of_tags(entries: int, size: int) -> bytes:
    """A TIFF of which every tag points at the same bytes, all of the file."""
    tags = [
        (0x100, 4, 1, 8),
        (0x101, 4, 1, 8),
        (0x102, 3, 1, 8),
        (0x103, 3, 1, 1),
        (0x106, 3, 1, 1),
        (0x111, 4, 1, 8),
        (0x117, 4, 1, 64),
    ]
    tags += [(0x8000 + number, 7, size, 8) for number in range(entries)]
    directory = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags) + bytes(4)
    return b"II*\0" + struct.pack("<I", 8 + size) + bytes(size) + directory


def _jpeg_of_tags(segments: int) -> bytes:
    """A JPEG with EXIF data in many segments, of which every tag points at all of them."""
    size = segments * 60_000
    entries = b"".join(struct.pack("<HHII", 0x8000 + number, 7, size, 8) for number in range(4000))
    exif = b"II*\0\x08\0\0\0" + struct.pack("<H", 4000) + entries + bytes(size)
    parts = b"".join(
        b"\xff\xe1" + struct.pack(">H", 2 + 6 + len(part)) + b"Exif\0\0" + part
        for part in (exif[start : start + 60_000] for start in range(0, len(exif), 60_000))
    )
    content = _saved(scene(1, (64, 48)), "JPEG")
    return content[:2] + parts + content[2:]


def _webp_canvas(width: int, height: int) -> bytes:
    """An animated WebP whose canvas is huge and whose frame is small."""
    frame = _saved(Image.new("RGB", (8, 8)), "WEBP", lossless=True)[12:]
    sides = lambda *values: b"".join(struct.pack("<I", value)[:3] for value in values)  # noqa: E731
    head = b"VP8X" + struct.pack("<I", 10) + b"\x02\0\0\0" + sides(width - 1, height - 1)
    one = sides(0, 0, 7, 7, 100) + b"\0" + frame
    body = head + b"ANIM" + struct.pack("<IIH", 6, 0, 0) + b"ANMF" + struct.pack("<I", len(one)) + one
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def _noise(side: int) -> Image.Image:
    return Image.fromarray(noisy_pixels((128, 128, 128), (side, side)))


# Small files that take much memory or time unless something stops them. The limit of pixels is 4 million where they are tried.
BOMBS: dict[str, Callable[[], tuple[str, bytes]]] = {
    "PNG of 20,000 × 20,000": lambda: (".png", _png(20_000, 20_000, 1, 0, bytes(2501 * 9000))),
    "PNG of 2 billion × 2 billion": lambda: (".png", _png(2**31 - 1, 2**31 - 1)),
    "PNG of 1 × 3,900,000": lambda: (".png", _png(1, 3_900_000, 8, 0, bytes(2 * 3_900_000))),
    "PNG of 3,900,000 × 1": lambda: (".png", _png(3_900_000, 1, 8, 0, bytes(3_900_001))),
    "PNG with a text of 100 MB": lambda: (".png", _png(8, 8, 8, 0, bytes(72), _large_chunk(b"zTXt"))),
    "PNG with a profile of 100 MB": lambda: (".png", _png(8, 8, 8, 0, bytes(72), _large_chunk(b"iCCP"))),
    "PNG whose pixels go on for 100 MB": lambda: (".png", _png(8, 8, 8, 0, bytes(100_000_000))),
    "PNG in 60,000 chunks": lambda: (".png", _png(8, 8, 8, 0, bytes(72), _chunk(b"tEXt", b"a\0b") * 60_000)),
    "JPEG of 65,500 × 65,500": lambda: (".jpg", _resized_jpeg(65_500, 65_500)),
    "JPEG of 65,500 × 60": lambda: (".jpg", _resized_jpeg(65_500, 60)),
    "JPEG, progressive, in 20,000 passes": lambda: (".jpg", _jpeg_of_passes(1900, 20_000)),
    "JPEG, all tags at the same bytes": lambda: (".jpg", _jpeg_of_tags(20)),
    "TIFF, all tags at the same bytes": lambda: (".tif", _tiff_of_tags(20_000, 1_000_000)),
    "TIFF of 30,000 pages": lambda: (".tif", _tiff_of_pages(30_000)),
    "TIFF of 3,000 × 3,000": lambda: (".tif", _saved(Image.new("1", (3000, 3000)), "TIFF", compression="group4")),
    "GIF of 65,535 × 65,535": lambda: (".gif", _gif_of(8, 8, 1)[:6] + b"\xff\xff\xff\xff" + _gif_of(8, 8, 1)[10:]),
    "GIF of 100,000 frames": lambda: (".gif", _gif_of(8, 8, 100_000)),
    "GIF of 100,000 frames, cut off": lambda: (".gif", _gif_of(8, 8, 100_000, ended=False)),
    "GIF of 500 large frames, cut off": lambda: (".gif", _gif_of(1900, 1900, 500, ended=False)),
    "WebP with a canvas of 16,383 × 16,383": lambda: (".webp", _webp_canvas(16_383, 16_383)),
    "WebP with a canvas of 65,536 × 65,535": lambda: (".webp", _webp_canvas(65_536, 65_535)),
    "WebP of 4,000 × 4,000": lambda: (".webp", _saved(Image.new("L", (4000, 4000)), "WEBP", lossless=True)),
    "BMP of runs, 3,900,000 × 1": lambda: (".bmp", _bmp_of_runs(3_900_000, 1, b"\0\2\xff\xff" * 100)),
    "BMP of runs, 1,900 × 2,000": lambda: (".bmp", _bmp_of_runs(1900, 2000, b"\0\2\xff\xff" * 100)),
    "BMP of 2 billion × 1": lambda: (".bmp", _bmp_of_runs(2**31 - 1, 1, b"\0\1")),
    "BMP of 30,000 × 30,000": lambda: (".bmp", _bmp_of_runs(30_000, 30_000, b"\0\1")),
}  # fmt: skip


def _resized_jpeg(width: int, height: int) -> bytes:
    content = _saved(_noise(64), "JPEG")
    place = content.find(b"\xff\xc0") + 5
    return content[:place] + struct.pack(">HH", height, width) + content[place + 4 :]
