"""What is planted in the files is found and located; a folder without it gives nothing."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from support.folders import scene, scene_folder, write_picture
from unfreeze.data.scan import scan
from unfreeze.inspection.files import CODES, find_in_files
from unfreeze.inspection.finding import DataFinding

SIDE_PX = 64


def saved(image: Image.Image, format: str, **saving: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **saving)
    return buffer.getvalue()


def found(root: Path) -> dict[str, DataFinding]:
    findings = find_in_files(scan(root), SIDE_PX)
    assert len({finding.code for finding in findings}) == len(findings)
    assert all(finding.code in CODES and finding.explanation and finding.advice for finding in findings)
    return {finding.code: finding for finding in findings}


@pytest.fixture
def clean(tmp_path: Path) -> Path:
    return scene_folder(tmp_path, {"cat": 4, "dog": 4})


def test_clean(clean: Path) -> None:
    assert found(clean) == {}


SCENE = scene(99)
FRAMES = [scene(seed, (80, 80)) for seed in (1, 2, 3)]


def cut(format: str, **saving: object) -> bytes:
    content = saved(SCENE, format, **saving)
    return content[: len(content) * 2 // 3]


def moving(format: str) -> bytes:
    return saved(FRAMES[0], format, save_all=True, append_images=FRAMES[1:])


def flipped(format: str) -> bytes:
    content = bytearray(saved(SCENE, format))
    content[len(content) // 2 : len(content) // 2 + 40] = bytes(40)
    return bytes(content)


def turned(orientation: int = 6) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return saved(SCENE, "JPEG", exif=exif)


def see_through(opacity: int) -> Image.Image:
    """The scene with one corner as opaque as that."""
    image = SCENE.convert("RGBA")
    image.putpixel((0, 0), (9, 9, 9, opacity))
    return image


@pytest.mark.parametrize(
    ("name", "make", "code", "said"),
    [
        ("empty.jpg", lambda: b"", "empty-file", "the file is empty (0 bytes)"),
        ("text.jpg", lambda: b"no picture", "not-a-picture", "not a picture in a format"),
        ("sound.webp", lambda: b"RIFF\x10\0\0\0WAVEfmt data", "not-a-picture", "not a picture in a format"),
        ("cut.jpg", lambda: cut("JPEG"), "truncated", "damaged or truncated"),
        ("cut.progressive.jpg", lambda: cut("JPEG", progressive=True), "truncated", "damaged or truncated"),
        ("cut.png", lambda: cut("PNG"), "truncated", "damaged or truncated"),
        ("cut.gif", lambda: cut("GIF"), "truncated", "damaged or truncated"),
        ("cut.webp", lambda: cut("WEBP"), "truncated", "damaged or truncated"),
        ("cut.bmp", lambda: cut("BMP"), "truncated", "damaged or truncated"),
        ("cut.tif", lambda: cut("TIFF"), "truncated", "damaged or truncated"),
        ("head.jpg", lambda: saved(SCENE, "JPEG")[:100], "truncated", "damaged or truncated"),
        ("half.jpg", lambda: cut("JPEG") + b"\xff\xd9", "damaged", "premature end of data"),
        ("cut animation.gif", lambda: moving("GIF")[:-9000], "truncated", "damaged or truncated"),
        ("flipped.png", lambda: flipped("PNG"), "damaged", "damaged or truncated"),
        ("really.jpg", lambda: saved(SCENE, "PNG"), "wrong-extension", "named .jpg, is PNG"),
        ("really.heic", lambda: saved(SCENE, "JPEG"), "wrong-extension", "named .heic, is JPEG"),
        ("really.png", lambda: saved(SCENE, "WEBP"), "wrong-extension", "named .png, is WEBP"),
        ("moving.gif", lambda: moving("GIF"), "animated", "3 frames"),
        ("moving.webp", lambda: moving("WEBP"), "animated", "3 frames"),
        ("moving.png", lambda: moving("PNG"), "animated", "3 frames"),
        ("pages.tif", lambda: moving("TIFF"), "animated", "3 frames"),
        ("turned.jpg", turned, "exif-turned", "240 × 320 when upright"),
        ("tiny.png", lambda: saved(scene(1, (31, 40)), "PNG"), "tiny", "31 × 40 pixels"),
        ("long.png", lambda: saved(scene(1, (400, 130)), "PNG"), "extreme-aspect", "400 × 130 pixels"),
        ("tall.png", lambda: saved(scene(1, (70, 250)), "PNG"), "extreme-aspect", "70 × 250 pixels"),
        ("print.jpg", lambda: saved(SCENE.convert("CMYK"), "JPEG"), "cmyk", "colour mode CMYK"),
        ("palette.png", lambda: saved(SCENE.convert("P"), "PNG"), "palette", "colour mode P"),
        ("through.png", lambda: saved(see_through(254), "PNG"), "transparency", "colour mode RGB+alpha"),
        ("hole.png", lambda: saved(SCENE, "PNG", transparency=SCENE.getpixel((0, 0))), "transparency", "colour mode RGB+alpha"),
        ("grey.jpg", lambda: saved(SCENE.convert("L"), "JPEG"), "grey-among-colour", "colour mode L"),
        ("grey too.jpg", lambda: saved(SCENE.convert("L").convert("RGB"), "JPEG"), "grey-among-colour", "colour mode RGB"),
    ],
)
def test_planted(clean: Path, name: str, make: Callable[[], bytes], code: str, said: str) -> None:
    (clean / "dog" / name).write_bytes(make())
    (finding,) = found(clean).values()
    assert finding.code == code
    assert finding.pictures == (f"dog/{name}",)
    assert said in finding.details[f"dog/{name}"]
    assert finding.measured == {"files": 1.0}
    assert re.match(r"1 file (is|has|holds|stores|ends|must) ", finding.explanation)


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("IMG_2024.06.00", lambda: saved(SCENE, "JPEG")),
        ("patient 7.left", lambda: saved(SCENE, "PNG")),
        ("shot.JPG", lambda: saved(SCENE, "JPEG")),
        ("opaque.png", lambda: saved(see_through(255), "PNG")),
        ("no hole.png", lambda: saved(SCENE, "PNG", transparency=(0, 0, 0))),
        ("unturned.jpg", lambda: turned(0)),
        ("turned by nonsense.jpg", lambda: turned(9)),
        ("padded.jpg", lambda: saved(SCENE, "JPEG")[:-2] + bytes(40) + b"\xff\xd9" + b"a camera's own data"),
    ],
)
def test_nothing_is_invented(clean: Path, name: str, make: Callable[[], bytes]) -> None:
    (clean / "dog" / name).write_bytes(make())
    assert found(clean) == {}


@pytest.mark.parametrize(
    ("mode", "codes"),
    [
        ("RGB;16", {"high-bit-depth"}),
        ("F", {"high-bit-depth"}),
        ("CMYK;16", {"cmyk", "high-bit-depth"}),
        ("RGB;16+alpha", {"high-bit-depth", "transparency"}),
        ("P+alpha", {"palette", "transparency"}),
    ],
)
def test_modes(clean: Path, mode: str, codes: set[str]) -> None:
    dataset = scan(clean)
    dataset = replace(dataset, records=(replace(dataset.records[0], mode=mode), *dataset.records[1:]))
    assert {finding.code for finding in find_in_files(dataset, SIDE_PX)} == codes


def test_sixteen_bits_are_told_and_are_grey(clean: Path) -> None:
    levels = np.asarray(SCENE.convert("L"), np.uint16) * 257
    Image.fromarray(levels).save(clean / "cat" / "deep.png")
    findings = found(clean)
    assert set(findings) == {"high-bit-depth", "grey-among-colour"}
    assert findings["high-bit-depth"].details == {"cat/deep.png": "colour mode I;16"}


def test_colour_among_grey(tmp_path: Path) -> None:
    for seed in range(8):
        (tmp_path / "ab"[seed % 2]).mkdir(exist_ok=True)
        scene(seed).convert("L" if seed else "RGB").save(tmp_path / "ab"[seed % 2] / f"{seed}.png")
    (finding,) = found(tmp_path).values()
    assert (finding.code, finding.pictures) == ("colour-among-grey", ("a/0.png",))
    scene_folder(tmp_path, {"c": 4}, first_seed=50)
    assert found(tmp_path) == {}, "neither kind is an exception"


def test_what_no_picture_can_be_is_a_note(clean: Path) -> None:
    (clean / "README.txt").write_text("beside the classes")
    (clean / "dog" / ".hidden.jpg").write_text("")
    (finding,) = found(clean).values()
    assert (finding.code, finding.severity) == ("unused-file", "note")
    assert finding.pictures == ("README.txt", "dog/.hidden.jpg")


def test_unreadable(clean: Path) -> None:
    (clean / "dog" / "gone.jpg").symlink_to(clean / "nowhere.jpg")
    (finding,) = found(clean).values()
    assert (finding.code, finding.severity, finding.pictures) == ("unreadable", "error", ("dog/gone.jpg",))


def test_linked_folders(clean: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = scene_folder(tmp_path_factory.mktemp("elsewhere"), {"more": 1})
    (clean / "dog" / "more").symlink_to(elsewhere / "more", target_is_directory=True)
    (finding,) = found(clean).values()
    assert (finding.code, finding.severity, finding.pictures) == ("linked-folder", "warning", ("dog/more",))
    assert finding.explanation == "1 file links to a folder"


def test_limit_of_pixels_can_be_raised(clean: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_picture(clean / "dog" / "large.png", size=(400, 300), seed=1)
    monkeypatch.setenv("UNFREEZE_MAX_PIXELS", str(320 * 240))
    (finding,) = found(clean).values()
    assert (finding.code, finding.pictures) == ("too-large", ("dog/large.png",))
    assert finding.details["dog/large.png"] == (
        "400 × 300 pixels, more than the limit of 76800 pixels; UNFREEZE_MAX_PIXELS raises it"
    )
    monkeypatch.setenv("UNFREEZE_MAX_PIXELS", "120000")
    assert found(clean) == {}


def test_several_of_one_kind_are_one_finding(clean: Path) -> None:
    for name in ("cat/a.jpg", "dog/b.jpg"):
        (clean / name).write_bytes(b"")
    (finding,) = found(clean).values()
    assert finding.explanation == "2 files are empty (0 bytes)"
    assert finding.groups == (("cat/a.jpg",), ("dog/b.jpg",))
