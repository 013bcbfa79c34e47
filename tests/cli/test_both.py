"""`unfreeze train --framework both`: two trainings and their comparison."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from support import second_backend
from support.command import Command
from support.folders import class_folder
from unfreeze import api
from unfreeze.api.frameworks import check_recipe
from unfreeze.cli import both
from unfreeze.cli.main import main
from unfreeze.errors import FrameworkError, ModelError


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that were started. They run in this process, on two stand-ins for the frameworks."""
    commands: list[list[str]] = []

    class InThisProcess:
        def __init__(self, command: list[str]) -> None:
            commands.append(command)
            monkeypatch.setattr(sys, "argv", ["unfreeze", *command[4:]])
            self.returncode = 0
            try:
                main()
            except SystemExit as end:
                self.returncode = int(end.code or 0)

        def __enter__(self) -> InThisProcess:
            return self

        def __exit__(self, *_: Any) -> None:
            pass

        def poll(self) -> int:
            return self.returncode

    monkeypatch.setitem(api.BACKENDS, "torch", ("support.numpy_backend", "torch"))
    monkeypatch.setitem(api.BACKENDS, "tensorflow", ("support.second_backend", "tensorflow"))
    monkeypatch.setattr(both, "check_installed", lambda framework: None)
    monkeypatch.setattr(both.apart, "call", lambda function, recipe: check_recipe(recipe))
    monkeypatch.setattr(both, "subprocess", SimpleNamespace(Popen=InThisProcess))  # for nobody else
    return commands


SHORT = ("--framework", "both", "--head-epochs", 1, "--epochs", 2)


def test_both_are_trained_and_compared(unfreeze: Command, photos: Path, tmp_path: Path, started: list[list[str]]) -> None:
    out = tmp_path / "out"
    status, printed, err = unfreeze("train", photos, *SHORT, "--out", out, "--log", "tensorboard")
    assert (status, err) == (0, "")
    assert all(list((out / framework / "tensorboard").glob("events.*")) for framework in ("torch", "tensorflow"))
    assert [command[:5] for command in started] == [[sys.executable, "-P", "-m", "unfreeze", "train"]] * 2
    written = {"comparison.html", "comparison.json", "comparison.md", "comparison.png"}
    assert {path.name for path in out.iterdir()} == {"recipe.yaml", "start.json", "torch", "tensorflow", *written}
    comparison = api.compare([out / "torch", out / "tensorflow"])
    assert [run.plan.network.framework for run in comparison.runs] == ["numpy", "second"]
    # Both are the same network of NumPy.
    assert (out / "torch/predictions.csv").read_bytes() == (out / "tensorflow/predictions.csv").read_bytes()
    assert printed.index("run folder: ") < printed.index("torch and tensorflow, test: the 95 % intervals overlap")
    assert f"look at     {out}/comparison.html" in printed


def test_what_is_left_of_both_is_resumed(
    unfreeze: Command, photos: Path, tmp_path: Path, started: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    from support.numpy_backend import NumpyBackend

    train_epoch, epochs = NumpyBackend.train_epoch, []

    def interrupted(self: NumpyBackend, *arguments: Any) -> Any:
        epochs.append(1)
        if len(epochs) == 5:  # the second of the second framework
            raise KeyboardInterrupt
        return train_epoch(self, *arguments)

    monkeypatch.setattr(NumpyBackend, "train_epoch", interrupted)
    out = tmp_path / "out"
    status, printed, _ = unfreeze("train", photos, *SHORT, "--out", out)
    assert (status, started[-1][4]) == (130, "train")
    assert f"Go on with both: unfreeze resume {out}" in printed
    assert unfreeze("resume", out, "--quiet")[0] == 0
    assert [command[4] for command in started[2:]] == ["resume", "resume"]
    assert (out / "torch/predictions.csv").read_bytes() == (out / "tensorflow/predictions.csv").read_bytes()
    assert (out / "comparison.html").is_file()


def test_every_flag_reaches_both(unfreeze: Command, photos: Path, tmp_path: Path, started: list[list[str]]) -> None:
    recipe = tmp_path / "mine.yaml"
    recipe.write_text("augment: {jitter: 0.3}\nhead_only: {epochs: 3, optimizer: {name: sgd, momentum: 0.5}}\n")
    flags = (
        "--recipe", recipe, "--head-epochs", 1, "--epochs", 2, "--rate", 1e-5, "--classes", "0,fat cat", "--oversample",
        "--seed", 7, "--set", "head.hidden=[8, 4]", "--set", "unfrozen.optimizer.clip_norm=null", "--strategy", "full",
        "--set", "augment.flip=false",
    )  # fmt: skip
    assert unfreeze("train", photos, *flags, "--framework", "both", "--out", tmp_path / "out", "--quiet") == (0, "", "")
    for framework in ("torch", "tensorflow"):
        alone = tmp_path / framework
        assert unfreeze("train", photos, *flags, "--framework", framework, "--out", alone, "--quiet")[0] == 0
        for name in ("recipe.yaml", "predictions.csv"):
            assert (tmp_path / "out" / framework / name).read_bytes() == (alone / name).read_bytes()
    written = yaml.safe_load((tmp_path / "out/tensorflow/recipe.yaml").read_text(encoding="utf-8"))
    assert (written["unfrozen"]["rate"], written["head"]["hidden"], written["data"]["classes"]) == (
        1e-5,
        [8, 4],
        ["0", "fat cat"],
    )


def test_a_recipe_can_ask_for_both(
    unfreeze: Command, photos: Path, tmp_path: Path, started: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text("framework: both\nstrategy: feature-extraction\nhead_only: {epochs: 1}\n")
    assert unfreeze("train", "photos", "--recipe", "mine.yaml", "--quiet") == (0, "", "")
    (folder,) = (tmp_path / "runs").iterdir()
    assert folder.name.endswith("-photos-efficientnet_lite0-both")
    assert (folder / "comparison.html").exists()


def test_a_folder_whose_name_looks_like_an_option(
    unfreeze: Command, photos: Path, tmp_path: Path, started: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    photos.rename(tmp_path / "--photos")
    assert unfreeze("train", *SHORT, "--out", "out", "--quiet", "--", "--photos")[0] == 0


def test_the_second_to_fail_ends_it_and_the_first_stays(
    unfreeze: Command, photos: Path, tmp_path: Path, started: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise ModelError("no memory for it")

    monkeypatch.setattr(second_backend, "open_network", fail)
    out = tmp_path / "out"
    status, _, err = unfreeze("train", photos, *SHORT, "--out", out, "--quiet")
    assert status == 2
    assert err.splitlines() == [
        "unfreeze: no memory for it",
        f"unfreeze: the training in tensorflow ended with status 2; kept: {out / 'torch'}",
    ]
    assert api.open_run(out / "torch").test is not None
    assert not (out / "comparison.html").exists()


def test_what_the_second_cannot_do_is_refused_before_the_first_starts(
    unfreeze: Command, photos: Path, tmp_path: Path, started: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Any) -> None:
        raise ModelError("it can't be carried over")

    monkeypatch.setattr(second_backend, "check", refuse)
    assert unfreeze("train", photos, *SHORT, "--out", tmp_path / "out")[::2] == (2, "unfreeze: it can't be carried over\n")
    assert started == []
    assert not (tmp_path / "out").exists()


def test_the_first_to_fail_leaves_nothing(unfreeze: Command, tmp_path: Path, started: list[list[str]]) -> None:
    class_folder(tmp_path / "photos", {"a": 1, "b": 1})
    status, _, err = unfreeze("train", tmp_path / "photos", *SHORT, "--out", tmp_path / "out")
    assert status == 2
    assert "unfreeze: the training in torch ended with status 2" in err
    assert len(started) == 1
    assert not (tmp_path / "out").exists()


def test_mistakes_come_before_anything_starts(
    unfreeze: Command, photos: Path, tmp_path: Path, started: list[list[str]]
) -> None:
    assert "head.dropout" in unfreeze("train", photos, *SHORT, "--dropout", 3)[2]
    assert "isn't an empty folder" in unfreeze("train", photos, *SHORT, "--out", photos)[2]
    assert started == []


def test_both_must_be_installed(unfreeze: Command, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "tensorflow" else object())
    status, out, err = unfreeze("train", photos, *SHORT, "--out", tmp_path / "out")
    assert (status, out) == (2, "")
    assert err.endswith("tensorflow needs the package tensorflow, which isn't installed: pip install 'unfreeze[tensorflow]'\n")
    assert not (tmp_path / "out").exists()


def test_only_the_command_train_takes_both(unfreeze: Command, photos: Path) -> None:
    status, _, err = unfreeze("plan", photos, "--framework", "both")
    assert status == 2
    assert "both is for `unfreeze train DATA --framework both`" in err
    with pytest.raises(FrameworkError, match="Here give one: torch or tensorflow"):
        api.train(photos, framework="both")


@pytest.fixture
def interruptible() -> Iterator[None]:
    """A test run in the background of a shell ignores Ctrl-C, and so would the processes it starts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_ends_both_and_keeps_the_best_so_far(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    class_folder(tmp_path / "photos", {"a": 20, "b": 20})
    options = ("--framework", "both", "--side", "64", "--head-epochs", "500", "--out", "out")
    command = [sys.executable, "-m", "unfreeze", "train", "photos", *options]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        history = tmp_path / "out/torch/history.jsonl"
        for _ in range(1200):
            if history.exists() or process.poll() is not None:
                break
            time.sleep(0.1)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        printed = process.communicate(timeout=120)[0]
    assert process.returncode == 130
    assert "the best so far, are kept" in printed
    assert "Go on with both: unfreeze resume out" in printed
    assert json.loads((tmp_path / "out/torch/metrics.json").read_text())["interrupted"] is True
    assert not (tmp_path / "out/tensorflow").exists()
