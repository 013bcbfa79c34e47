"""The counts per class as a picture."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from support.made_up import pixels_of
from unfreeze.inspection.inspection import Inspection
from unfreeze.report.counts import _COLOURS, draw_counts

PNG = b"\x89PNG\r\n\x1a\n"


def inspection(counts, classes=("cat", "dog")):
    return Inspection(
        root="data", classes=tuple(classes), counts=counts, imbalance=1.0, sides_px=(8, 8, 8), modes={"RGB": 1},
        left_out=(), decisions=(), findings=(),
    )  # fmt: skip


SPLIT = {
    "train": {"cat": 70, "dog": 35},
    "validation": {"cat": 15, "dog": 8},
    "test": {"cat": 15, "dog": 0},
}


def area(path, colour):
    """How many pixels have the colour of a split."""
    pixels = pixels_of(path)
    return int((np.abs(pixels - np.round(np.array(to_rgb(colour)) * 255)).max(axis=2) <= 1).sum())


def test_the_same_numbers_give_the_same_bytes(tmp_path):
    for name in ("a.png", "b.png"):
        draw_counts(inspection(SPLIT), tmp_path / name)
    content = (tmp_path / "a.png").read_bytes()
    assert content.startswith(PNG)
    assert content == (tmp_path / "b.png").read_bytes()


def test_bars_are_as_long_as_the_counts(tmp_path):
    draw_counts(inspection(SPLIT), tmp_path / "c.png")
    train, validation = (area(tmp_path / "c.png", _COLOURS[name]) for name in ("train", "validation"))
    assert train / validation == pytest.approx(105 / 23, rel=0.15)
    assert area(tmp_path / "c.png", _COLOURS["test"]) > 0


def test_a_folder_that_is_not_split_has_one_colour(tmp_path):
    draw_counts(inspection({"all": {"cat": 3, "dog": 9}}), tmp_path / "c.png")
    assert area(tmp_path / "c.png", _COLOURS["all"]) > 0
    assert area(tmp_path / "c.png", _COLOURS["test"]) == 0


@pytest.mark.filterwarnings("error")
def test_forty_classes_make_a_taller_picture(tmp_path):
    classes = [f"class {number}" for number in range(40)]
    draw_counts(inspection({"train": dict.fromkeys(classes, 3)}, classes), tmp_path / "c.png")
    draw_counts(inspection(SPLIT), tmp_path / "small.png")
    assert len(pixels_of(tmp_path / "c.png")) > 4 * len(pixels_of(tmp_path / "small.png"))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "classes", [["$5", "$x_{$"], ["0", "1"], ["x" * 300 + "a", "x" * 300 + "b"], ["a\tb", "\udce4"], ["2024-01-01", "1e5"]]
)
def test_odd_class_names_have_a_bar_each(tmp_path, classes):
    draw_counts(inspection({"train": {classes[0]: 2, classes[1]: 2}}, classes), tmp_path / "two.png")
    draw_counts(inspection({"train": {classes[0]: 2, classes[1]: 0}}, classes), tmp_path / "one.png")
    two, one = (area(tmp_path / name, _COLOURS["train"]) for name in ("two.png", "one.png"))
    assert two == pytest.approx(2 * one, rel=0.05)


@pytest.mark.filterwarnings("error")
def test_no_pictures_at_all(tmp_path):
    draw_counts(inspection({"train": {"cat": 0, "dog": 0}}), tmp_path / "c.png")
