"""Trackers as one watcher: which there are, in what order they are told, and what happens when one fails."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from support.made_up import epoch_record, small_plan
from support.tracked import result
from unfreeze.errors import TrackerError
from unfreeze.trackers import watcher
from unfreeze.trackers.watcher import load_trackers, open_trackers
from unfreeze.training.watcher import Silent


class Noting:
    """Notes what it is told, and fails at one thing."""

    def __init__(self, notes: list[tuple[Any, ...]], fails_at: str = "") -> None:
        self._notes, self._fails_at = notes, fails_at

    def __getattr__(self, name: str) -> Any:
        def note(*told: Any) -> None:
            if name == self._fails_at:
                raise OSError("no space left\nin detail")
            self._notes.append((name, *told))

        return note


@pytest.fixture
def notes(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[tuple[Any, ...]]]:
    """What `steady` was told, and `weak`, which fails at its second call."""
    notes: dict[str, list[tuple[Any, ...]]] = {"steady": [], "weak": []}
    modules = {
        name: SimpleNamespace(open_tracker=lambda folder, plan, name=name, fails_at=fails_at: Noting(notes[name], fails_at))
        for name, fails_at in (("steady", ""), ("weak", "epoch_done"))
    }
    monkeypatch.setattr(watcher, "load_trackers", lambda names: {name: modules[name] for name in names})
    return notes


def test_all_are_told_in_order_and_closed_with_how_it_ended(notes: dict[str, list[Any]], tmp_path: Path) -> None:
    plan, told = small_plan(), result(tmp_path)
    with open_trackers(["steady"], tmp_path, plan, Silent()) as trackers:
        trackers.phase_started(1, plan.phases[0], 7)
        trackers.epoch_done(epoch_record(1))
        trackers.phase_started(2, plan.phases[1], 7)
        trackers.finished(told)
    assert [note[0] for note in notes["steady"]] == ["phase_started", "epoch_done", "phase_started", "finished", "close"]
    assert [note[3] for note in notes["steady"] if note[0] == "phase_started"] == [1, 2]
    assert notes["steady"][-2:] == [("finished", told), ("close", "finished")]


@pytest.mark.parametrize(("error", "status"), [(ValueError, "failed"), (KeyboardInterrupt, "interrupted")])
def test_a_training_that_breaks_off_closes_them(
    notes: dict[str, list[Any]], tmp_path: Path, error: type[BaseException], status: str
) -> None:
    with pytest.raises(error), open_trackers(["steady"], tmp_path, small_plan(), Silent()):
        raise error
    assert notes["steady"] == [("close", status)]


def test_one_that_fails_is_said_once_and_the_others_go_on(
    notes: dict[str, list[Any]], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[tuple[Any, ...]] = []
    with caplog.at_level(logging.WARNING), open_trackers(["weak", "steady"], tmp_path, small_plan(), Noting(seen)) as trackers:
        for epoch in (1, 2):
            trackers.epoch_done(epoch_record(epoch))
            trackers.step_done(32)
    assert [note[0] for note in notes["steady"]] == ["epoch_done", "epoch_done", "close"]
    assert notes["weak"] == []
    assert [note[0] for note in seen] == ["epoch_done", "step_done"] * 2
    assert [record.getMessage() for record in caplog.records] == [
        "note: weak is told nothing more of this training, which goes on (OSError: no space left)"
    ]


def test_names_come_singly_or_with_commas_each_once() -> None:
    pytest.importorskip("tensorboardX")
    for log in ("tensorboard", ["tensorboard"], "tensorboard, tensorboard", ["tensorboard,", "tensorboard"]):
        assert list(load_trackers(log)) == ["tensorboard"]
    assert load_trackers(()) == {}
    assert load_trackers("") == {}


def test_an_unknown_tracker_is_a_clear_error() -> None:
    with pytest.raises(
        TrackerError, match=r"no tracker 'tensorbord'\. Did you mean 'tensorboard'\? It can be tensorboard, mlflow"
    ):
        load_trackers(["tensorbord"])


@pytest.mark.parametrize(("name", "package"), [("tensorboard", "tensorboardX"), ("mlflow", "mlflow"), ("wandb", "wandb")])
def test_one_that_is_not_installed_names_the_extra(name: str, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, f"unfreeze.trackers.{name}", raising=False)
    for module in [module for module in sys.modules if module.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setattr(sys, "meta_path", [Hiding(package), *sys.meta_path])
    with pytest.raises(TrackerError, match=rf"{name} needs the package {package}, .* pip install 'unfreeze\[{name}\]'"):
        load_trackers([name])


class Hiding:
    """An importer for which a package isn't installed."""

    def __init__(self, package: str) -> None:
        self._package = package

    def find_spec(self, name: str, *_: object) -> None:
        if name.partition(".")[0] == self._package:
            raise ModuleNotFoundError(f"No module named '{name}'", name=name)
