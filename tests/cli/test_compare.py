"""`unfreeze compare` as a person runs it, on runs made on the spot."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from support.command import NUMPY, Command
from support.folders import class_folder


@pytest.fixture
def pair(unfreeze: Command, photos: Path, tmp_path: Path) -> tuple[Path, Path]:
    """Two short runs on the same pictures, so short that they make mistakes."""
    folders = tmp_path / "one", tmp_path / "two"
    for folder, strategy in zip(folders, ("feature-extraction", "full"), strict=True):
        arguments = ("--strategy", strategy, "--head-epochs", 1, "--epochs", 2, "--rate", 1e-4, "--head-rate", 1e-4)
        assert unfreeze("train", photos, *NUMPY, *arguments, "--out", folder, "--quiet")[0] == 0
    return folders


def right_by_path(run: Path) -> dict[str, bool]:
    with (run / "predictions.csv").open(encoding="utf-8", newline="") as file:
        return {row["path"]: row["label"] == row["predicted"] for row in csv.DictReader(file) if row["split"] == "test"}


def test_two_runs_side_by_side(unfreeze: Command, pair: tuple[Path, Path], tmp_path: Path) -> None:
    status, out, err = unfreeze("compare", *pair, "--to", tmp_path / "deep/comparison")
    assert (status, err) == (0, "")
    cells = {line.split("  ")[0]: re.split(r"\s{2,}", line.rstrip())[1:] for line in out.splitlines()}
    assert cells["framework"] == ["numpy", "numpy"]
    assert cells["strategy"] == ["feature-extraction", "full"]
    for run, shown in zip(pair, cells["test accuracy"], strict=True):
        test = json.loads((run / "metrics.json").read_text())["test"]
        low, high = test["interval"]
        assert shown == f"{test['accuracy']:.1%} ({low:.1%} to {high:.1%}, {test['pictures']} pictures)"
    tests = [json.loads((run / "metrics.json").read_text())["test"] for run in pair]
    means = [f"{test['balanced_accuracy']:.1%}, {test['macro_f1']:.1%}" for test in tests]
    assert cells["test balanced accuracy, macro-F1"] == means
    one, two = (right_by_path(run) for run in pair)
    first = sum(one[path] and not two[path] for path in one)
    second = sum(two[path] and not one[path] for path in one)
    assert first + second > 0
    assert f"{first + second} of {len(one)} pictures (one alone right {first}, two alone right {second}): p = " in out
    assert "note:" not in out
    page = (tmp_path / "deep/comparison/comparison.html").read_text(encoding="utf-8")
    assert not re.search(r"https?://|url\(|@import|<link|src=\"(?!data:)", page)
    assert "feature-extraction" in page
    shown = json.loads((tmp_path / "deep/comparison/comparison.json").read_text())
    assert out.startswith(shown["verdict"])
    assert shown["disputed"]["shared"] == len(one)
    assert shown["disputed"]["differing"] >= first + second
    assert page.count("data:image/jpeg;base64,") == min(shown["disputed"]["differing"], 24)
    with Image.open(tmp_path / "deep/comparison/comparison.png") as curves:
        assert curves.format == "PNG"


def test_without_a_folder_nothing_is_written(unfreeze: Command, pair: tuple[Path, Path], tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    assert unfreeze("compare", *pair)[0] == 0
    assert sorted(tmp_path.rglob("*")) == before


def test_a_run_and_its_copy_differ_in_nothing(unfreeze: Command, run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "copy")
    out = unfreeze("compare", run, tmp_path / "copy")[1]
    assert "The plans are the same in every value." in out
    assert "one names right and the other wrong 0 of" in out


def test_runs_of_the_same_name_are_told_apart_by_their_paths(unfreeze: Command, run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "other/run")
    out = unfreeze("compare", run, tmp_path / "other/run")[1]
    assert f"{run} and {tmp_path / 'other/run'}, test: the 95 % intervals overlap" in out


def test_other_splits_and_classes_are_said(unfreeze: Command, run: Path, photos: Path, tmp_path: Path) -> None:
    arguments = ("--strategy", "feature-extraction", "--head-epochs", 1, "--quiet", "--out", tmp_path / "other")
    assert unfreeze("train", photos, *NUMPY, "--classes", "0,été", *arguments)[0] == 0
    out = unfreeze("compare", run, tmp_path / "other")[1]
    assert "not trained on the same data with the same splits: an accuracy of one can't be held against that of another" in out
    assert "the runs don't have the same classes: fat cat only in some of them" in out
    assert "they were not scored on the same pictures" in out


def test_more_training_pictures_leave_the_test_pictures_comparable(unfreeze: Command, tmp_path: Path) -> None:
    for split, seed in (("val", 0), ("test", 100), ("train", 200)):
        class_folder(tmp_path / "data" / split, {"a": 6, "b": 6}, first_seed=seed)
    arguments = ("--strategy", "feature-extraction", "--head-epochs", 1, "--quiet")
    unfreeze("train", tmp_path / "data", *NUMPY, *arguments, "--out", tmp_path / "few")
    class_folder(tmp_path / "data/train", {"a": 9, "b": 9}, first_seed=300)
    unfreeze("train", tmp_path / "data", *NUMPY, *arguments, "--out", tmp_path / "more")
    out = unfreeze("compare", tmp_path / "few", tmp_path / "more")[1]
    assert "not trained on the same data with the same splits, but all were scored on the same test pictures" in out
    assert "of 12 pictures" in out


def test_what_is_missing_is_said_and_the_rest_compared(unfreeze: Command, pair: tuple[Path, Path], tmp_path: Path) -> None:
    one, two = pair
    (two / "metrics.json").unlink()
    status, out, _ = unfreeze("compare", one, two)
    assert status == 0
    assert "note: two: it hasn't ended: there is no metrics.json in it" in out
    assert "one and two: there is no split that both were scored on" in out
    (one / "predictions.csv").write_text("path,split\nx,y\n")
    (one / "history.jsonl").write_text("{")
    status, out, _ = unfreeze("compare", one, two, "--to", tmp_path / "to")
    assert status == 0
    assert "predictions.csv: can't be read as a run's predictions" in out
    assert "history.jsonl: can't be read as a run's history" in out


def test_an_interrupted_run_is_compared(
    unfreeze: Command, run: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from support.numpy_backend import NumpyBackend

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(NumpyBackend, "train_epoch", interrupted)
    assert unfreeze("train", photos, *NUMPY, "--out", tmp_path / "short", "--quiet")[0] == 130
    status, out, _ = unfreeze("compare", run, tmp_path / "short", "--to", tmp_path / "to")
    assert status == 0
    assert "note: short: it was interrupted and not scored" in out


def test_three_runs_warn_of_many_tests(unfreeze: Command, pair: tuple[Path, Path], tmp_path: Path) -> None:
    shutil.copytree(pair[0], tmp_path / "three")
    out = unfreeze("compare", *pair, tmp_path / "three")[1]
    assert out.count("exact McNemar test") == 3
    assert "hold each p against 0.05 / 3 = 0.017" in out


@pytest.mark.parametrize(
    ("others", "message"),
    [
        ((), "a comparison takes at least two runs, received 1: give two run folders or more"),
        (("run",), "is given more than once"),
        (("photos",), "photos isn't a run: there is no plan.yaml in it"),
        (("nowhere",), "nowhere isn't a run"),
    ],
)
def test_mistakes(unfreeze: Command, run: Path, others: tuple[str, ...], message: str) -> None:
    status, out, err = unfreeze("compare", run, *(run.parent / other for other in others))
    assert (status, out) == (2, "")
    assert message in err


def test_comparing_loads_no_framework(pair: tuple[Path, Path]) -> None:
    code = (
        f"import sys, unfreeze\nshown = unfreeze.compare({list(map(str, pair))!r})\n"
        "print(shown.runs[0].name, {'torch', 'tensorflow', 'keras', 'timm'} & set(sys.modules))"
    )
    printed = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert printed == "one set()\n"
