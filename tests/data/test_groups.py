"""`group_by`: a folder, a part of the name or a column says what stays together; what gives no group is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.folders import manifest, write_picture
from unfreeze.data.layout import read_layout
from unfreeze.data.scan import scan_for_training
from unfreeze.errors import DataError, RecipeError
from unfreeze.recipe.read import read_recipe
from unfreeze.recipe.recipe import Data


def touched(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def groups(root: Path, group_by: str) -> dict[str, str | None]:
    return {file.name: file.group for file in read_layout(root, group_by).found}


def complaint(root: Path, group_by: str) -> str:
    with pytest.raises(DataError) as caught:
        read_layout(root, group_by)
    return str(caught.value)


def test_by_folder(tmp_path: Path) -> None:
    touched(tmp_path, "cat/p1/monday/a.png", "cat/p2/a.png", "dog/p1/b.png")
    assert groups(tmp_path, "folder:1") == {"cat/p1/monday/a.png": "p1", "cat/p2/a.png": "p2", "dog/p1/b.png": "p1"}
    assert groups(tmp_path, "folder:-1") == {"cat/p1/monday/a.png": "monday", "cat/p2/a.png": "p2", "dog/p1/b.png": "p1"}


def test_by_folder_below_splits(tmp_path: Path) -> None:
    touched(tmp_path, "train/cat/p1/a.png", "test/dog/p2/a.png")
    assert groups(tmp_path, "folder:1") == {"train/cat/p1/a.png": "p1", "test/dog/p2/a.png": "p2"}


def test_by_name(tmp_path: Path) -> None:
    touched(tmp_path, "cat/P01_a.png", "cat/new/P02_a.png", "dog/P01_b.png")
    expected = {"cat/P01_a.png": "P01", "cat/new/P02_a.png": "P02", "dog/P01_b.png": "P01"}
    assert groups(tmp_path, r"name:^(P\d+)_") == expected
    assert groups(tmp_path, r"name:P\d+") == expected


def test_by_column(tmp_path: Path) -> None:
    rows = [
        {"path": "a.png", "label": "cat", "patient": "7", "group": "x"},
        {"path": "in/b.png", "label": "cat", "patient": "", "group": "x"},
    ]
    path = manifest(tmp_path / "m.csv", rows)
    assert complaint(path, "column:patient") == (
        f"{path}, line 3: group_by 'column:patient', and its cell is empty: give every picture one"
    )
    rows[1]["patient"] = "8"
    assert groups(manifest(path, rows), "column:patient") == {"a.png": "7", "in/b.png": "8"}


def test_manifest_by_folder(tmp_path: Path) -> None:
    path = manifest(tmp_path / "m.csv", [{"path": "p1/a.png", "label": "cat"}, {"path": "p2/x/b.png", "label": "cat"}])
    assert groups(path, "folder:1") == {"p1/a.png": "p1", "p2/x/b.png": "p2"}


def test_what_gives_no_group(tmp_path: Path) -> None:
    touched(tmp_path, "cat/p1/a.png", *(f"dog/{number}.png" for number in range(5)))
    assert complaint(tmp_path, "folder:1") == (
        f"{tmp_path}: group_by 'folder:1' gives no group for 5 of 6 files: dog/0.png, dog/1.png, dog/2.png …."
        " Folders are counted from the class folder, 1 being the first below it, or -1 from the file: give one that all have."
    )
    assert complaint(tmp_path, r"name:^(\d+)") == (
        rf"{tmp_path}: group_by 'name:^(\d+)' gives no group for 1 of 6 files: cat/p1/a.png."
        " The expression is searched in the file's own name, without its folders: widen it until every name matches."
    )
    assert complaint(tmp_path, "column:patient") == (
        f"{tmp_path}: group_by 'column:patient' is for a CSV file, and this is a folder: use folder:1 or name:EXPRESSION"
    )
    path = manifest(tmp_path / "m.csv", [{"path": "a.png", "label": "cat", "patient": "7"}])
    assert complaint(path, "column:patent") == (
        f"{path}: group_by 'column:patent': it has no such column. Did you mean 'patient'? Its columns are path, label, patient"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("patient", "group_by: 'patient' won't do: write folder:1, name:^(P\\d+)_ or column:patient"),
        ("column:", "group_by: 'column:' won't do"),
        ("folder:0", "group_by: 'folder:0' won't do: folders are counted 1, 2 … below the class, or -1, -2 … from the file"),
        ("folder:first", "group_by: 'folder:first' won't do: folders are counted"),
        ("name:(", "group_by: '(' is no regular expression"),
    ],
)
def test_recipe_refuses_what_cannot_be_followed(text: str, said: str) -> None:
    with pytest.raises(RecipeError) as caught:
        read_recipe(None, {"data.group_by": text})
    assert said in str(caught.value)


def test_training_keeps_groups_together(tmp_path: Path) -> None:
    for number in range(60):
        write_picture(tmp_path / "ab"[number % 2] / f"p{number // 6}" / f"{number}.png", seed=number, size=(8, 8))
    dataset = scan_for_training(tmp_path, Data(group_by="folder:1"), seed=0)
    places: dict[str | None, set[str | None]] = {}
    for record in dataset.records:
        places.setdefault(record.group, set()).add(record.split)
    assert len(places) == 10
    assert all(len(splits) == 1 for splits in places.values())
    assert dataset.splits == ("train", "validation", "test")
