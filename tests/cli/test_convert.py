"""`unfreeze convert` as a person runs it: between two stand-in frameworks, in this process."""

from __future__ import annotations

import importlib
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.command import Command
from support.folders import class_folder
from unfreeze.exchange import apart
from unfreeze.training.calibration import Calibration, write_calibration


@pytest.fixture(autouse=True)
def second_framework(monkeypatch: pytest.MonkeyPatch) -> None:
    """Registers a second framework; what would run in a process of its own, which doesn't know it, runs in this one."""
    from unfreeze import api

    def call(function: str, **arguments: Any) -> Any:
        module, _, name = function.partition(":")
        return getattr(importlib.import_module(module), name)(**arguments)

    monkeypatch.setitem(api.BACKENDS, "second", ("support.second_backend", "none"))
    monkeypatch.setattr(apart, "call", call)


def files_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


def test_the_converted_run_is_a_whole_run(unfreeze: Command, run: Path, photos: Path) -> None:
    write_calibration(Calibration(0.5, 60, 0.9, 0.8, "by hand"), run / "model")
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    status, out, err = unfreeze("convert", run, "--to", "second")
    new = run.with_name("run-second")
    assert (status, err) == (0, "")
    scored = (run / "predictions.csv").read_text(encoding="utf-8").count("\n") - 1
    # The two multiply the same numbers in another order.
    found = re.match(rf"checked on {scored} pictures: the largest difference of a probability is (\S+)\n", out)
    assert found is not None
    assert float(found[1]) < 1e-6
    assert f"run folder: {new} (second)" in out
    assert files_in(new) == files_in(run) - {"start.json"}  # it wasn't trained: there is nothing to resume
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before
    same = {"data.json", "metrics.json", "predictions.csv", "findings.json", "history.jsonl", "history.csv", "curves.png"}
    same.add("model/calibration.json")
    assert all((new / name).read_bytes() == (run / name).read_bytes() for name in same)
    plan = yaml.safe_load((new / "plan.yaml").read_text(encoding="utf-8"))
    assert plan["network"]["framework"] == "second"
    remark = f"converted from the numpy run {run}, checked on {scored} pictures: largest difference of a probability {found[1]}"
    assert plan["remarks"][-1].startswith(remark)
    assert yaml.safe_load((new / "recipe.yaml").read_text(encoding="utf-8"))["framework"] == "second"
    assert remark in (new / "report.html").read_text(encoding="utf-8")
    assert "<title>run-second" in (new / "report.html").read_text(encoding="utf-8")
    assert [path.name for path in run.parent.iterdir() if path.name.startswith(".")] == []
    for command in (("evaluate", photos), ("predict", photos)):
        old_out, new_out = (unfreeze(command[0], folder, command[1])[1] for folder in (run, new))
        assert old_out == new_out != ""


def test_there_and_back_again(unfreeze: Command, run: Path, tmp_path: Path) -> None:
    assert unfreeze("convert", run, "--to", "second", "--out", tmp_path / "deep/there")[0] == 0
    (tmp_path / "back").mkdir()
    assert unfreeze("convert", tmp_path / "deep/there", "--to", "numpy", "--out", tmp_path / "back")[0] == 0
    model = "model/manifest.json"
    assert (tmp_path / "back" / model).read_bytes() == (run / model).read_bytes()
    assert (tmp_path / "deep/there" / model).read_bytes() != (run / model).read_bytes()


def test_other_pictures_can_be_checked_with(unfreeze: Command, run: Path, photos: Path, tmp_path: Path) -> None:
    shutil.rmtree(photos)
    status, out, err = unfreeze("convert", run, "--to", "second")
    assert (status, out) == (2, "")
    assert f"the pictures it was scored on aren't in {photos} any more, or have changed" in err
    assert "--check FOLDER" in err
    more = class_folder(tmp_path / "more", {"0": 3, "x": 2})
    out = unfreeze("convert", run, "--to", "second", "--check", more / "0", "--check", more / "x/000.png")[1]
    assert out.startswith("checked on 4 pictures")


def test_changed_pictures_are_not_checked_with(unfreeze: Command, run: Path, photos: Path) -> None:
    for picture in (photos / "0").iterdir():
        picture.write_bytes(b"something else")
    rows = (run / "predictions.csv").read_text(encoding="utf-8").splitlines()[1:]
    unchanged = sum(not row.startswith("0/") for row in rows)
    assert 0 < unchanged < len(rows)
    assert unfreeze("convert", run, "--to", "second")[1].startswith(f"checked on {unchanged} pictures")


def test_many_pictures_are_sampled_over_all_classes(unfreeze: Command, tmp_path: Path) -> None:
    from unfreeze.api.samples import scored_pictures

    for split, count in (("train", 2), ("val", 60), ("test", 20)):
        class_folder(tmp_path / "data" / split, {"a": count, "b": count}, size=(8, 8), first_seed=count * 100)
    arguments = ("--framework", "numpy", "--model", "tiny", "--strategy", "feature-extraction", "--head-epochs", 1)
    unfreeze("train", tmp_path / "data", *arguments, "--quiet", "--out", tmp_path / "run")
    chosen = scored_pictures(tmp_path / "run")
    assert 32 < len(chosen) <= 64
    assert {path.relative_to(tmp_path / "data").parts[:2] for path in chosen} == {
        ("val", "a"), ("val", "b"), ("test", "a"), ("test", "b"),
    }  # fmt: skip


@pytest.mark.parametrize("change", [0.05, float("nan")])
def test_models_that_disagree_leave_nothing(
    unfreeze: Command, run: Path, change: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    from support import second_backend

    write_model = second_backend.write_model

    def wrong(folder: Path, tensors: dict[str, Any], manifest: dict[str, Any]) -> None:
        write_model(folder, tensors | {"head": tensors["head"] + [change, 0, 0]}, manifest)

    monkeypatch.setattr(second_backend, "write_model", wrong)
    before = files_in(run.parent)
    status, out, err = unfreeze("convert", run, "--to", "second")
    assert (status, out) == (2, "")
    assert "the model in second doesn't agree with the one in numpy: on " in err
    assert "allowed is 0.001" in err
    assert files_in(run.parent) == before


def test_a_network_that_can_not_be_carried_over_leaves_nothing(
    unfreeze: Command, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from support import numpy_backend
    from unfreeze.errors import ModelError

    def refuse(folder: Path) -> None:
        raise ModelError("only networks of timm can be converted")

    monkeypatch.setattr(numpy_backend, "read_tensors", refuse)
    before = files_in(run.parent)
    assert unfreeze("convert", run, "--to", "second") == (2, "", "unfreeze: only networks of timm can be converted\n")
    assert files_in(run.parent) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "--to", "numpy"), "run is a run in numpy already: there is nothing to convert"),
        (("run", "--to", "secund"), "there is no backend for 'secund'. Did you mean 'second'?"),
        (("run", "--to", "second", "--out", "photos"), "photos exists and isn't an empty folder: give another --out"),
        (("run", "--to", "second", "--check", "nowhere"), "nowhere: there is no such file or folder"),
        (("run", "--to", "second", "--check", "photos/0/broken.jpg"), "broken.jpg: "),
        (("photos", "--to", "second"), "photos isn't a run"),
    ],
)
def test_mistakes(unfreeze: Command, run: Path, arguments: tuple[str, ...], message: str, tmp_path: Path) -> None:
    before = files_in(tmp_path)
    places = [tmp_path / part if part in ("run", "photos") or "/" in part else part for part in arguments]
    status, out, err = unfreeze("convert", *places)
    assert (status, out) == (2, "")
    assert message in err
    assert files_in(tmp_path) == before


def test_a_run_that_has_not_ended_is_refused(unfreeze: Command, run: Path) -> None:
    (run / "metrics.json").unlink()
    status, _, err = unfreeze("convert", run, "--to", "second")
    assert status == 2
    assert "metrics.json: can't be read" in err
    assert "incomplete or damaged" in err
