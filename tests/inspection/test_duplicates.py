"""Copies: within a class, across classes, across splits; a group for each cluster, and nothing else."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from support.folders import scene_folder
from support.still_camera import LABELS, camera_picture
from unfreeze.data.scan import scan, scan_for_training
from unfreeze.inspection.duplicates import find_duplicates
from unfreeze.inspection.finding import DataFinding
from unfreeze.recipe.recipe import Data


def found(root: Path) -> dict[str, DataFinding]:
    return {finding.code: finding for finding in find_duplicates(scan(root))}


def near_copy(original: Path, copy: Path) -> None:
    image = Image.open(original)
    image.crop((6, 4, image.width, image.height)).resize((200, 150)).save(copy, quality=70)


@pytest.fixture
def clean(tmp_path: Path) -> Path:
    return scene_folder(tmp_path, {f"{split}/{label}": 5 for split in ("train", "val", "test") for label in ("cat", "dog")})


def test_clean(clean: Path) -> None:
    assert found(clean) == {}


def test_duplicates_within_a_class(clean: Path) -> None:
    shutil.copy(clean / "train/cat/000.jpg", clean / "train/cat/copy.jpg")
    near_copy(clean / "train/cat/000.jpg", clean / "train/cat/near.jpg")
    near_copy(clean / "test/dog/003.jpg", clean / "test/dog/near.jpg")
    (finding,) = found(clean).values()
    assert (finding.code, finding.severity) == ("duplicates", "warning")
    assert finding.groups == (
        ("test/dog/003.jpg", "test/dog/near.jpg"),
        ("train/cat/000.jpg", "train/cat/copy.jpg", "train/cat/near.jpg"),
    )
    assert finding.measured == {"clusters": 2.0, "pictures": 5.0}
    assert finding.details["train/cat/copy.jpg"] == "train, 'cat': the same bytes as another, 320 × 240"
    assert finding.details["test/dog/near.jpg"] == "test, 'dog': nearly the same, 200 × 150"


def test_label_conflict(clean: Path) -> None:
    near_copy(clean / "train/cat/000.jpg", clean / "train/dog/near.jpg")
    (finding,) = found(clean).values()
    assert (finding.code, finding.severity) == ("label-conflict", "error")
    assert finding.groups == (("train/cat/000.jpg", "train/dog/near.jpg"),)


@pytest.mark.parametrize("copy", [shutil.copy, near_copy])
def test_leakage(clean: Path, copy: object) -> None:
    copy(clean / "train/cat/000.jpg", clean / "test/cat/copy.jpg")
    copy(clean / "train/dog/001.jpg", clean / "val/dog/copy.jpg")
    (finding,) = found(clean).values()
    assert (finding.code, finding.severity) == ("leakage", "error")
    assert finding.groups == (("test/cat/copy.jpg", "train/cat/000.jpg"), ("train/dog/001.jpg", "val/dog/copy.jpg"))
    assert "2 of train, 1 of validation, 1 of test" in finding.explanation


def test_leakage_under_another_label_is_both(clean: Path) -> None:
    near_copy(clean / "train/cat/000.jpg", clean / "test/dog/near.jpg")
    assert set(found(clean)) == {"leakage", "label-conflict"}


def test_automatic_splits_keep_copies_together(tmp_path: Path) -> None:
    scene_folder(tmp_path, {"cat": 12, "dog": 12})
    for label in ("cat", "dog"):
        for number in range(0, 12, 2):
            near_copy(tmp_path / label / f"{number:03d}.jpg", tmp_path / label / f"{number:03d} near.jpg")
    for seed in range(5):
        dataset = scan_for_training(tmp_path, Data(), seed)
        assert {finding.code for finding in find_duplicates(dataset)} == {"duplicates"}
        assert dataset.splits == ("train", "validation", "test")


@pytest.fixture
def still(tmp_path: Path) -> Path:
    """What a camera that stands still sees: an object on a hundredth of the picture, whose shape is the class."""
    generator = np.random.default_rng(0)
    for label in LABELS:
        (tmp_path / label).mkdir()
        for number in range(15):
            camera_picture(label, 0.01, generator).save(tmp_path / label / f"{number:03d}.png")
    return tmp_path


def test_one_scene_is_a_note(still: Path) -> None:
    (finding,) = found(still).values()
    assert (finding.code, finding.severity) == ("same-scene", "note")
    assert {name[0] for name in finding.pictures} == {"a", "b"}
    assert finding.measured == {"clusters": len(finding.groups), "pictures": len(finding.pictures)}


def test_copies_in_a_scene_are_told_by_their_bytes(still: Path) -> None:
    shutil.copy(still / "a/003.png", still / "b/copy.png")
    findings = found(still)
    assert set(findings) == {"label-conflict", "same-scene"}
    assert findings["label-conflict"].groups == (("a/003.png", "b/copy.png"),)


def test_one_scene_is_split_as_other_pictures_are(still: Path) -> None:
    for seed in range(3):
        dataset = scan_for_training(still, Data(), seed)
        assert dataset.counts() == {
            "train": {"a": 11, "b": 11},
            "validation": {"a": 2, "b": 2},
            "test": {"a": 2, "b": 2},
        }


def test_scenes_that_are_a_part_of_their_classes_stay_in_one_split(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    scene_folder(tmp_path, dict.fromkeys(LABELS, 12))
    for label in LABELS:
        for number in range(5):
            camera_picture(label, 0.01, generator, place=50).save(tmp_path / label / f"camera {number}.png")
    for seed in range(3):
        dataset = scan_for_training(tmp_path, Data(), seed)
        (finding,) = find_duplicates(dataset)
        splits = {record.name: record.split for record in dataset.records}
        assert finding.code == "same-scene"
        assert all(len({splits[name] for name in scene}) == 1 for scene in finding.groups)
