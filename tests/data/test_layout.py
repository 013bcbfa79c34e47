"""Which files belong to which class and split, before any is read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from support.folders import class_folder, manifest, manifest_of, split_folder
from unfreeze.data.dataset import LeftOut
from unfreeze.data.layout import read_layout
from unfreeze.errors import DataError


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"anything")
    return path


def placed(root: Path) -> dict[str, tuple[str, str | None]]:
    """Name -> (label, split)."""
    return {file.name: (file.label, file.split) for file in read_layout(root).found}


def complaint(root: Path) -> str:
    with pytest.raises(DataError) as caught:
        read_layout(root)
    return str(caught.value)


class TestClassFolders:
    def test_files_take_the_class_of_their_folder_in_the_order_of_their_names(self, tmp_path: Path) -> None:
        for name in ("dog/b.jpg", "dog/a.jpg", "cat/z.png", "cat/deep/er/a.png"):
            touch(tmp_path / name)
        assert list(placed(tmp_path).items()) == [
            ("cat/deep/er/a.png", ("cat", None)),
            ("cat/z.png", ("cat", None)),
            ("dog/a.jpg", ("dog", None)),
            ("dog/b.jpg", ("dog", None)),
        ]
        assert read_layout(tmp_path).found[0].path == tmp_path / "cat/deep/er/a.png"

    def test_any_name_will_do_for_a_class(self, tmp_path: Path) -> None:
        labels = ["0", "10", "2", "red panda", "Maine-Coon äöü 猫", "new\nline", "a,b", "training set"]
        for label in labels:
            touch(tmp_path / label / "1.png")
        assert sorted(label for label, _ in placed(tmp_path).values()) == sorted(labels)

    def test_name_that_is_not_utf8(self, tmp_path: Path) -> None:
        try:
            touch(tmp_path / "caf\udce9" / "1.png")
        except OSError:
            pytest.skip("this file system takes UTF-8 names only")
        assert placed(tmp_path) == {"caf\udce9/1.png": ("caf\udce9", None)}

    def test_empty_class(self, tmp_path: Path) -> None:
        layout = read_layout(class_folder(tmp_path, {"cat": 2, "dog": 0, "ant": 0}))
        assert layout.empty_classes == ("ant", "dog")
        assert {file.label for file in layout.found} == {"cat"}

    def test_hidden_and_system_files_and_folders_are_listed(self, tmp_path: Path) -> None:
        class_folder(tmp_path, {"cat": 1})
        names = ["cat/.DS_Store", "cat/Thumbs.db", "cat/desktop.ini", "cat/.thumbs/1.png", "cat/__MACOSX/1.png"]
        for name in [*names, ".git/config", "__MACOSX/cat/1.png", "readme.txt", ".DS_Store"]:
            touch(tmp_path / name)
        layout = read_layout(tmp_path)
        assert [file.name for file in layout.found] == ["cat/000.png"]
        assert set(layout.left_out) == {
            LeftOut("cat/.DS_Store", "a hidden or system file"),
            LeftOut("cat/Thumbs.db", "a hidden or system file"),
            LeftOut("cat/desktop.ini", "a hidden or system file"),
            LeftOut("cat/.thumbs", "a hidden or system folder"),
            LeftOut("cat/__MACOSX", "a hidden or system folder"),
            LeftOut(".git", "a hidden or system folder"),
            LeftOut("__MACOSX", "a hidden or system folder"),
            LeftOut("readme.txt", "not inside a class folder"),
            LeftOut(".DS_Store", "not inside a class folder"),
        }

    def test_links_that_loop_end(self, tmp_path: Path) -> None:
        class_folder(tmp_path, {"cat": 1})
        (tmp_path / "cat" / "loop").symlink_to(tmp_path, target_is_directory=True)
        (tmp_path / "all").symlink_to(tmp_path, target_is_directory=True)
        (tmp_path / "cat" / "self.png").symlink_to("self.png")
        (tmp_path / "self").symlink_to("self")
        layout = read_layout(tmp_path)
        # `self.png` is left to the reading, which gives the system's reason.
        assert [file.name for file in layout.found] == ["cat/000.png", "cat/self.png"]
        assert set(layout.left_out) == {
            LeftOut("cat/loop", "a link to a folder", "linked-folder"),
            LeftOut("all", "a link to a folder that it lies in", "linked-folder"),
            LeftOut("self", "not inside a class folder"),
        }

    def test_linked_classes_and_pictures_are_used(self, tmp_path: Path) -> None:
        elsewhere = class_folder(tmp_path / "elsewhere", {"cat": 1, "dog": 1})
        root = class_folder(tmp_path / "root", {"cow": 1})
        (root / "cat").symlink_to(elsewhere / "cat", target_is_directory=True)
        (root / "cow" / "dog.png").symlink_to(elsewhere / "dog" / "000.png")
        assert placed(root) == {
            "cat/000.png": ("cat", None),
            "cow/000.png": ("cow", None),
            "cow/dog.png": ("cow", None),
        }

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes on this system")
    def test_a_pipe_is_not_waited_on(self, tmp_path: Path) -> None:
        class_folder(tmp_path, {"cat": 1})
        os.mkfifo(tmp_path / "cat" / "pipe.png")
        assert read_layout(tmp_path).left_out == (LeftOut("cat/pipe.png", "a pipe or device, not a file"),)

    @pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads everything")
    def test_unreadable_folders(self, tmp_path: Path) -> None:
        class_folder(tmp_path, {"cat": 1, "dog": 1})
        (tmp_path / "dog").chmod(0)
        try:
            layout = read_layout(tmp_path)
        finally:
            (tmp_path / "dog").chmod(0o755)
        assert layout.left_out == (LeftOut("dog", "can't be read (Permission denied)"),)
        assert layout.empty_classes == ("dog",)

    def test_no_such_folder(self, tmp_path: Path) -> None:
        assert complaint(tmp_path / "nope") == (
            f"{tmp_path}/nope: there is no such folder. Give a folder with one folder of pictures per class, or a CSV file."
        )

    def test_no_class_folders(self, tmp_path: Path) -> None:
        touch(tmp_path / "1.png")
        assert complaint(tmp_path) == (
            f"{tmp_path}: no class folders. Put the pictures of each class into a folder of its own"
            f" ({tmp_path}/cat/…, {tmp_path}/dog/…), or give a CSV file with the columns path,label."
        )

    def test_no_class_folders_here(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        assert "(cat/…, dog/…)" in complaint(Path())


class TestSplitFolders:
    @pytest.mark.parametrize("validation", ["val", "valid", "validation", "Val", "VALIDATION"])
    @pytest.mark.parametrize("train", ["train", "training", "Train"])
    def test_every_spelling(self, tmp_path: Path, train: str, validation: str) -> None:
        classes = {"cat": 1, "dog": 1}
        split_folder(tmp_path, {train: classes, validation: classes, "test": classes})
        assert placed(tmp_path) == {
            f"{folder}/{label}/000.png": (label, split)
            for folder, split in ((train, "train"), (validation, "validation"), ("test", "test"))
            for label in classes
        }

    def test_strays_are_listed(self, tmp_path: Path) -> None:
        split_folder(tmp_path, {"train": {"cat": 1}, "val": {"cat": 1}})
        for name in ("a.txt", "train/b.png", "val/.cache/c.png"):
            touch(tmp_path / name)
        assert set(read_layout(tmp_path).left_out) == {
            LeftOut("a.txt", "not inside a class folder"),
            LeftOut("train/b.png", "not inside a class folder"),
            LeftOut("val/.cache", "a hidden or system folder"),
        }

    def test_class_that_is_empty_in_one_split_only_is_not_empty(self, tmp_path: Path) -> None:
        split_folder(tmp_path, {"train": {"cat": 1, "dog": 1, "cow": 0}, "val": {"cat": 1, "dog": 0}})
        assert read_layout(tmp_path).empty_classes == ("cow",)

    def test_two_folders_for_one_split(self, tmp_path: Path) -> None:
        split_folder(tmp_path, {"train": {"cat": 1}, "val": {"cat": 1}, "validation": {"cat": 1}})
        assert complaint(tmp_path) == (f"{tmp_path}: both val/ and validation/ mean the validation split: keep one of them")

    def test_other_folders_beside_the_splits(self, tmp_path: Path) -> None:
        split_folder(tmp_path, {"train": {"cat": 1}, "val": {"cat": 1}, "cat": {"kitten": 1}})
        assert complaint(tmp_path) == (
            f"{tmp_path}: train, val look like splits, but cat stand beside them: move those away, or give the folder"
            " of one split"
        )

    def test_splits_without_train_are_no_classes(self, tmp_path: Path) -> None:
        split_folder(tmp_path, {"val": {"cat": 1, "dog": 1}, "test": {"cat": 1, "dog": 1}})
        assert placed(tmp_path)["test/cat/000.png"] == ("cat", "test")
        assert placed(tmp_path)["val/dog/000.png"] == ("dog", "validation")

    def test_train_alone(self, tmp_path: Path) -> None:
        split_folder(tmp_path, {"train": {"cat": 1, "dog": 1}})
        assert set(placed(tmp_path).values()) == {("cat", "train"), ("dog", "train")}

    def test_classes_named_like_splits_are_classes(self, tmp_path: Path) -> None:
        class_folder(tmp_path, {"train": 1, "bus": 1, "test": 1})
        assert set(placed(tmp_path).values()) == {("train", None), ("bus", None), ("test", None)}


class TestManifest:
    def test_all_columns(self, tmp_path: Path) -> None:
        rows = [
            {"group": "p1", "path": "pictures/b.png", "split": "Val", "label": "dog"},
            {"group": "", "path": "a.png", "split": "train", "label": " cat "},
            {"group": "p2", "path": "../c.png", "split": "", "label": "cat"},
            {"group": "p2", "path": str(tmp_path / "d.png"), "split": "test", "label": "cat"},
        ]
        path = manifest(tmp_path / "list" / "pictures.csv", rows)
        layout = read_layout(path)
        assert [(file.name, file.label, file.split, file.group) for file in layout.found] == [
            ("../c.png", "cat", None, "p2"),
            (str(tmp_path / "d.png"), "cat", "test", "p2"),
            ("a.png", "cat", "train", None),
            ("pictures/b.png", "dog", "validation", "p1"),
        ]
        assert [file.path for file in layout.found] == [
            tmp_path / "list" / "../c.png",
            tmp_path / "d.png",
            tmp_path / "list" / "a.png",
            tmp_path / "list" / "pictures/b.png",
        ]
        assert layout.empty_classes == layout.left_out == ()

    def test_path_and_label_suffice(self, tmp_path: Path) -> None:
        path = manifest_of(tmp_path, {"a.png": "cat", "b.png": "red panda"})
        assert placed(path) == {"a.png": ("cat", None), "b.png": ("red panda", None)}

    def test_byte_order_mark_and_quotes(self, tmp_path: Path) -> None:
        rows = [{"path": "a, b.png", "label": 'Katze "Mia" äöü'}]
        assert placed(manifest(tmp_path / "m.csv", rows, "utf-8-sig")) == {"a, b.png": ('Katze "Mia" äöü', None)}

    @pytest.mark.parametrize(
        ("header", "message"),
        [
            ("path", "its columns are path; a manifest has path,label and may have split,group."),
            (
                "path,lable",
                "its columns are path, lable; a manifest has path,label and may have split,group. Did you mean 'label'?",
            ),
            ("path;label", "its columns are path;label; a manifest has path,label and may have split,group."),
            ("", "its columns are none; a manifest has path,label and may have split,group."),
            ("path,label", "holds no pictures: give one line `path,label` per picture"),
            ("path,label\na.png,", "line 2: path and label must both be given, got 'a.png' and ''"),
            ("path,label\na.png", "line 2: path and label must both be given, got 'a.png' and ''"),
            ("path,label\n\n\n,cat", "line 4: path and label must both be given, got '' and 'cat'"),
            (
                "path,label,split\na.png,cat,train\nb.png,cat,dev",
                "line 3: no split 'dev': write one of train, validation, test, or leave it empty",
            ),
            (
                "path,label\nmy,cat.png,cat",
                "line 2: more values than columns: put a value that holds a comma in double quotes",
            ),
        ],
    )
    def test_what_cannot_be_followed(self, tmp_path: Path, header: str, message: str) -> None:
        path = tmp_path / "m.csv"
        path.write_text(header)
        said = complaint(path)
        assert said.startswith(f"{path}{', ' if message.startswith('line') else ': '}{message}")

    def test_file_that_is_no_csv(self, tmp_path: Path) -> None:
        path = tmp_path / "picture.jpg"
        path.write_bytes(b"\xff\xd8\xff\xe0")
        assert complaint(path).startswith(f"{path}: can't be read as CSV in UTF-8 ('utf-8' codec can't decode byte 0xff")
        path.write_bytes(b'path,label\na.png,"' + b"x" * 200_000)
        assert complaint(path) == f"{path}: can't be read as CSV in UTF-8 (field larger than field limit (131072))"
