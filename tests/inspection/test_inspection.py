"""A dataset in numbers."""

from __future__ import annotations

import shutil
from pathlib import Path

from PIL import Image

from support.folders import class_folder, split_folder, write_picture
from unfreeze.data.dataset import LeftOut
from unfreeze.data.scan import scan, scan_for_training
from unfreeze.inspection.inspection import inspect_dataset
from unfreeze.recipe.recipe import Data


def test_unsplit_folder(tmp_path: Path) -> None:
    class_folder(tmp_path, {"cat": 3, "dog": 9, "void": 0}, size=(40, 30))
    write_picture(tmp_path / "cat" / "small.jpg", size=(11, 90))
    Image.new("L", (70, 80)).save(tmp_path / "dog" / "large.png")
    shutil.copy(tmp_path / "dog" / "000.png", tmp_path / "dog" / "copy.png")
    shutil.copy(tmp_path / "dog" / "000.png", tmp_path / "dog" / "copy 2.png")
    (tmp_path / "dog" / "notes.txt").touch()
    found = inspect_dataset(scan(tmp_path))
    assert found.root == str(tmp_path)
    assert found.classes == ("cat", "dog")
    assert found.counts == {"all": {"cat": 4, "dog": 12}}
    assert found.pictures == 16
    assert found.imbalance == 3.0
    assert found.sides_px == (11, 30, 70)
    assert list(found.modes.items()) == [("RGB", 15), ("L", 1)]
    assert found.left_out == (LeftOut("dog/notes.txt", "the file is empty (0 bytes)", "empty-file"),)
    assert found.decisions == ("left out class 'void': no readable picture in it",)


def test_imbalance_is_that_of_the_training_pictures(tmp_path: Path) -> None:
    split_folder(tmp_path, {"train": {"cat": 2, "dog": 5}, "val": {"cat": 9, "dog": 1}, "test": {"cat": 1}})
    found = inspect_dataset(scan(tmp_path))
    assert found.imbalance == 2.5
    assert found.counts == {
        "train": {"cat": 2, "dog": 5},
        "validation": {"cat": 9, "dog": 1},
        "test": {"cat": 1, "dog": 0},
    }
    assert found.pictures == 18


def test_class_without_training_pictures_does_not_make_it_infinite(tmp_path: Path) -> None:
    split_folder(tmp_path, {"train": {"cat": 2, "dog": 4}, "val": {"cat": 1, "cow": 1}})
    assert inspect_dataset(scan(tmp_path)).imbalance == 2.0


def test_one_class_can_be_looked_at(tmp_path: Path) -> None:
    found = inspect_dataset(scan(class_folder(tmp_path, {"cat": 2})))
    assert (found.classes, found.imbalance) == (("cat",), 1.0)


def test_splits_made_for_training(tmp_path: Path) -> None:
    found = inspect_dataset(scan_for_training(class_folder(tmp_path, {"cat": 10, "dog": 20}), Data(), seed=0))
    assert found.counts == {
        "train": {"cat": 6, "dog": 14},
        "validation": {"cat": 2, "dog": 3},
        "test": {"cat": 2, "dog": 3},
    }
    assert found.imbalance == 14 / 6
