"""The confusion matrix as a picture, and class names that matplotlib would choke on."""

from __future__ import annotations

import numpy as np
import pytest

from support.made_up import pixels_of
from unfreeze.report.confusion import draw_confusion
from unfreeze.report.labels import drawable

PNG = b"\x89PNG\r\n\x1a\n"


def drawn(confusion, classes, path):
    draw_confusion(np.array(confusion), tuple(classes), path)
    content = path.read_bytes()
    assert content.startswith(PNG)
    return content


def test_the_same_numbers_give_the_same_bytes(tmp_path):
    first, again, other = (
        drawn(confusion, ["cat", "dog"], tmp_path / f"{number}.png")
        for number, confusion in enumerate([[[5, 1], [2, 4]], [[5, 1], [2, 4]], [[5, 1], [3, 3]]])
    )
    assert first == again
    assert first != other


@pytest.mark.filterwarnings("error")
def test_forty_classes(tmp_path):
    drawn(np.eye(40, dtype=int) * 7, [f"class {number}" for number in range(40)], tmp_path / "c.png")
    height, width, _ = pixels_of(tmp_path / "c.png").shape
    assert width == 1760  # the largest it gets
    assert height < width


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "names",
    [
        ["a$b", "$x_{1$", "$\\frac$"],
        ["\\", "{", "_^%&#"],
        ["a\tb", "c\nd", "\x07"],
        ["x" * 300, "x" * 299 + "y", "z"],
        [b"K\xe4fer".decode("utf-8", "surrogateescape"), "Käfer", "жук"],
        ["", " ", "0"],
    ],
    ids=["formulas", "punctuation", "control characters", "long", "not UTF-8", "nearly nothing"],
)
def test_odd_class_names(tmp_path, names):
    drawn(np.eye(3, dtype=int), names, tmp_path / "c.png")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("confusion", [[[0, 0], [0, 0]], [[0, 0], [3, 5]], [[10**6, 1], [1, 10**6]]])
def test_classes_without_pictures_and_with_many(tmp_path, confusion):
    drawn(confusion, ["cat", "dog"], tmp_path / "c.png")


def test_names_are_shortened_and_escaped():
    assert drawable(["cat", "$5", "a\tb", "ü" * 40, "ü" * 41, "\udce4"]) == [
        "cat", r"\$5", r"a\tb", "ü" * 40, "ü" * 39 + "…", r"\udce4",
    ]  # fmt: skip
