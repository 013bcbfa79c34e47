"""`unfreeze find-lr` and `--lr auto`, as a person runs them: on the NumPy backend, and in both frameworks."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
import yaml
from PIL import Image

import unfreeze as package
from support import numpy_backend
from support.command import NUMPY, Command
from support.folders import class_folder
from unfreeze import api
from unfreeze.recipe.read import read_recipe

# TensorFlow traces it faster than Adam.
SGD = {"name": "sgd"}


def test_find_lr(unfreeze: Command, photos: Path, tmp_path: Path) -> None:
    status, printed, said = unfreeze(
        "find-lr", photos, *NUMPY, "--plot", tmp_path / "rates.png", "--to", tmp_path / "rates.json"
    )
    assert status == 0
    assert "looking for the learning rate: range test of 'head only'" in said
    content = json.loads((tmp_path / "rates.json").read_text(encoding="utf-8"))
    assert [test["kind"] for test in content["tests"]] == ["head", "unfrozen"]
    for test in content["tests"]:
        assert len(test["rates"]) == len(test["losses"]) == len(test["smoothed"])
        assert f"rate {test['verdict']['suggestion']:g}" in printed
        assert content["rules"][test["kind"]] in printed
    head, unfrozen = (test["verdict"]["suggestion"] for test in content["tests"])
    assert f"to train so: --head-rate {head:g} --rate {unfrozen:g}" in printed
    with Image.open(tmp_path / "rates.png") as picture:
        assert picture.size[0] > 1000
    # Its twin, one phase: the same numbers, with the head's rate given.
    asked = {"framework": "numpy", "model": "tiny", "head_only": {"rate": head}}
    (test,) = package.find_rate(photos, phase="unfrozen", **asked)
    assert test.verdict.suggestion == unfrozen


def test_could_not_tell(unfreeze: Command, photos: Path) -> None:
    status, printed, _ = unfreeze(
        "find-lr", photos, *NUMPY, "--phase", "head", "--low", "1e-12", "--high", "1e-11", "--steps", 40
    )
    assert status == 3
    assert "could not tell: the loss is" in printed
    assert "to train so" not in printed


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--phase", "unfrozen", "--strategy", "feature-extraction"), "the strategy feature-extraction unfreezes nothing"),
        (("--phase", "tail"), "it can be head or unfrozen, received 'tail'"),
        (("--steps", 3), "3 steps can't tell a loss from its noise: give at least 30"),
        (("--low", 1, "--high", 0.1), "give two above 0, the lower one first"),
        (("--rate", "fast"), "--rate: 'fast' won't do: give a number like 5e-4, or auto"),
        (("--lr", "0.1"), "--lr: '0.1' won't do: give auto, or numbers apart"),
        (("--plot", "nowhere/rates.png"), "there is no folder nowhere"),
        (("--plot", "rates.jpg"), "rates.jpg: pictures are drawn as .png or .svg"),
    ],
)
def test_what_can_not_be_done_is_said(unfreeze: Command, photos: Path, flags: tuple[object, ...], said: str) -> None:
    status, _, error = unfreeze("find-lr", photos, *NUMPY, *flags)
    assert status == 2
    assert said in error
    assert "Traceback" not in error


def test_a_plan_has_numbers(unfreeze: Command, photos: Path) -> None:
    status, printed, said = unfreeze("plan", photos, *NUMPY, "--lr", "auto", "--strategy", "gradual")
    assert status == 0
    assert "looking for the learning rate" in said
    assert "unfrozen.rate: " in printed
    planned = package.plan(photos, framework="numpy", model="tiny", strategy="gradual", unfrozen={"rate": "auto"})
    head, first, second = (phase.rate for phase in planned.phases)
    assert head == 3e-3
    assert second == pytest.approx(first / 2)
    assert f"unfrozen.rate: {first:g} was found by a range test of 'down to stage1'" in planned.remarks[-1]


@pytest.mark.usefixtures("numpy_framework")
def test_a_rate_that_can_not_be_told_is_the_usual_one(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numpy_backend, "_RATE_FACTOR", 1e-9)
    planned = package.plan(photos, framework="numpy", model="tiny", unfrozen={"rate": "auto"})
    assert planned.phases[1].rate == 5e-4
    assert "unfrozen.rate: the usual 0.0005, because a range test could not tell" in planned.remarks[-1]


def trained(framework: str, photos: Path, out: Path, **rates: object) -> Path:
    changes = {
        "framework": framework,
        # With its input and seed, the one that TensorFlow's other tests carry over: the cache folder has it.
        "model": "tiny" if framework == "numpy" else "test_resnet",
        "weights": "none",
        "input": {"side_px": 32, "batch_size": 4},
        "head_only": {"epochs": 1, "rate": rates["head"], "optimizer": SGD},
        "unfrozen": {"epochs": 1, "rate": rates["unfrozen"], "optimizer": SGD},
        "unfreeze": {"stages": 1},
        "cache": {"use": "off"},
        "data.inspect": "none",
        "precision": "float32",
        "explain": False,
    }
    api.train(photos, read_recipe(None, changes), out=out)
    return out


def keras_weights(path: Path) -> bytes:
    with zipfile.ZipFile(path) as archive:
        return archive.read("model.weights.h5")


@pytest.mark.parametrize("framework", ["numpy", "torch", "tensorflow"])
def test_a_rate_found_and_a_rate_given_train_the_same_bytes(tmp_path: Path, numpy_framework: str, framework: str) -> None:
    if framework != numpy_framework:
        pytest.importorskip(framework)
    photos = class_folder(tmp_path / "photos", {"a": 10, "b": 10}, size=(16, 16))
    found = trained(framework, photos, tmp_path / "found", head="auto", unfrozen="auto")
    rates = [phase["rate"] for phase in yaml.safe_load((found / "plan.yaml").read_text(encoding="utf-8"))["phases"]]
    given = trained(framework, photos, tmp_path / "given", head=rates[0], unfrozen=rates[-1])
    files = [path.name for path in (found / "model").iterdir()]
    assert files
    for name in files:
        one, two = ((run / "model" / name).read_bytes() for run in (found, given))
        if name.endswith(".keras"):  # an archive with the time of its writing in it
            one, two = (keras_weights(run / "model" / name) for run in (found, given))
        assert one == two, name
    assert (found / "predictions.csv").read_bytes() == (given / "predictions.csv").read_bytes()
    # What was asked stays asked, and what was found is kept.
    assert yaml.safe_load((found / "recipe.yaml").read_text(encoding="utf-8"))["head_only"]["rate"] == "auto"
    content = json.loads((found / "rates.json").read_text(encoding="utf-8"))
    suggested = [test["verdict"]["suggestion"] for test in content["tests"]]
    assert [rate or usual for rate, usual in zip(suggested, (3e-3, 5e-4), strict=False)] == rates
    assert (found / "rates.png").is_file()
    assert not (given / "rates.json").exists()
