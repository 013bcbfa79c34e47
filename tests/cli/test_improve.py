"""`unfreeze improve` as a person runs it, on the NumPy backend."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from support import numpy_backend
from support.command import Command
from support.folders import class_folder, split_folder
from support.rates import everywhere
from unfreeze import api
from unfreeze.api import improvements
from unfreeze.diagnosis.finding import Finding
from unfreeze.errors import TrainingError
from unfreeze.recipe.read import read_recipe, write_yaml
from unfreeze.recipe.recipe import Recipe
from unfreeze.training.backend import Rates
from unfreeze.training.watcher import Watcher

SLOW: dict[str, Any] = {
    "framework": "numpy",
    "model": "tiny",
    "strategy": "feature-extraction",
    "head_only": {"epochs": 6, "rate": 1e-7},
}
GOOD = 3e-3
Plant = Callable[..., None]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with pictures, and a run whose rate is next to nothing."""
    folder = tmp_path_factory.mktemp("made")
    photos = class_folder(folder / "photos", {"fat cat": 24, "été": 12})
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(api.BACKENDS, "numpy", ("support.numpy_backend", "none"))
        api.train(photos, out=folder / "slow run", **SLOW)
    return folder


@pytest.fixture
def photos(made: Path) -> Path:
    return made / "photos"


@pytest.fixture
def slow(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made / "slow run", tmp_path / "slow run"))


@pytest.fixture
def pretended(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trainings that take no time: that run again, surer of the truth where the rate is good."""

    def train(data: Path, recipe: Recipe, *, out: Path, watcher: Watcher) -> api.Run:
        shutil.copytree(made / "slow run", out)
        write_yaml(recipe, out / "recipe.yaml")
        if recipe.head_only.rate == GOOD:
            make_sure(out, "validation")
        return api.open_run(out)

    monkeypatch.setattr(improvements, "train", train)


def make_sure(run: Path, split: str) -> None:
    """Lets a run name all pictures of a split right."""
    header, *lines = (run / "predictions.csv").read_text(encoding="utf-8").splitlines()
    rows = [line.split(",") for line in lines]
    right = {"fat cat": ["0.9", "0.1"], "été": ["0.1", "0.9"]}
    rows = [[*row[:5], *right[row[2]]] if row[1] == split else row for row in rows]
    (run / "predictions.csv").write_text("\n".join([header, *map(",".join, rows)]) + "\n", encoding="utf-8")


@pytest.fixture
def plant(monkeypatch: pytest.MonkeyPatch) -> Plant:
    """Findings with these remedies, whatever the run."""

    def as_found(*remedies: dict[str, Any]) -> None:
        found = [Finding(f"finding-{number}", "found", "warning", "", remedy=remedy) for number, remedy in enumerate(remedies)]
        monkeypatch.setattr(improvements, "diagnose", lambda folder: found)

    return as_found


def record_of(run: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((run / improvements.RECORD).read_text(encoding="utf-8"))
    return record


def files_of(run: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}


def test_a_rate_too_low_is_raised(unfreeze: Command, slow: Path) -> None:
    before = files_of(slow)
    status, out, err = unfreeze("improve", slow, "--rounds", 1)
    assert (status, err) == (0, "")
    new = slow.with_name("slow run-improved-1")
    rate = read_recipe(new / "recipe.yaml").head_only.rate
    assert rate == pytest.approx(3e-3, rel=0.1)
    first, best = api.open_run(slow), api.open_run(new)
    assert first.validation is not None and best.validation is not None
    assert best.validation.loss < first.validation.loss
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert any(line.startswith("rate-too-low: ") for line in lines)
    assert f"head_only.rate: 1e-07 → {rate}" in lines
    scores = f"loss {first.validation.loss:.4f} {best.validation.loss:.4f}"
    assert f"1 rate-too-low head_only.rate: 1e-07 → {rate} {scores} better, kept slow run-improved-1" in lines
    assert f"best run {new}" in lines
    assert f"compare unfreeze compare '{slow}' '{new}'" in lines
    record = record_of(slow)
    assert (record["schema"], record["first"], record["best"]) == (1, str(slow), str(new))
    (trial,) = record["trials"]
    assert trial["changes"] == [{"name": "head_only.rate", "before": 1e-7, "after": rate}]
    assert (trial["round"], trial["finding"], trial["outcome"], trial["kept"]) == (1, "rate-too-low", "better", True)
    assert (trial["parent"], trial["run"], trial["gain"]["measure"]) == (str(slow), str(new), "val_loss")
    after = files_of(slow)
    assert after.keys() - before.keys() <= {slow / improvements.RECORD, slow / improvements.NEXT_RECIPE}
    assert before == {path: after[path] for path in before}


def test_only_the_next_recipe(unfreeze: Command, slow: Path) -> None:
    folders = sorted(slow.parent.iterdir())
    status, out, err = unfreeze("improve", slow, "--dry-run")
    assert (status, err) == (0, "")
    assert "head_only.rate: 1e-07 → 0.00" in out
    assert f"next recipe {slow}/next-recipe.yaml" in out
    assert sorted(slow.parent.iterdir()) == folders
    changed = read_recipe(slow / "next-recipe.yaml")
    assert changed == read_recipe(slow / "recipe.yaml", {"head_only.rate": changed.head_only.rate})


@pytest.mark.usefixtures("pretended")
def test_what_does_not_help_is_left_and_the_next_is_tried(unfreeze: Command, slow: Path, plant: Plant) -> None:
    plant({"head.dropout": 0.31}, {"head_only.rate": 3e-3}, {"label_smoothing": 0.11})
    status, out, _ = unfreeze("improve", slow, "--rounds", 5, "--out", slow.parent / "better")
    assert status == 0
    record = record_of(slow)
    assert [trial["finding"] for trial in record["trials"]] == ["finding-0", "finding-1", "finding-2"]
    assert [trial["kept"] for trial in record["trials"]] == [False, True, False]
    parents = [Path(trial["parent"]).name for trial in record["trials"]]
    assert parents == ["slow run", "slow run", "2"]
    assert record["best"] == str(slow.parent / "better" / "2")
    assert record["ended"] == "nothing else is left to try"
    assert record["left"] == {
        "finding-0": "its remedy was tried and didn't mend it",
        "finding-1": "its remedy is in the recipe already, or changes nothing here",
        "finding-2": "its remedy was tried and didn't mend it",
    }
    assert "still found: finding-0: its remedy was tried and didn't mend it" in out
    assert read_recipe(slow.parent / "better" / "3" / "recipe.yaml").head_only.rate == 3e-3


@pytest.mark.usefixtures("pretended")
def test_rounds_end_it_and_the_next_recipe_is_written(unfreeze: Command, slow: Path, plant: Plant) -> None:
    plant({"head.dropout": 0.31}, {"label_smoothing": 0.12})
    assert unfreeze("improve", slow, "--rounds", 1, "--quiet") == (0, "", "")
    assert record_of(slow)["ended"] == "1 round is done, and there is more to try"
    assert read_recipe(slow / "next-recipe.yaml").label_smoothing == 0.12


@pytest.mark.usefixtures("pretended")
def test_test_pictures_decide_nothing(unfreeze: Command, slow: Path, plant: Plant) -> None:
    plant({"head_only.rate": 3e-3})
    make_sure(slow, "test")
    assert unfreeze("improve", slow, "--quiet")[0] == 0
    assert [trial["kept"] for trial in record_of(slow)["trials"]] == [True]


@pytest.mark.parametrize(
    ("remedy", "reason"),
    [
        ({}, "no change to the recipe mends it"),
        ({"calibrate": True}, "its remedy is in the recipe already, or changes nothing here"),
        ({"data.inspect": "full"}, "its remedy is in the recipe already, or changes nothing here"),
        ({"unfrozen.rate": 1e-5}, "its remedy is in the recipe already, or changes nothing here"),
        ({"head_only.epochs": 0}, "its remedy can't be followed here: 1 mistake in the recipe"),
    ],
)
def test_what_would_change_nothing_is_not_trained(
    unfreeze: Command, slow: Path, plant: Plant, remedy: dict[str, Any], reason: str
) -> None:
    plant(remedy)
    status, out, err = unfreeze("improve", slow)
    assert (status, err) == (0, "")
    assert "ended: nothing was found that a change to the recipe could mend" in out
    assert f"still found: finding-0: {reason}" in out
    assert f"best run    {slow}, the one to begin with" in out
    assert not slow.with_name("slow run-improved-1").exists()


@pytest.mark.usefixtures("pretended")
def test_rare_classes_are_judged_by_balanced_accuracy(unfreeze: Command, slow: Path, plant: Plant) -> None:
    plant({"imbalance.class_weights": "balanced"})
    assert unfreeze("improve", slow, "--quiet")[0] == 0
    assert record_of(slow)["trials"][0]["gain"]["measure"] == "val_balanced_accuracy"


def test_as_good_for_less_training_is_kept(
    unfreeze: Command, slow: Path, plant: Plant, pretended: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = improvements.train

    def for_one_epoch(*arguments: Any, **options: Any) -> api.Run:
        run = train(*arguments, **options)
        return replace(run, history=run.history[:1])

    monkeypatch.setattr(improvements, "train", for_one_epoch)
    plant({"label_smoothing": 0.2}, {"head_only.stopping.patience_epochs": 2})
    assert unfreeze("improve", slow, "--quiet")[0] == 0
    trials = record_of(slow)["trials"]
    assert [(trial["outcome"], trial["kept"]) for trial in trials] == [("no better", False), ("as good for less", True)]
    assert trials[1]["explanation"].endswith(", for 17% of the training")


@pytest.mark.usefixtures("pretended")
def test_other_splits_cannot_be_compared_and_are_gone_on_from(unfreeze: Command, slow: Path, plant: Plant) -> None:
    plant({"data.validation_fraction": 0.3})
    assert unfreeze("improve", slow, "--quiet")[0] == 0
    (trial,) = record_of(slow)["trials"]
    assert (trial["outcome"], trial["kept"], trial["gain"]) == ("other splits", True, None)


def test_splits_of_the_persons_own(unfreeze: Command, tmp_path: Path, plant: Plant) -> None:
    counts = {"train": {"a": 8, "b": 8}, "val": {"a": 4, "b": 4}, "test": {"a": 3, "b": 3}}
    data, run = split_folder(tmp_path / "data", counts), tmp_path / "run"
    api.train(data, out=run, **SLOW)
    plant({"data.validation_fraction": 0.3}, {"data.resplit": True})
    assert unfreeze("improve", run, "--dry-run", "--quiet")[0] == 0
    assert record_of(run)["left"] == {
        "finding-0": "its remedy is in the recipe already, or changes nothing here",
        "finding-1": "not tried yet",
    }


def failing(monkeypatch: pytest.MonkeyPatch, above: float) -> None:
    """Trainings at rates above this end in NaN; a phase is begun three times, each at a tenth of the rate before."""
    train_epoch = numpy_backend.NumpyBackend.train_epoch

    def with_nan(self: Any, batches: Any, rates: Rates, on_step: Any, done: int = 0) -> Any:
        return train_epoch(self, batches, everywhere(float("nan")) if rates(4)["head"] > above else rates, on_step, done)

    monkeypatch.setattr(numpy_backend.NumpyBackend, "train_epoch", with_nan)


def train_fails(photos: Path, out: Path, rate: float) -> None:
    with pytest.raises(TrainingError):
        api.train(photos, out=out, **{**SLOW, "head_only": {"epochs": 6, "rate": rate}})


def test_a_run_that_failed_gets_to_a_model(
    unfreeze: Command, photos: Path, tmp_path: Path, plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, above=0.002)
    run = tmp_path / "run"
    train_fails(photos, run, 5)
    assert [finding.code for finding in api.diagnose(run) if finding.remedy] == ["not-finite"]
    plant({"head_only.rate": 0.5}, {"head_only.rate": 0.05})
    status, out, err = unfreeze("improve", run)
    assert (status, err) == (0, "")
    trials = record_of(run)["trials"]
    assert [trial["outcome"] for trial in trials] == ["failed", "a model at last"]
    assert [Path(trial["parent"]).name for trial in trials] == ["run", "run-improved-1"]
    assert api.open_run(run.with_name("run-improved-2")).test is not None
    assert "the loss became NaN or infinite in the first epoch" in out


def test_without_any_model_that_is_said(
    unfreeze: Command, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, above=0)
    run = tmp_path / "run"
    train_fails(photos, run, 5)
    status, out, _ = unfreeze("improve", run, "--rounds", 1)
    assert status == 0
    assert "no run has a model yet" in out
    assert "best run" not in out


def test_a_remedy_that_fails_is_not_kept(unfreeze: Command, slow: Path, plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, above=0.01)
    plant({"head_only.rate": 9.0})
    assert unfreeze("improve", slow, "--quiet")[0] == 0
    record = record_of(slow)
    assert [(trial["outcome"], trial["kept"]) for trial in record["trials"]] == [("failed", False)]
    assert record["best"] == str(slow)


def test_ctrl_c_keeps_the_best_so_far(unfreeze: Command, slow: Path, plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    plant({"head_only.rate": 3e-3}, {"head.dropout": 0.32}, {"label_smoothing": 0.2})
    train_epoch, epochs = numpy_backend.NumpyBackend.train_epoch, []

    def until_the_second_run(self: Any, *arguments: Any) -> Any:
        epochs.append(self)
        if len(epochs) == 9:
            raise KeyboardInterrupt
        return train_epoch(self, *arguments)

    monkeypatch.setattr(numpy_backend.NumpyBackend, "train_epoch", until_the_second_run)
    status, out, _ = unfreeze("improve", slow)
    assert status == 130
    assert "ended: interrupted" in out
    record = record_of(slow)
    assert [trial["outcome"] for trial in record["trials"]] == ["better", "interrupted"]
    assert record["best"] == record["trials"][0]["run"]
    # It can't be gone on from, as it has no scores.
    status, _, err = unfreeze("improve", record["trials"][1]["run"])
    assert (status, err.count("\n")) == (2, 1)
    assert "was interrupted, so there is nothing to compare with" in err


def test_ctrl_c_before_a_training(unfreeze: Command, slow: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(improvements, "train", interrupted)
    assert unfreeze("improve", slow, "--quiet")[0] == 130
    record = record_of(slow)
    assert (record["best"], record["trials"][0]["run"]) == (str(slow), None)


def test_pictures_elsewhere_and_pictures_changed(unfreeze: Command, slow: Path, photos: Path, tmp_path: Path) -> None:
    moved = Path(shutil.copytree(photos, tmp_path / "moved"))
    plan = slow / "plan.yaml"
    plan.write_text(plan.read_text(encoding="utf-8").replace(f"root: {photos}", "root: gone"), encoding="utf-8")
    status, _, err = unfreeze("improve", slow)
    assert (status, err.count("\n")) == (2, 1)
    assert f"gone: the pictures of {slow} aren't there" in err
    assert "--data" in err
    assert unfreeze("improve", slow, "--data", moved, "--dry-run", "--quiet") == (0, "", "")
    shutil.copy(moved / "été" / "000.png", moved / "été" / "copy.png")
    status, _, err = unfreeze("improve", slow, "--data", moved)
    assert (status, err.count("\n")) == (2, 1)
    assert f"{moved}: not the pictures that {slow} was trained on" in err


@pytest.mark.usefixtures("pretended")
def test_improving_again_takes_the_next_free_names(unfreeze: Command, slow: Path, plant: Plant) -> None:
    plant({"head_only.rate": 3e-3})
    for number in (1, 2):
        assert unfreeze("improve", slow, "--quiet")[0] == 0
        assert record_of(slow)["best"] == str(slow.with_name(f"slow run-improved-{number}"))


@pytest.mark.parametrize(
    ("spoil", "options", "message"),
    [
        (lambda run: None, ("--rounds", 0), "rounds: 0 won't do: give 1 or more"),
        (lambda run: (run / "recipe.yaml").write_text("head: ["), (), "recipe.yaml isn't valid YAML"),
        (lambda run: (run / "recipe.yaml").unlink(), (), "there is no recipe.yaml in it"),
        (lambda run: (run / "plan.yaml").write_text("strategy: full"), (), "plan.yaml: can't be read as a plan"),
        (lambda run: (run / "predictions.csv").write_text("no,table"), (), "predictions.csv"),
        (lambda run: (run / "improvement.json").mkdir(), (), "improvement.json: can't be written"),
        (lambda run: None, ("--out", "."), "isn't an empty folder: give another --out"),
    ],
    ids=["rounds", "recipe", "no recipe", "plan", "predictions", "disk", "out"],
)  # fmt: skip
def test_what_is_wrong_is_said_before_training(
    unfreeze: Command,
    slow: Path,
    monkeypatch: pytest.MonkeyPatch,
    spoil: Callable[[Path], object],
    options: tuple,
    message: str,
) -> None:
    spoil(slow)
    monkeypatch.chdir(slow.parent)
    status, out, err = unfreeze("improve", slow, *options)
    assert (status, out) == (2, "")
    assert message in err
    assert not slow.with_name("slow run-improved-1").exists()


def test_a_run_in_both_frameworks_is_two(unfreeze: Command, slow: Path, tmp_path: Path) -> None:
    for name in ("torch", "tensorflow"):
        shutil.copytree(slow, tmp_path / "both" / name)
    status, _, err = unfreeze("improve", tmp_path / "both")
    both = tmp_path / "both"
    assert (status, err) == (
        2, f"unfreeze: {both} holds a run in each framework: give one of them, {both / 'torch'} or {both / 'tensorflow'}\n"
    )  # fmt: skip


def test_the_twin(slow: Path, plant: Plant, pretended: None) -> None:
    seen: list[str] = []
    plant({"head_only.rate": GOOD})
    improvement = api.improve(api.open_run(slow), rounds=1, on_trial=lambda trial: seen.append(trial.outcome))
    assert seen == ["", "better"]
    assert improvement.best.folder == slow.with_name("slow run-improved-1")
    assert not improvement.interrupted
