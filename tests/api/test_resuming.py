"""A training that is stopped at any place and resumed ends as one left alone, byte for byte. On the NumPy backend."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from support.folders import class_folder
from unfreeze import api
from unfreeze.errors import DataError, RunError
from unfreeze.files import write_bytes
from unfreeze.training import checkpoint
from unfreeze.training.watcher import Silent

TIMES = ("train_seconds", "val_seconds", "fill_seconds", "pictures_per_second")
KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "gradual": {
        "strategy": "gradual",
        "unfrozen": {"epochs": 3, "schedule": {"name": "plateau"}, "stopping": {"patience_epochs": 1}},
    },
    "auto": {"strategy": "auto"},
    "mean": {"ema": 0.9, "unfrozen": {"epochs": 2, "optimizer": {"l2_sp": 0.1}}, "augment": {"mixup": 0.2}},
    "uncached": {"cache": {"use": "off"}, "input": {"batch_size": 4, "accumulate": 2}},
}


# `make soak` takes every step.
_EVERY = 6


class _Stopped(BaseException):
    """As if the process were gone: nothing catches it."""


class _StopsAt(Silent):
    def __init__(self, step: int) -> None:
        self._left = step

    def step_done(self, pictures: int) -> None:
        self._left -= 1
        if self._left == 0:
            raise _Stopped


class _Interrupts(Silent):
    def __init__(self, step: int) -> None:
        self._left = step

    def step_done(self, pictures: int) -> None:
        self._left -= 1
        if self._left == 0:
            raise KeyboardInterrupt


class _Counts(Silent):
    steps = 0

    def step_done(self, pictures: int) -> None:
        self.steps += 1


class _Notes(Silent):
    def __init__(self) -> None:
        self.warnings: list[str] = []
        self.resumed_after: tuple[int, int] | None = None

    def warned(self, words: str) -> None:
        self.warnings.append(words)

    def resumed(self, history: Any, steps: int) -> None:
        self.resumed_after = len(history), steps


def asked(framework: str, **changes: Any) -> dict[str, Any]:
    plain = {"head_only": {"epochs": 2}, "unfrozen": {"epochs": 2}, "input": {"batch_size": 4}, "explain": False}
    return {"framework": framework, "model": "tiny", "checkpoint_minutes": 1e-9} | plain | {"data.inspect": "none"} | changes


def facts(run: Path) -> dict[str, Any]:
    """All that a run came to, but for times."""
    history = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
    metrics = json.loads((run / "metrics.json").read_text())
    return {
        "model": (run / "model" / "manifest.json").read_bytes(),
        "history": [{name: value for name, value in record.items() if name not in TIMES} for record in history],
        "metrics": {name: value for name, value in metrics.items() if name != "seconds"},
        "predictions": (run / "predictions.csv").read_bytes(),
        "findings": (run / "findings.json").read_bytes(),
    }


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return class_folder(tmp_path_factory.mktemp("resuming") / "photos", {"cat": 12, "dog": 12})


@pytest.mark.parametrize("kind", KINDS)
def test_stopped_after_a_step_it_ends_the_same(kind: str, pictures: Path, tmp_path: Path, numpy_framework: str) -> None:
    recipe, counter = asked(numpy_framework, **KINDS[kind]), _Counts()
    api.train(pictures, out=tmp_path / "alone", watcher=counter, **recipe)
    alone = facts(tmp_path / "alone")
    assert not (tmp_path / "alone" / "checkpoints").exists()
    for step in range(1, counter.steps + 1, _EVERY):
        run = tmp_path / f"stopped-{step}"
        with pytest.raises(_Stopped):
            api.train(pictures, out=run, watcher=_StopsAt(step), **recipe)
        api.resume(run)
        assert facts(run) == alone, f"stopped after step {step} of {counter.steps}"


def test_stopped_again_and_again(pictures: Path, tmp_path: Path, numpy_framework: str) -> None:
    recipe = asked(numpy_framework, **KINDS["mean"])
    api.train(pictures, out=tmp_path / "alone", **recipe)
    with pytest.raises(_Stopped):
        api.train(pictures, out=tmp_path / "run", watcher=_StopsAt(2), **recipe)
    for _ in range(100):
        try:
            api.resume(tmp_path / "run", watcher=_StopsAt(2))
            break
        except _Stopped:
            continue
    assert facts(tmp_path / "run") == facts(tmp_path / "alone")


def stopped(pictures: Path, run: Path, framework: str, step: int = 7) -> dict[str, Any]:
    recipe = asked(framework)
    with pytest.raises(_Stopped):
        api.train(pictures, out=run, watcher=_StopsAt(step), **recipe)
    return recipe


@pytest.mark.parametrize("damage", [b"", b"unfreeze checkpoint 1 0\n", None])
def test_of_a_damaged_checkpoint_the_one_before_is_used(
    damage: bytes | None, pictures: Path, tmp_path: Path, numpy_framework: str
) -> None:
    recipe = stopped(pictures, tmp_path / "run", numpy_framework)
    _, newest = sorted((tmp_path / "run" / "checkpoints").iterdir())
    content = newest.read_bytes()
    newest.write_bytes(content[:-9] + b"!" + content[-8:] if damage is None else damage)
    notes = _Notes()
    api.resume(tmp_path / "run", watcher=notes)
    (said,) = notes.warnings
    assert f"{newest} is damaged" in said
    api.train(pictures, out=tmp_path / "alone", **recipe)
    assert facts(tmp_path / "run") == facts(tmp_path / "alone")


def test_where_all_are_damaged_it_starts_from_the_beginning(pictures: Path, tmp_path: Path, numpy_framework: str) -> None:
    recipe = stopped(pictures, tmp_path / "run", numpy_framework)
    for path in (tmp_path / "run" / "checkpoints").iterdir():
        path.write_bytes(b"nothing")
    notes = _Notes()
    api.resume(tmp_path / "run", watcher=notes)
    assert len(notes.warnings) == 2
    assert notes.resumed_after is None
    api.train(pictures, out=tmp_path / "alone", **recipe)
    assert facts(tmp_path / "run") == facts(tmp_path / "alone")


def test_a_checkpoint_that_cant_be_written_leaves_those_before(
    pictures: Path, tmp_path: Path, numpy_framework: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, written = asked(numpy_framework), []

    def full(path: Path, content: bytes, sync: bool = False) -> None:
        written.append(path)
        write_bytes(path if len(written) < 6 else path.parent / "no" / path.name, content, sync)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "write_bytes", full)
        with pytest.raises(Exception, match=r"can't be written .*go on with: unfreeze resume"):
            api.train(pictures, out=tmp_path / "run", **recipe)
    api.resume(tmp_path / "run")
    api.train(pictures, out=tmp_path / "alone", **recipe)
    assert facts(tmp_path / "run") == facts(tmp_path / "alone")


def test_other_pictures_are_refused_by_name_and_go_on_when_put_back(tmp_path: Path, numpy_framework: str) -> None:
    photos = class_folder(tmp_path / "photos", {"cat": 12, "dog": 12})
    stopped(photos, tmp_path / "run", numpy_framework)
    victim = sorted((photos / "cat").iterdir())[0]
    shutil.move(victim, tmp_path / "away")
    with pytest.raises(DataError, match=f"'cat/{victim.name}'.*Put them back.*unfreeze resume"):
        api.resume(tmp_path / "run")
    shutil.move(tmp_path / "away", victim)
    assert api.resume(tmp_path / "run").best_epoch is not None


def test_a_picture_that_is_gone_when_the_model_is_scored(tmp_path: Path, numpy_framework: str) -> None:
    photos, run = class_folder(tmp_path / "photos", {"cat": 24, "dog": 24}), tmp_path / "run"
    recipe = asked(numpy_framework, cache={"use": "off"})

    class Takes(Silent):
        def phase_ended(self, reason: str) -> None:
            pictures = json.loads((run / "data.json").read_text())["pictures"]
            victim = next(photos / one["name"] for one in pictures if one["split"] == "test")
            if victim.exists():
                shutil.move(victim, tmp_path / "away")
                self.victim = victim

    with pytest.raises(DataError, match=f"go on with: unfreeze resume {run}"):
        api.train(photos, out=run, watcher=(takes := Takes()), **recipe)
    shutil.move(tmp_path / "away", takes.victim)
    api.resume(run)
    api.train(photos, out=tmp_path / "alone", **recipe)
    assert facts(run) == facts(tmp_path / "alone")


def test_a_finished_run_is_only_opened(pictures: Path, tmp_path: Path, numpy_framework: str) -> None:
    run = api.train(pictures, out=tmp_path / "run", **asked(numpy_framework))
    before = {path: path.stat().st_mtime_ns for path in run.folder.rglob("*")}
    assert api.resume(run.folder).best_epoch == run.best_epoch
    assert {path: path.stat().st_mtime_ns for path in run.folder.rglob("*")} == before


def test_what_an_interrupted_run_said_of_its_end_is_gone_while_it_goes_on(
    pictures: Path, tmp_path: Path, numpy_framework: str
) -> None:
    run = tmp_path / "run"
    assert api.train(pictures, out=run, watcher=_Interrupts(7), **asked(numpy_framework)).interrupted
    with pytest.raises(_Stopped):
        api.resume(run, watcher=_StopsAt(1))
    assert not (run / "metrics.json").exists()
    with pytest.raises(RunError, match=f"isn't finished.*unfreeze resume {run}"):
        api.open_run(run)
    api.resume(run)
    api.train(pictures, out=tmp_path / "alone", **asked(numpy_framework))
    assert facts(run) == facts(tmp_path / "alone")


def test_metrics_that_arent_as_written_are_said(pictures: Path, tmp_path: Path, numpy_framework: str) -> None:
    stopped(pictures, tmp_path / "run", numpy_framework, step=1)
    shutil.rmtree(tmp_path / "run" / "checkpoints")
    (tmp_path / "run" / "history.jsonl").touch()
    (tmp_path / "run" / "metrics.json").write_text("[]")
    with pytest.raises(RunError, match=r"metrics\.json"):
        api.resume(tmp_path / "run")


def test_what_is_no_run_or_has_no_checkpoint_is_refused(pictures: Path, tmp_path: Path, numpy_framework: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(RunError, match="isn't a run"):
        api.resume(tmp_path / "empty")
    stopped(pictures, tmp_path / "run", numpy_framework)
    shutil.rmtree(tmp_path / "run" / "checkpoints")
    with pytest.raises(RunError, match="has no checkpoint to go on from: train anew"):
        api.resume(tmp_path / "run")


def test_a_run_that_would_be_written_to_elsewhere_is_refused(pictures: Path, tmp_path: Path, numpy_framework: str) -> None:
    stopped(pictures, tmp_path / "run", numpy_framework)
    (tmp_path / "run" / "checkpoints").rename(tmp_path / "elsewhere")
    (tmp_path / "run" / "checkpoints").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RunError, match="checkpoints: is a link"):
        api.resume(tmp_path / "run")


def test_one_of_other_weights_is_refused(pictures: Path, tmp_path: Path, numpy_framework: str) -> None:
    stopped(pictures, tmp_path / "run", numpy_framework)
    opened = checkpoint.Checkpoints(tmp_path / "run", {})
    with pytest.raises(RunError, match="other pretrained weights"):
        opened.newest()
