"""`unfreeze tune` as a person runs it, on the NumPy backend."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import filelock
import pytest

from support.command import NUMPY, Command
from support.folders import class_folder
from support.numpy_backend import NumpyBackend
from unfreeze import api
from unfreeze.api import tuning
from unfreeze.data.load import Loader
from unfreeze.errors import RunError
from unfreeze.training.backend import EpochResult
from unfreeze.training.history import EpochRecord
from unfreeze.training.watcher import Silent, Watcher
from unfreeze.tuning import budget

SHORT: dict[str, Any] = {
    "framework": "numpy",
    "model": "tiny",
    "head_only": {"epochs": 2},
    "unfrozen": {"epochs": 3},
    "data.validation_fraction": 0.3,
}
SEARCH = ("rate", "stages")
# As asked, four that are spread, one that is drawn.
TRIALS = 6


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return class_folder(tmp_path_factory.mktemp("tuned") / "photos", {"fat cat": 20, "été": 20})


@pytest.fixture(scope="module")
def numpy_backend() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(api.BACKENDS, "numpy", ("support.numpy_backend", "none"))
        yield


def tune(photos: Path, out: Path, **options: Any) -> api.Tuning:
    return api.tune(photos, out=out, **{"trials": TRIALS, "search": SEARCH, **SHORT, **options})


@pytest.fixture(scope="module")
def whole(photos: Path, numpy_backend: None) -> api.Tuning:
    """All trials, without a break."""
    return tune(photos, photos.parent / "whole")


def results(tuned: api.Tuning) -> list[tuple[Any, ...]]:
    return [(one.number, one.values, one.state, one.val_loss, one.epochs, one.best_epoch) for one in tuned.trials]


def test_the_first_trial_is_the_recipe_as_asked(photos: Path, whole: api.Tuning, tmp_path: Path) -> None:
    first = whole.trials[0]
    assert first.values == {"rate": 5e-4, "stages": 2}
    run = api.train(photos, out=tmp_path / "run", **SHORT)
    assert run.history[first.best_epoch - 1].val_loss == first.val_loss
    assert (len(run.history), run.best_epoch) == (first.epochs, first.best_epoch)


def test_the_best_recipe_trains_to_the_same_validation_score(photos: Path, whole: api.Tuning, tmp_path: Path) -> None:
    assert whole.best is not None
    assert whole.best.number > 1
    assert whole.best.val_loss == min(one.val_loss for one in whole.trials if one.state == "done")
    run = api.train(photos, whole.folder / "best.yaml", out=tmp_path / "run")
    assert run.history[run.best_epoch - 1].val_loss == whole.best.val_loss
    assert run.test is not None


def test_what_came_of_it_is_written_and_said(whole: api.Tuning) -> None:
    record = json.loads((whole.folder / "trials.json").read_text(encoding="utf-8"))
    assert (record["schema"], record["measure"], record["best"]) == (1, "val_loss", whole.best.number)
    assert (record["ended"], record["verdict"]) == ("6 trials are done", whole.verdict)
    assert [one["val_loss"] for one in record["trials"]] == [one.val_loss for one in whole.trials]
    header, *rows = (whole.folder / "trials.csv").read_text(encoding="utf-8").splitlines()
    assert header == (
        "trial,rate,stages,state,val_loss,val_accuracy,val_balanced_accuracy,val_macro_f1,low,high,best_epoch,epochs,seconds"
    )
    assert len(rows) == TRIALS
    assert whole.gain is not None
    assert whole.gain.first == pytest.approx(whole.trials[0].val_loss, abs=1e-5)
    assert whole.gain.second == pytest.approx(whole.best.val_loss, abs=1e-5)
    for words in (f"trial {whole.best.number} is the best", "is optimistic", "no test picture was looked at"):
        assert words in whole.verdict


def test_a_trial_of_the_head_alone_trains_it_alone(whole: api.Tuning) -> None:
    for trial in whole.trials:
        assert trial.epochs <= (2 if trial.values["stages"] == 0 else 5)
    assert {trial.values["stages"] for trial in whole.trials} > {0, 2}


def test_no_test_picture_is_looked_at(
    photos: Path, tmp_path: Path, numpy_backend: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, batches = set(), Loader.batches

    def noted(self: Loader, split: str, *rest: Any) -> Any:
        asked.add(split)
        return batches(self, split, *rest)

    monkeypatch.setattr(Loader, "batches", noted)
    tune(photos, tmp_path / "tuned", trials=2, cache={"use": "off"})
    assert asked == {"train", "validation"}


def test_another_seed_tries_other_values(photos: Path, tmp_path: Path, whole: api.Tuning) -> None:
    other = tune(photos, tmp_path / "other", trials=2, seed=1)
    assert other.trials[1].values != whole.trials[1].values


class Interrupting(Silent):
    def epoch_done(self, record: EpochRecord) -> None:
        if record.epoch == 2:
            raise KeyboardInterrupt


def test_what_was_interrupted_goes_on_as_if_it_had_not_been(
    photos: Path, tmp_path: Path, whole: api.Tuning, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainings = iter(range(TRIALS))

    @contextmanager
    def watching() -> Iterator[Watcher]:
        yield Interrupting() if next(trainings) == 2 else Silent()

    out = tmp_path / "tuned"
    left = tune(photos, out, watching=watching)
    assert (left.interrupted, left.ended, len(left.trials)) == (True, "interrupted", 2)
    assert (out / "best.yaml").is_file()
    # As a process that is killed leaves it: nothing is said of the trial that was begun.
    monkeypatch.setattr(tuning, "try_recipe", lambda *_: 1 / 0)
    with monkeypatch.context() as patch:
        patch.setattr("unfreeze.tuning.study.Study.drop", lambda _: None)
        with pytest.raises(ZeroDivisionError):
            tune(photos, out)
    monkeypatch.undo()
    more = tune(photos, out)
    assert (more.ended, results(more), more.gain) == ("6 trials are done", results(whole), whole.gain)
    assert results(tune(photos, out)) == results(whole)  # nothing is left to do


def command(photos: Path, out: Path, *options: object) -> tuple[object, ...]:
    return ("tune", photos, *NUMPY, "--head-epochs", 2, "--epochs", 3, "--out", out, *options)


def test_the_command_shows_the_trials_and_trains_the_best(unfreeze: Command, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "tuned"
    status, printed, error = unfreeze(*command(photos, out, "--search", "rate,dropout", "--trials", 2))
    assert (status, error) == (0, "")
    lines = [" ".join(line.split()) for line in printed.splitlines()]
    assert any(line.startswith("trial 1: rate 0.0005, dropout 0.3, as asked: validation loss ") for line in lines)
    assert any(line.startswith("trial rate dropout loss accuracy epochs seconds") for line in lines)
    assert "ended: 2 trials are done" in lines
    best = out / "best.yaml"
    assert f"train it unfreeze train {photos} --recipe {best} --out {out / 'run'}" in lines
    status, printed, error = unfreeze(*command(photos, out, "--search", "rate,dropout", "--trials", 2, "--train"))
    assert (status, error) == (0, "")
    assert "test: accuracy" in printed
    assert api.open_run(out / "run").test is not None
    status, printed, error = unfreeze(*command(photos, out, "--search", "rate,dropout", "--train"))
    assert (status, printed) == (2, "")
    assert f"{out / 'run'} exists and isn't an empty folder" in error


class Clock:
    """A second passes whenever it is looked at."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        self.now += 1
        return self.now


def test_a_budget_stops_a_trial_at_the_end_of_an_epoch(
    photos: Path, tmp_path: Path, numpy_backend: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget.Budget, "has_room", lambda *_: True)
    monkeypatch.setattr(budget, "time", Clock())
    tuned = tune(photos, tmp_path / "tuned", budget="8s")
    assert (tuned.ended, tuned.interrupted, len(tuned.trials)) == ("the budget is over", False, 1)
    monkeypatch.setattr(budget, "time", Clock())
    none = tune(photos, tmp_path / "none", budget="4s")
    assert (none.best, none.recipe) == (None, None)
    assert none.verdict == "no trial went to its end, so there is nothing to compare"
    assert not (tmp_path / "none/best.yaml").exists()


def test_no_trial_is_begun_that_would_not_end_in_time(photos: Path, whole: api.Tuning, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuning, "_OVER", "never")
    monkeypatch.setattr(budget.Budget, "is_over", False)
    more = tune(photos, whole.folder, trials=99, budget="0.001s")
    assert more.ended == "the rest of the budget is too short for another trial"
    assert results(more) == results(whole)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"unfrozen": {"epochs": 4}}, "unfrozen.epochs was 3, and is now 4"),
        ({"search": "dropout"}, "searched was rate, stages, and now dropout"),
        ({"model": "efficientnet_lite0"}, 'network was "tiny in numpy'),
    ],
)
def test_another_recipe_in_the_same_folder_is_refused(
    photos: Path, whole: api.Tuning, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(RunError, match=f"holds trials of something else, .*{words}"):
        tune(photos, whole.folder, **options)


def test_other_pictures_in_the_same_folder_are_refused(whole: api.Tuning, tmp_path: Path) -> None:
    other = class_folder(tmp_path / "photos", {"fat cat": 20, "été": 20}, first_seed=100)
    with pytest.raises(RunError, match="pictures were added, taken away, changed or moved"):
        tune(other, whole.folder)


def test_what_is_no_tuning_is_left_alone(unfreeze: Command, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep me")
    status, printed, error = unfreeze(*command(photos, tmp_path / "mine"))
    assert (status, printed) == (2, "")
    assert "exists and isn't an empty folder" in error
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["notes.txt"]


def test_a_folder_that_another_process_tunes_in_is_left_to_it(photos: Path, whole: api.Tuning) -> None:
    with filelock.FileLock(whole.folder / "tuning.lock"), pytest.raises(RunError, match="another process is tuning there"):
        tune(photos, whole.folder)


def test_a_recipe_that_learns_nothing_is_a_failed_trial(
    photos: Path, tmp_path: Path, numpy_backend: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(NumpyBackend, "train_epoch", lambda *_: EpochResult(math.nan, math.nan, 0.0, 16))
    tuned = tune(photos, tmp_path / "tuned", trials=1)
    (trial,) = tuned.trials
    assert (trial.state, trial.ending, trial.val_loss) == ("failed", "the loss became NaN or infinite", None)
    assert tuned.best is None


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--trials", 0), "trials: 0 won't do"),
        (("--budget", "soon"), "budget: 'soon' isn't a time"),
        (("--search", "colour"), "search: there is no 'colour'"),
        (("--search", ""), "search: there is no ''"),
        (("--strategy", "auto"), "strategy: auto measures how far to unfreeze by itself"),
    ],
)
def test_what_cannot_be_is_said_in_a_line(unfreeze: Command, photos: Path, tmp_path: Path, options: Any, words: str) -> None:
    status, printed, error = unfreeze(*command(photos, tmp_path / "tuned", *options))
    assert (status, printed) == (2, "")
    assert error.startswith("unfreeze: ") and words in error and error.count("\n") == 1
    assert not (tmp_path / "tuned").exists()


def test_without_optuna_the_extra_is_named(
    unfreeze: Command, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "unfreeze.tuning.study", raising=False)
    monkeypatch.setitem(sys.modules, "optuna", None)
    status, _, error = unfreeze(*command(photos, tmp_path / "tuned"))
    assert status == 2
    assert error == "unfreeze: tune needs the package optuna, which isn't installed: pip install 'unfreeze[tune]'\n"


@pytest.mark.parametrize(("framework", "model"), [("torch", "resnet10t"), ("tensorflow", "MobileNetV3Small")])
def test_in_a_framework_the_best_recipe_trains_to_its_score(photos: Path, tmp_path: Path, framework: str, model: str) -> None:
    pytest.importorskip(framework)
    short = {"framework": framework, "model": model, "weights": "none", "input.side_px": 32, "precision": "float32"}
    epochs = {"head_only": {"epochs": 1}, "unfrozen": {"epochs": 1, "schedule": {"warmup_epochs": 0}}}
    epochs["head_only"] |= {"schedule": {"warmup_epochs": 0}}
    tuned = api.tune(photos, out=tmp_path / "tuned", trials=2, search="dropout", **short, **epochs)
    assert tuned.best is not None
    run = api.train(photos, tuned.recipe, out=tmp_path / "run")
    assert run.history[run.best_epoch - 1].val_loss == pytest.approx(tuned.best.val_loss, rel=1e-4)
