"""From a folder to a dataset: nothing skipped in silence, every choice said, every dead end explained."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

import pytest
from PIL import Image

from support.folders import class_folder, manifest, manifest_of, split_folder, write_picture
from unfreeze.data import bounds
from unfreeze.data.dataset import Dataset, LeftOut
from unfreeze.data.scan import scan, scan_for_training, with_splits
from unfreeze.errors import DataError
from unfreeze.recipe.recipe import Data


def complaint(root: Path, settings: Data | None = None) -> str:
    with pytest.raises(DataError) as caught:
        scan_for_training(root, settings or Data(), seed=0)
    return str(caught.value)


def trained(root: Path, settings: Data | None = None, seed: int = 0) -> Dataset:
    return scan_for_training(root, settings or Data(), seed)


def tally(dataset: Dataset) -> dict[str, list[int]]:
    return {split: list(classes.values()) for split, classes in dataset.counts().items()}


class TestScan:
    def test_records_say_what_the_files_are(self, tmp_path: Path) -> None:
        exif = Image.Exif()
        exif[0x0112] = 6
        path = write_picture(tmp_path / "cat" / "a.jpg", size=(20, 10), exif=exif)
        Image.new("L", (3, 4)).save(write_picture(tmp_path / "dog" / "b.png"))
        dataset = scan(tmp_path)
        assert dataset.root == tmp_path
        assert dataset.classes == ("cat", "dog")
        turned, grey = dataset.records
        assert (turned.path, turned.name, turned.label, turned.split, turned.group) == (
            path,
            "cat/a.jpg",
            "cat",
            None,
            None,
        )
        assert turned.content == hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()
        assert (turned.width, turned.height, turned.mode) == (10, 20, "RGB")
        assert (grey.width, grey.height, grey.mode) == (3, 4, "L")
        assert [dataset.label_number(record) for record in dataset.records] == [0, 1]

    def test_every_format_is_found(self, tmp_path: Path) -> None:
        for ending in ("jpg", "JPEG", "png", "webp", "bmp", "tif", "TIFF", "gif"):
            write_picture(tmp_path / "cat" / f"{ending}.{ending}")
        write_picture(tmp_path / "dog" / "a.png")
        (tmp_path / "cat" / "png.png").rename(tmp_path / "cat" / "no ending")
        dataset = scan(tmp_path)
        assert len(dataset.records) == 9
        assert dataset.left_out == ()

    def test_every_unreadable_file_is_listed_with_its_reason(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        class_folder(tmp_path, {"cat": 2, "dog": 2})
        cat = tmp_path / "cat"
        (cat / "empty.jpg").touch()
        (cat / "text.jpg").write_text("not a picture")
        (cat / ".hidden").write_text("")
        (cat / "broken link.png").symlink_to("nowhere.png")
        content = (cat / "000.png").read_bytes()
        (cat / "truncated.png").write_bytes(content[: len(content) // 2])
        write_picture(cat / "large.png", size=(33, 32))
        monkeypatch.setattr(bounds, "MAXIMUM_PIXELS", 32 * 32)
        before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
        dataset = scan(tmp_path)
        assert dataset.left_out == (
            LeftOut("cat/.hidden", "a hidden or system file"),
            LeftOut("cat/broken link.png", "can't be read (No such file or directory)", "unreadable"),
            LeftOut("cat/empty.jpg", "the file is empty (0 bytes)", "empty-file"),
            LeftOut(
                "cat/large.png",
                "33 × 32 pixels, more than the limit of 1024 pixels; UNFREEZE_MAX_PIXELS raises it",
                "too-large",
            ),
            LeftOut(
                "cat/text.jpg", "not a picture in a format that can be read (JPEG, PNG, WEBP, BMP, TIFF, GIF)", "not-a-picture"
            ),
            LeftOut("cat/truncated.png", "damaged or truncated (image file is truncated)", "truncated"),
        )
        assert [record.name for record in dataset.records] == [
            "cat/000.png",
            "cat/001.png",
            "dog/000.png",
            "dog/001.png",
        ]
        assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    @pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads everything")
    def test_file_without_permission(self, tmp_path: Path) -> None:
        class_folder(tmp_path, {"cat": 2})
        (tmp_path / "cat" / "000.png").chmod(0)
        assert scan(tmp_path).left_out == (LeftOut("cat/000.png", "can't be read (Permission denied)", "unreadable"),)

    def test_progress_counts_up_to_all_files(self, tmp_path: Path) -> None:
        class_folder(tmp_path, {"cat": 20, "dog": 15}, size=(8, 8))
        told: list[tuple[int, int]] = []
        scan(tmp_path, progress=lambda done, all_: told.append((done, all_)))
        assert told == [(16, 35), (32, 35), (35, 35)]

    def test_more_files_than_are_queued_at_once_keep_their_order(self, tmp_path: Path) -> None:
        for number in range(600):
            write_picture(tmp_path / "ab"[number % 2] / f"{number:03d}.bmp", size=(1, 1), seed=number)
        names = [record.name for record in scan(tmp_path).records]
        assert len(names) == 600
        assert names == sorted(names)

    def test_empty_and_unreadable_classes_are_said(self, tmp_path: Path) -> None:
        class_folder(tmp_path, {"cat": 2, "dog": 2, "empty": 0})
        (tmp_path / "notes").mkdir()
        (tmp_path / "notes" / "a.txt").write_text("a")
        dataset = scan(tmp_path)
        assert dataset.classes == ("cat", "dog")
        assert dataset.decisions == (
            "left out class 'empty': no readable picture in it",
            "left out class 'notes': no readable picture in it",
        )

    def test_nothing_readable(self, tmp_path: Path) -> None:
        (tmp_path / "cat").mkdir()
        (tmp_path / "cat" / "a.jpg").touch()
        with pytest.raises(DataError) as caught:
            scan(tmp_path)
        assert str(caught.value) == (f"{tmp_path}: no readable picture in 1 files. cat/a.jpg: the file is empty (0 bytes).")

    def test_chosen_classes_in_the_order_given(self, tmp_path: Path) -> None:
        class_folder(tmp_path, {"ant": 2, "bee": 2, "cow": 2, "void": 0})
        dataset = scan(tmp_path, ("cow", "ant"))
        assert dataset.classes == ("cow", "ant")
        assert [dataset.label_number(record) for record in dataset.records] == [1, 1, 0, 0]
        assert dataset.decisions == ("left out by data.classes: bee",)
        assert scan(tmp_path, ("cow", "void")).decisions == (
            "left out class 'void': no readable picture in it",
            "left out by data.classes: ant, bee",
        )

    def test_misspelt_class(self, tmp_path: Path) -> None:
        class_folder(tmp_path, {"cat": 1, "dog": 1})
        with pytest.raises(DataError) as caught:
            scan(tmp_path, ("cat", "dgo"))
        assert str(caught.value) == f"{tmp_path}: no class 'dgo'. Did you mean 'dog'? It has cat, dog."

    def test_class_chosen_twice(self, tmp_path: Path) -> None:
        class_folder(tmp_path, {"cat": 1, "dog": 1})
        with pytest.raises(DataError) as caught:
            scan(tmp_path, ("cat", "dog", "cat"))
        assert str(caught.value) == (
            f"{tmp_path}: data.classes names 'cat' more than once: each class is one output of the network"
        )

    def test_fingerprint_follows_contents_labels_and_splits_and_not_the_place(self, tmp_path: Path) -> None:
        class_folder(tmp_path / "a", {"cat": 3, "dog": 3})
        shutil.copytree(tmp_path / "a", tmp_path / "b")
        first = scan(tmp_path / "a").fingerprint
        assert scan(tmp_path / "b").fingerprint == first
        assert scan(tmp_path / "a", ("dog", "cat")).fingerprint != first
        assert trained(tmp_path / "a").fingerprint != first
        write_picture(tmp_path / "b" / "cat" / "000.png", seed=99)
        changed = scan(tmp_path / "b").fingerprint
        assert changed != first
        (tmp_path / "b" / "cat" / "000.png").rename(tmp_path / "b" / "dog" / "zzz.png")
        assert scan(tmp_path / "b").fingerprint not in (first, changed)

    def test_missing_file_of_a_manifest(self, tmp_path: Path) -> None:
        path = manifest_of(tmp_path, {"a.png": "cat", "b.png": "dog", "c.png": "dog"})
        (tmp_path / "b.png").unlink()
        dataset = scan(path)
        assert dataset.left_out == (LeftOut("b.png", "can't be read (No such file or directory)", "unreadable"),)
        assert [record.name for record in dataset.records] == ["a.png", "c.png"]


class TestConflicts:
    def test_same_bytes_under_two_labels_stay_in_one_split(self, tmp_path: Path) -> None:
        class_folder(tmp_path, {"cat": 3, "dog": 3})
        shutil.copy(tmp_path / "cat" / "001.png", tmp_path / "dog" / "copy.png")
        splits = {record.name: record.split for record in trained(tmp_path).records}
        assert splits["cat/001.png"] == splits["dog/copy.png"]


def test_columns_that_nothing_is_read_from_are_named(tmp_path: Path) -> None:
    for number, label in enumerate(("cat", "dog")):
        write_picture(tmp_path / f"{label}.png", seed=number)
    rows = [{"path": f"{label}.png", "label": label, "spilt": "train", "age": "7"} for label in ("cat", "dog")]
    (decision,) = scan(manifest(tmp_path / "m.csv", rows)).decisions
    assert decision == "columns that nothing was read from: spilt, age. Did you mean 'split'?"


class TestSplits:
    def test_class_folders_are_split_by_class(self, tmp_path: Path) -> None:
        dataset = trained(class_folder(tmp_path, {"cat": 20, "dog": 40}), Data(test_fraction=0.1), seed=5)
        assert tally(dataset) == {"train": [15, 30], "validation": [3, 6], "test": [2, 4]}
        assert dataset.splits == ("train", "validation", "test")
        assert dataset.decisions == (
            "split the pictures by class into train 75%, validation 15%, test 10% (seed 5); identical and"
            " near-identical pictures and groups stay together",
        )
        assert [record.name for record in dataset.records] == sorted(record.name for record in dataset.records)

    def test_seed(self, tmp_path: Path) -> None:
        class_folder(tmp_path, {"cat": 20, "dog": 20}, size=(8, 8))
        assert trained(tmp_path, seed=1).records == trained(tmp_path, seed=1).records
        assert trained(tmp_path, seed=1).records != trained(tmp_path, seed=2).records

    def test_without_a_test_split(self, tmp_path: Path) -> None:
        dataset = trained(class_folder(tmp_path, {"cat": 4, "dog": 4}), Data(validation_fraction=0.25, test_fraction=0))
        assert tally(dataset) == {"train": [3, 3], "validation": [1, 1]}
        assert dataset.decisions[1:] == ("no test pictures: the run will have no test score",)

    def test_given_splits_stay(self, tmp_path: Path) -> None:
        counts = {"train": {"cat": 3, "dog": 2}, "valid": {"cat": 2, "dog": 1}, "test": {"cat": 1, "dog": 4}}
        dataset = trained(split_folder(tmp_path, counts))
        assert tally(dataset) == {"train": [3, 2], "validation": [2, 1], "test": [1, 4]}
        assert dataset.decisions == ()

    def test_resplit_puts_given_splits_together_and_copies_into_one(self, tmp_path: Path) -> None:
        counts = {"train": {"a": 20, "b": 20}, "validation": {"a": 4, "b": 4}, "test": {"a": 4, "b": 4}}
        folder = split_folder(tmp_path / "photos", counts)
        shutil.copy(folder / "train" / "a" / "003.png", folder / "test" / "a" / "copy.png")
        given = scan_for_training(folder, Data(), seed=0)
        new = scan_for_training(folder, Data(resplit=True), seed=0)
        assert [record.name for record in new.records] == [record.name for record in given.records]
        assert {name: sum(of_class.values()) for name, of_class in new.counts().items()} == pytest.approx(
            {"train": 40, "validation": 9, "test": 9}, abs=2
        )
        split_of = {record.name: record.split for record in new.records}
        assert split_of["train/a/003.png"] == split_of["test/a/copy.png"]
        assert any("put together and made anew" in decision for decision in new.decisions)
        assert [record.split for record in given.records] == [record.name.split("/")[0] for record in given.records]

    def test_resplit_changes_nothing_where_there_are_no_splits(self, tmp_path: Path) -> None:
        folder = class_folder(tmp_path / "photos", {"a": 20, "b": 20})
        assert scan_for_training(folder, Data(resplit=True), seed=3) == scan_for_training(folder, Data(), seed=3)

    def test_train_and_validation_without_test(self, tmp_path: Path) -> None:
        classes = {"cat": 2, "dog": 2}
        dataset = trained(split_folder(tmp_path, {"train": classes, "val": classes}))
        assert tally(dataset) == {"train": [2, 2], "validation": [2, 2]}
        assert dataset.decisions == ("no test pictures: the run will have no test score",)

    def test_train_alone_gives_validation_too(self, tmp_path: Path) -> None:
        dataset = trained(split_folder(tmp_path, {"train": {"cat": 20, "dog": 10}}), Data(validation_fraction=0.2))
        assert tally(dataset) == {"train": [16, 8], "validation": [4, 2]}
        assert dataset.decisions == (
            "split the training pictures by class into train 80%, validation 20% (seed 0); identical and"
            " near-identical pictures and groups stay together",
            "no test pictures: the run will have no test score",
        )

    def test_train_and_test_give_validation_from_train(self, tmp_path: Path) -> None:
        split_folder(tmp_path, {"train": {"cat": 10, "dog": 10}, "test": {"cat": 3, "dog": 3}})
        dataset = trained(tmp_path, Data(validation_fraction=0.2))
        assert tally(dataset) == {"train": [8, 8], "validation": [2, 2], "test": [3, 3]}
        assert all(record.name.startswith("test/") for record in dataset.split("test"))

    def test_groups_of_a_manifest_stay_together(self, tmp_path: Path) -> None:
        names = {f"{label}{number:02d}.png": label for label in ("cat", "dog") for number in range(20)}
        groups = {name: f"patient {name[3:5]}" for name in names}
        dataset = trained(manifest_of(tmp_path, names, group=groups))
        places = {(record.group, record.split) for record in dataset.records}
        assert len(places) == 20, "one place for each group, though each is in both classes"
        assert tally(dataset) == {"train": [14, 14], "validation": [3, 3], "test": [3, 3]}

    def test_some_rows_with_a_split_and_some_without(self, tmp_path: Path) -> None:
        path = manifest_of(tmp_path, {"a.png": "cat", "b.png": "dog"}, split={"a.png": "train"})
        assert complaint(path) == (f"{path}: some pictures have a split and some have none: give one to all, or to none")

    def test_with_splits_of_a_scan(self, tmp_path: Path) -> None:
        dataset = scan(class_folder(tmp_path, {"cat": 10, "dog": 10}))
        assert dataset.splits == ()
        assert tally(dataset) == {"all": [10, 10]}
        assert tally(with_splits(dataset, Data(), 0)) == {"train": [6, 6], "validation": [2, 2], "test": [2, 2]}


class TestDeadEnds:
    def test_one_class_only(self, tmp_path: Path) -> None:
        assert complaint(class_folder(tmp_path, {"cat": 5, "dog": 0})) == (
            f"{tmp_path}: one class only ('cat'): there is nothing to tell apart. Add the folder of another class, for"
            " example one of pictures that are none of it."
        )

    def test_class_with_one_picture(self, tmp_path: Path) -> None:
        assert complaint(class_folder(tmp_path, {"cat": 5, "dog": 1, "cow": 1})) == (
            f"{tmp_path}: too few readable pictures in 'cow' (1), 'dog' (1): a class needs at least 2, one to train on and"
            " one to validate with. Add pictures, or leave the class out with data.classes."
        )

    def test_leaving_the_small_class_out_helps(self, tmp_path: Path) -> None:
        class_folder(tmp_path, {"cat": 5, "dog": 1, "cow": 5})
        assert trained(tmp_path, Data(classes=("cow", "cat"))).classes == ("cow", "cat")

    def test_class_with_two_pictures_has_no_test(self, tmp_path: Path) -> None:
        dataset = trained(class_folder(tmp_path, {"cat": 10, "dog": 2}))
        assert tally(dataset) == {"train": [6, 1], "validation": [2, 1], "test": [2, 0]}
        assert dataset.decisions[1:] == ("test has no picture of 'dog': it can't be scored there",)

    def test_validation_class_that_training_lacks(self, tmp_path: Path) -> None:
        counts = {"train": {"cat": 2, "dog": 2}, "val": {"cat": 1, "dgo": 1}, "test": {"dgo": 1}}
        assert complaint(split_folder(tmp_path, counts)) == (
            f"{tmp_path}: nothing to train on for 'dgo' (validation, test only). Move some pictures to train/, or leave the"
            " class out with data.classes."
        )

    def test_class_that_validation_and_test_lack(self, tmp_path: Path) -> None:
        counts = {"train": {"cat": 2, "dog": 2, "cow": 2}, "val": {"cat": 1}, "test": {"cat": 1, "dog": 1}}
        assert trained(split_folder(tmp_path, counts)).decisions == (
            "validation has no picture of 'cow', 'dog': it can't be scored there",
            "test has no picture of 'cow': it can't be scored there",
        )

    def test_no_training_pictures(self, tmp_path: Path) -> None:
        classes = {"cat": 2, "dog": 2}
        assert complaint(split_folder(tmp_path, {"val": classes, "test": classes})) == (
            f"{tmp_path}: no training pictures: the splits found are validation, test"
        )
        shutil.rmtree(tmp_path / "val")
        assert complaint(tmp_path) == f"{tmp_path}: no training pictures: the splits found are test"

    def test_manifest_whose_pictures_are_all_missing(self, tmp_path: Path) -> None:
        path = manifest(tmp_path / "m.csv", [{"path": "a.png", "label": "cat"}])
        assert complaint(path) == (f"{path}: no readable picture in 1 files. a.png: can't be read (No such file or directory).")
