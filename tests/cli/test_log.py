"""`unfreeze train --log`: what the tracker has is what the run has."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from support.command import NUMPY, Command
from unfreeze import api

SHORT = ("--head-epochs", 1, "--epochs", 2, "--quiet")


def test_tensorboard_has_the_run_s_numbers(unfreeze: Command, photos: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX")
    pytest.importorskip("tensorboard")
    # It has this module where it was built without TensorFlow, which it would otherwise load to read a file.
    sys.modules.setdefault("tensorboard.compat.notf", ModuleType("notf"))
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    out = tmp_path / "run"
    assert unfreeze("train", photos, *NUMPY, *SHORT, "--out", out, "--log", "tensorboard") == (0, "", "")
    events = EventAccumulator(str(out / "tensorboard")).Reload()
    history = [json.loads(line) for line in (out / "history.jsonl").read_text().splitlines()]
    columns = {"train/loss": "train_loss", "validation/macro_f1": "val_macro_f1", "rate": "rate", "phase": "phase"}
    for name, column in columns.items():
        kept = [(event.step, event.value) for event in events.Scalars(name)]
        assert kept == [(record["epoch"], pytest.approx(record[column])) for record in history], name
    metrics = json.loads((out / "metrics.json").read_text())
    for name, split in (("best", "validation"), ("test", "test")):
        assert events.Scalars(f"{name}/accuracy")[0].value == pytest.approx(metrics[split]["accuracy"])
        assert events.Scalars(f"{name}/accuracy_low")[0].value == pytest.approx(metrics[split]["interval"][0])
    assert events.Tags()["images"] == ["curves", "confusion"]
    phases = [event.tensor_proto.string_val[0].decode() for event in events.Tensors("phases/text_summary")]
    assert [words.partition(":")[0] for words in phases] == ["phase 1", "phase 2"]


@pytest.mark.parametrize("framework", ["numpy", "both"])
def test_mistakes_are_said_before_anything_starts(unfreeze: Command, photos: Path, tmp_path: Path, framework: str) -> None:
    out = tmp_path / "run"
    status, printed, err = unfreeze("train", photos, "--framework", framework, "--out", out, "--log", "tensorboard,mlflw")
    assert (status, printed) == (2, "")
    assert "there is no tracker 'mlflw'. Did you mean 'mlflow'?" in err
    assert not out.exists()


def test_trackers_are_told_how_a_training_broke_off(
    unfreeze: Command, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from support.numpy_backend import NumpyBackend
    from unfreeze.trackers import tensorboard, tracker

    told: list[str] = []

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    def close(self: tensorboard.TensorBoard, status: tracker.Status, really: Any = tensorboard.TensorBoard.close) -> None:
        told.append(status)
        really(self, status)

    monkeypatch.setattr(NumpyBackend, "train_epoch", interrupted)
    monkeypatch.setattr(tensorboard.TensorBoard, "close", close)
    run = api.train(photos, framework="numpy", model="tiny", out=tmp_path / "run", log="tensorboard")
    assert run.interrupted
    assert told == ["interrupted"]
