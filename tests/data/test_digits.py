"""The real pictures of the demonstration."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from unfreeze.data.digits import write_digits
from unfreeze.data.scan import scan


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("digits")
    write_digits(folder, folder)
    return folder


def test_some_are_kept_for_later(tmp_path: Path) -> None:
    write_digits(tmp_path / "known", tmp_path / "new")
    assert [len(list((tmp_path / name).rglob("*.png"))) for name in ("known", "new")] == [1647, 150]
    assert (tmp_path / "new/0/0000.png").is_file()


def test_a_folder_that_can_be_trained_on(digits: Path) -> None:
    dataset = scan(digits)
    assert dataset.classes == tuple("0123456789")
    assert dataset.left_out == ()
    assert dataset.counts()["all"] == {str(digit): int(count) for digit, count in enumerate(np.bincount(load_digits().target))}
    assert {(record.width, record.height, record.mode) for record in dataset.records} == {(64, 64, "L")}
    assert len({record.content for record in dataset.records}) == 1797, "no two are alike"


def test_ink_is_dark_and_the_scan_is_still_in_it(digits: Path) -> None:
    source = load_digits()
    for number in (0, 17, 1796):
        path = digits / str(source.target[number]) / f"{number:04d}.png"
        small = np.asarray(Image.open(path).resize((8, 8), Image.Resampling.BOX)).astype(float)
        ink = source.images[number].ravel()
        assert np.corrcoef(255 - small.ravel(), ink)[0, 1] > 0.97
        assert small.ravel()[ink == 0].mean() > 240


def test_writing_twice_gives_the_same_bytes(digits: Path, tmp_path: Path) -> None:
    write_digits(tmp_path, tmp_path)
    for name in ("0/0000.png", "8/1796.png"):
        assert (tmp_path / name).read_bytes() == (digits / name).read_bytes()
