"""Dark, bright, plain and blurred pictures are found; good ones aren't."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageFilter

from support.folders import scene, scene_folder
from unfreeze.data import index
from unfreeze.data import scan as scanning
from unfreeze.data.scan import scan
from unfreeze.inspection.finding import DataFinding
from unfreeze.inspection.look import find_in_looks


def found(root: Path) -> dict[str, DataFinding]:
    return {finding.code: finding for finding in find_in_looks(scan(root, closely=True))}


@pytest.fixture
def clean(tmp_path: Path) -> Path:
    return scene_folder(tmp_path / "pictures", {"cat": 3, "dog": 3})


def test_clean(clean: Path) -> None:
    assert found(clean) == {}


@pytest.mark.parametrize(
    ("code", "change"),
    [
        ("dark", lambda image: image.point(lambda level: level * 0.25)),
        ("bright", lambda image: image.point(lambda level: 245 + level * 0.04)),
        ("low-information", lambda image: image.point(lambda level: 120 + level * 0.06)),
        ("blurry", lambda image: image.filter(ImageFilter.GaussianBlur(4))),
        ("blurry", lambda image: image.resize((20, 15)).resize(image.size, Image.Resampling.BICUBIC)),
    ],
)
def test_planted(clean: Path, code: str, change: Callable[[Image.Image], Image.Image]) -> None:
    change(scene(50)).save(clean / "dog" / "odd.png")
    findings = found(clean)
    findings.pop("low-information" if code == "bright" else "", None)  # what is all white has little in it
    (finding,) = findings.values()
    assert (finding.code, finding.severity) == (code, "warning")
    assert finding.pictures == ("dog/odd.png",)
    assert finding.explanation.startswith("1 of 7 pictures is")


def lines(size: tuple[int, int]) -> Image.Image:
    """A thin drawing on white."""
    image = Image.new("RGB", size, "white")
    ImageDraw.Draw(image).line([(60, 60), (200, 90), (120, 210)], "black", 3)
    return image


def spots(size: tuple[int, int]) -> Image.Image:
    """Few bright spots on black, as of fluorescence."""
    image = Image.new("RGB", size, (8, 8, 8))
    for left, upper in ((40, 50), (180, 200)):
        ImageDraw.Draw(image).ellipse((left, upper, left + 7, upper + 7), (220, 220, 220))
    return image


@pytest.mark.parametrize("make", [lines, spots])
@pytest.mark.parametrize("size", [(300, 300), (224, 224)])
def test_nearly_empty_is_good_where_something_is_to_be_seen(
    clean: Path, make: Callable[[tuple[int, int]], Image.Image], size: tuple[int, int]
) -> None:
    make(size).save(clean / "dog" / "clear.png")
    assert found(clean) == {}


def test_what_most_are_like_is_no_defect(clean: Path) -> None:
    for path in clean.rglob("*.jpg"):
        Image.open(path).filter(ImageFilter.GaussianBlur(4)).save(path)
    (finding,) = found(clean).values()
    assert (finding.code, finding.severity) == ("blurry", "note")


def test_a_look_is_taken_once(clean: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "_TICK_NS", 0)
    read: list[str] = []
    monkeypatch.setattr(scanning, "read_bytes", lambda path: read.append(path.name) or path.read_bytes())
    plain = scan(clean, index_folder=tmp_path / "cache")
    assert all(record.look is None for record in plain.records)
    close = scan(clean, index_folder=tmp_path / "cache", closely=True)
    assert all(record.look is not None for record in close.records)
    assert len(read) == 12
    assert scan(clean, index_folder=tmp_path / "cache", closely=True) == close
    assert [record.thumbnail for record in scan(clean, index_folder=tmp_path / "cache").records] == [
        record.thumbnail for record in plain.records
    ]
    assert len(read) == 12
