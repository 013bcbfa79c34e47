"""`unfreeze resume`: what it says, and from where it can be called."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from support.command import NUMPY, Command
from unfreeze.training.loop import _Run
from unfreeze.training.run_lock import locked

SHORT = (*NUMPY, "--head-epochs", 2, "--epochs", 2, "--set", "checkpoint_minutes=1e-9", "--set", "explain=false")


class Gone(BaseException):
    """As if the process were: nothing catches it."""


@pytest.fixture
def stopped(unfreeze: Command, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run that stopped within its first epochs; its pictures were named by a path relative to their folder."""
    step_done, steps = _Run._step_done, []

    def stop(self: _Run, *args: Any) -> None:
        steps.append(step_done(self, *args))
        if len(steps) == 3:
            raise Gone

    monkeypatch.chdir(photos.parent)
    with monkeypatch.context() as patch:
        patch.setattr(_Run, "_step_done", stop)
        with pytest.raises(Gone):
            unfreeze("train", photos.name, *SHORT, "--out", tmp_path / "run", "--quiet")
    return tmp_path / "run"


def test_it_goes_on_from_any_folder_and_says_from_where(
    stopped: Path, unfreeze: Command, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    status, out, err = unfreeze("resume", Path("..", "run"))
    assert (status, err) == (0, "")
    assert "validation" in out
    assert unfreeze("train", photos, *SHORT, "--out", tmp_path / "alone", "--quiet")[0] == 0
    for name in ("predictions.csv", "model/manifest.json", "findings.json"):
        assert (stopped / name).read_bytes() == (tmp_path / "alone" / name).read_bytes()
    assert list((tmp_path / "elsewhere").iterdir()) == []
    assert unfreeze("resume", stopped) == (0, f"{stopped} is finished: there is nothing to go on with\n", "")


def test_a_run_that_is_being_trained_is_left_alone(stopped: Path, unfreeze: Command, photos: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in stopped.rglob("*") if path.is_file()}
    with locked(stopped):
        for command in (("resume", stopped), ("train", photos, *SHORT, "--out", stopped)):
            status, _, err = unfreeze(*command)
            assert status == 2
            assert f"{stopped} is being trained by another process: wait until that has ended" in err
    assert {path: path.stat().st_mtime_ns for path in stopped.rglob("*") if path.is_file()} == before


def test_pictures_that_changed_are_named(stopped: Path, unfreeze: Command, photos: Path) -> None:
    victim = sorted((photos / "0").glob("*.png"))[0]
    victim.write_bytes(victim.with_name("001.png").read_bytes())
    status, _, err = unfreeze("resume", stopped, "--quiet")
    assert status == 2
    assert f"'0/{victim.name}'" in err
    assert "Put them back" in err


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_training_that_failed_is_at_its_end(unfreeze: Command, photos: Path, tmp_path: Path) -> None:
    run = tmp_path / "failed"
    status, _, err = unfreeze("train", photos, *SHORT, "--out", run, "--quiet", "--head-rate", "1e300")
    assert status == 2
    assert "NaN" in err
    assert unfreeze("resume", run) == (0, f"{run} is finished: there is nothing to go on with\n", "")


def test_what_is_no_run_is_refused(unfreeze: Command, tmp_path: Path) -> None:
    for path in (tmp_path / "nothing", tmp_path):
        status, _, err = unfreeze("resume", path)
        assert status == 2
        assert err.startswith(f"unfreeze: {path} isn't a run")
