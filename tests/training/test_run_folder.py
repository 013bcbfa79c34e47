"""The files of a run."""

from __future__ import annotations

import csv
import json
import math
import re
from pathlib import Path

import numpy as np
import pytest

from support.made_up import small_plan
from unfreeze.data.dataset import Dataset, LeftOut, Record
from unfreeze.errors import RunError, StorageError
from unfreeze.recipe.read import read_recipe, validate_recipe
from unfreeze.training.run_folder import (
    new_run_folder,
    prediction_columns,
    read_json,
    read_plan,
    write_data,
    write_metrics,
    write_plan,
    write_predictions,
    write_table,
)

CLASSES = ("cat, small", 'the "dog"', "Käfer 鳥")


def record(name, label, split):
    return Record(Path("data"), name, label, split, None, f"hash of {name}", 8, 6, "RGB")


DATASET = Dataset(
    root=Path("data"),
    classes=CLASSES,
    records=(
        record("a/1.png", CLASSES[0], "train"),
        record("a/2,5.png", CLASSES[0], "test"),
        record("b/3.png", CLASSES[1], "validation"),
        record("c/4.png", CLASSES[2], "test"),
    ),
    left_out=(LeftOut("a/notes.txt", "not a picture"),),
    decisions=("split by us",),
)


def test_the_folder_given(tmp_path):
    out = tmp_path / "new" / "run"
    assert new_run_folder(out, Path("data"), "resnet18") == out
    assert out.is_dir()


def test_an_empty_folder_may_be_there_already(tmp_path):
    assert new_run_folder(tmp_path, Path("data"), "resnet18") == tmp_path


def test_the_default_name_is_time_data_and_model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = new_run_folder(None, Path("my photos"), "hf_hub:timm/resnet18.a1")
    assert folder.is_dir()
    assert re.fullmatch(r"runs/\d{8}-\d{6}-my-photos-hf_hub-timm-resnet18\.a1", folder.as_posix())


def test_default_names_do_not_collide(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folders = [new_run_folder(None, Path("data"), "m") for _ in range(4)]
    assert len(set(folders)) == 4


def test_a_folder_that_holds_something_is_refused(tmp_path):
    (tmp_path / "plan.yaml").touch()
    with pytest.raises(RunError) as caught:
        new_run_folder(tmp_path, Path("data"), "m")
    assert str(caught.value) == f"{tmp_path} exists and isn't an empty folder: give another --out, or move it away"
    assert [path.name for path in tmp_path.iterdir()] == ["plan.yaml"]


def test_a_file_in_the_place_of_the_folder(tmp_path):
    path = tmp_path / "out"
    path.touch()
    with pytest.raises(RunError, match="exists and isn't an empty folder"):
        new_run_folder(path, Path("data"), "m")


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StorageError) as caught:
        new_run_folder(tmp_path / "file" / "run", Path("data"), "m")
    assert str(caught.value) == f"{tmp_path / 'file' / 'run'}: the folder can't be made (Not a directory)"


def test_plan_and_recipe_come_back(tmp_path):
    recipe = validate_recipe({"seed": 5, "strategy": "gradual", "unfreeze": {"stages": 2}})
    plan = small_plan(recipe, classes=CLASSES, class_weights=dict.fromkeys(CLASSES, 1 / 3))
    write_plan(tmp_path, plan, recipe)
    assert read_plan(tmp_path) == plan
    assert read_recipe(tmp_path / "recipe.yaml") == recipe


def test_a_folder_without_a_plan(tmp_path):
    with pytest.raises(RunError) as caught:
        read_plan(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path} isn't a run: there is no plan.yaml in it. Give a folder that `unfreeze train` made."
    )


@pytest.mark.parametrize(
    "content",
    [b"", b"- 1", b"seed: [", b"\xff", b"seed: 1", b"seed: 2026-13-01"],
    ids=["empty", "a list", "not YAML", "not UTF-8", "too little", "no such date"],
)
def test_a_damaged_plan(tmp_path, content):
    (tmp_path / "plan.yaml").write_bytes(content)
    with pytest.raises(RunError) as caught:
        read_plan(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / 'plan.yaml'}: can't be read as a plan (")


def test_a_plan_with_one_wrong_value_names_it(tmp_path):
    write_plan(tmp_path, small_plan(), validate_recipe({}))
    path = tmp_path / "plan.yaml"
    path.write_text(path.read_text().replace("batch_size: 32", "batch_size: auto"))
    with pytest.raises(RunError, match="batch_size"):
        read_plan(tmp_path)


def test_metrics_come_back(tmp_path):
    metrics = {"test": {"accuracy": 0.5, "per_class": {"Käfer": 1}}, "best_epoch": None, "loss": math.inf}
    write_metrics(tmp_path, metrics)
    assert read_json(tmp_path, "metrics.json") == metrics
    assert "Käfer" in (tmp_path / "metrics.json").read_text(encoding="utf-8")


def test_a_class_whose_folder_name_is_not_utf_8_comes_back(tmp_path):
    name = b"K\xe4fer".decode("utf-8", "surrogateescape")
    write_metrics(tmp_path, {"per_class": {name: 1}})
    assert read_json(tmp_path, "metrics.json") == {"per_class": {name: 1}}


@pytest.mark.parametrize("content", [None, b"", b"{"], ids=["missing", "empty", "cut off"])
def test_damaged_metrics(tmp_path, content):
    if content is not None:
        (tmp_path / "metrics.json").write_bytes(content)
    with pytest.raises(RunError) as caught:
        read_json(tmp_path, "metrics.json")
    assert str(caught.value).startswith(f"{tmp_path / 'metrics.json'}: can't be read (")
    assert str(caught.value).endswith("): the run is incomplete or damaged")


def test_data_lists_every_picture_and_every_file_left_out(tmp_path):
    write_data(tmp_path, DATASET, [{"code": "duplicates"}])
    data = json.loads((tmp_path / "data.json").read_text(encoding="utf-8"))
    assert data["classes"] == list(CLASSES)
    assert data["fingerprint"] == DATASET.fingerprint
    assert data["left_out"] == [{"name": "a/notes.txt", "reason": "not a picture"}]
    assert data["decisions"] == ["split by us"]
    assert data["findings"] == [{"code": "duplicates"}]
    assert [(one["name"], one["label"], one["split"]) for one in data["pictures"]] == [
        (one.name, one.label, one.split) for one in DATASET.records
    ]


def read_table(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def test_predictions(tmp_path):
    predicted = {
        "validation": np.log(np.array([[0.25, 0.5, 0.25]], np.float32)),
        "test": np.log(np.array([[0.75, 0.125, 0.125], [0.5, 0.25, 0.25]], np.float32)),
    }
    write_predictions(tmp_path, DATASET, predicted)
    assert read_table(tmp_path / "predictions.csv") == [
        ["path", "split", "label", "predicted", "confidence", "p(cat, small)", 'p(the "dog")', "p(Käfer 鳥)"],
        ["b/3.png", "validation", 'the "dog"', 'the "dog"', "0.500000", "0.250000", "0.500000", "0.250000"],
        ["a/2,5.png", "test", "cat, small", "cat, small", "0.750000", "0.750000", "0.125000", "0.125000"],
        ["c/4.png", "test", "Käfer 鳥", "cat, small", "0.500000", "0.500000", "0.250000", "0.250000"],
    ]


def test_no_predictions_leave_a_table_of_no_rows(tmp_path):
    write_predictions(tmp_path, DATASET, {})
    (columns,) = read_table(tmp_path / "predictions.csv")
    assert columns[5:] == prediction_columns(CLASSES)


def test_a_probability_of_nothing(tmp_path):
    write_predictions(tmp_path, DATASET, {"validation": np.array([[0, -np.inf, -np.inf]], np.float32)})
    assert read_table(tmp_path / "predictions.csv")[1][4:] == ["1.000000", "1.000000", "0.000000", "0.000000"]


@pytest.mark.parametrize("rows", [0, 1, 3])
def test_more_or_fewer_predictions_than_pictures_are_a_defect(tmp_path, rows):
    with pytest.raises(ValueError, match="zip"):
        write_predictions(tmp_path, DATASET, {"test": np.zeros((rows, 3), np.float32)})
    assert not (tmp_path / "predictions.csv").exists()


def test_a_table_may_hold_line_ends_and_names_that_are_not_utf_8(tmp_path):
    name = b"K\xe4fer".decode("utf-8", "surrogateescape")
    write_table(tmp_path / "t.csv", ["a\nb", "c"], [[name, 1]])
    assert (tmp_path / "t.csv").read_bytes() == b'"a\nb",c\nK\xe4fer,1\n'


@pytest.mark.parametrize("name", ["a\rb", "a\nb", "a\r\nb", "a,b", 'a"b', "\x1b[2J\t", "caf\udce9", "😀", " ", "=1+1"])
def test_a_table_gives_back_every_name(name: str, tmp_path: Path) -> None:
    write_table(tmp_path / "a.csv", ["path", "of"], [[name, 1], ["next", 2]])
    with (tmp_path / "a.csv").open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        assert [*csv.reader(file)] == [["path", "of"], [name, "1"], ["next", "2"]]
    assert (tmp_path / "a.csv").read_bytes().endswith(b"\nnext,2\n")


def test_a_new_run_appears_with_all_that_it_has_from_the_start_or_not_at_all(tmp_path):
    (tmp_path / "run.999999999.tmp").mkdir()  # a killed process left it
    seen = []

    def fill(place):
        (place / "plan.yaml").write_text("whole")
        seen.extend(path.name for path in tmp_path.iterdir())

    assert new_run_folder(tmp_path / "run", Path("data"), "m", fill) == tmp_path / "run"
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["plan.yaml"]
    assert "run" not in seen
    with pytest.raises(ZeroDivisionError):
        new_run_folder(tmp_path / "other", Path("data"), "m", lambda place: 1 / 0)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
