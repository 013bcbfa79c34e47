"""The end of a training: what is measured, explained and written, also of one that failed. On the NumPy backend."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support import numpy_backend as numpy_network
from support.folders import class_folder
from unfreeze import api
from unfreeze.api import finishing
from unfreeze.errors import TrainingError
from unfreeze.report.examples import choose_examples
from unfreeze.training import run_folder
from unfreeze.training.backend import EpochResult
from unfreeze.training.loop import NOT_FINITE

CLASSES = ("fat cat", "été")
QUICK = {
    "framework": "numpy", "model": "tiny", "strategy": "feature-extraction", "head_only.epochs": 2, "data.inspect": "none",
    "augment.crop_min_area": 1, "augment.jitter": 0, "augment.views": 1,
}  # fmt: skip


def train(data: Path, out: Path, **changes: Any) -> api.Run:
    return api.train(data, out=out, **QUICK | changes)


def metrics_of(run: Path) -> dict[str, Any]:
    return json.loads((run / "metrics.json").read_text(encoding="utf-8"))


def gradcam_of(run: Path) -> dict[str, Any]:
    return json.loads((run / "gradcam.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return class_folder(tmp_path_factory.mktemp("two") / "pictures", dict.fromkeys(CLASSES, 30))


@pytest.fixture(scope="module")
def run(numpy_backend: None, pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> api.Run:
    return train(pictures, tmp_path_factory.mktemp("run") / "run")


# Training pictures without augmentation


def test_the_training_sample_is_measured_only_where_the_question_arises(run: api.Run) -> None:
    assert metrics_of(run.folder)["training_sample"] is None


class Modest(numpy_network.NumpyBackend):
    """Says that a tenth of the training pictures is named right, as if augmentation had made them hard."""

    def train_epoch(self, batches: Any, rates: Any, on_step: Any, done: int = 0) -> EpochResult:
        return dataclasses.replace(super().train_epoch(batches, rates, on_step, done), accuracy=0.1)


def test_a_training_that_looks_hard_is_scored_on_some_training_pictures_as_they_are(
    numpy_backend: None, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finishing, "_SAMPLE", 12)
    monkeypatch.setattr(numpy_network, "NumpyBackend", Modest)
    run = train(pictures, tmp_path / "run", **{"head_only.epochs": 10, "head_only.rate": 0.02, "data.validation_fraction": 0.5})
    assert run.history[-1].val_accuracy == 1.0
    trained_on = sum(run.plan.data.counts["train"].values())
    # Every so many of them, at most 12; the model names them as right as those of validation.
    pictures_scored = len(range(0, trained_on, -(-trained_on // 12)))
    assert metrics_of(run.folder)["training_sample"] == {"accuracy": 1.0, "pictures": pictures_scored}
    easier = next(finding for finding in run.findings if finding.code == "validation-easier")
    assert (easier.outcome, easier.measured["plain_train_accuracy"]) == ("found", 1.0)
    assert "without augmentation and dropout: those make training harder" in easier.explanation


# A training that fails at once


class Overflowing(numpy_network.NumpyBackend):
    """Every loss is NaN."""

    def train_epoch(self, batches: Any, rates: Any, on_step: Any, done: int = 0) -> EpochResult:
        return dataclasses.replace(super().train_epoch(batches, rates, on_step, done), objective=np.nan, loss=np.nan)


@pytest.fixture(scope="module")
def failed(numpy_backend: None, pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("failed") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(numpy_network, "NumpyBackend", Overflowing)
        with pytest.raises(TrainingError, match="nothing was learned"):
            train(pictures, folder)
    return folder


def test_a_failed_training_leaves_a_run_that_says_so(failed: Path) -> None:
    metrics = metrics_of(failed)
    assert metrics["phase_endings"] == [NOT_FINITE]
    assert (metrics["best_epoch"], metrics["validation"], metrics["test"], metrics["interrupted"]) == (None, None, None, False)
    [finding] = json.loads((failed / "findings.json").read_text(encoding="utf-8"))
    assert (finding["code"], finding["outcome"], finding["severity"]) == ("not-finite", "found", "error")
    assert finding["remedy"]["head_only.rate"] < 3e-3


def test_a_failed_training_can_be_opened_diagnosed_and_reported(failed: Path) -> None:
    run = api.open_run(failed)
    assert (run.history, run.best_epoch, run.validation, run.endings) == ([], None, None, [NOT_FINITE])
    assert api.diagnose(failed) == api.diagnose(run) == run.findings
    assert run.findings[0].is_found
    for name in ("report.html", "report.json", "report.md"):
        assert (failed / name).is_file()
        (failed / name).unlink()
    page = api.write_report(failed)
    assert "not-finite" in page.read_text(encoding="utf-8")
    assert "not-finite" in (failed / "report.json").read_text(encoding="utf-8")


def test_commands_about_a_failed_training_end_well(failed: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from unfreeze.cli.main import main

    for command, status in (
        (["diagnose", failed], 0),
        (["diagnose", failed, "--fail-on", "error"], 3),
        (["report", failed], 0),
    ):
        monkeypatch.setattr("sys.argv", ["unfreeze", *map(str, command)])
        with pytest.raises(SystemExit) as end:
            main()
        assert int(end.value.code or 0) == status
        printed = capsys.readouterr()
        assert printed.err == ""
        assert "not-finite" in printed.out if command[0] == "diagnose" else "report.html" in printed.out


# Where the model looked


def test_every_example_of_the_report_has_a_map_of_the_class_it_was_given(run: api.Run) -> None:
    shown = run_folder.read_predictions(run.folder, CLASSES)["test"]
    maps = gradcam_of(run.folder)["maps"]
    assert set(maps) == set(choose_examples(shown).names)
    named = dict(zip(shown.names, shown.classes.tolist(), strict=True))
    assert {name: one["class"] for name, one in maps.items()} == {name: CLASSES[named[name]] for name in maps}
    for one in maps.values():
        heat = np.array(one["map"])
        assert heat.shape == (numpy_network.GRID, numpy_network.GRID)
        assert heat.min() >= 0
        assert heat.max() in (0, 1)


def test_a_network_without_a_feature_map_and_a_recipe_that_does_not_ask(
    numpy_backend: None, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    monkeypatch.setattr(numpy_network.NumpyBackend, "grad_cam", lambda _, batches: asked.append(1))
    without = train(pictures, tmp_path / "without")
    assert asked == [1]
    unasked = train(pictures, tmp_path / "unasked", explain=False)
    assert asked == [1]
    for run in (without, unasked):
        assert not (run.folder / "gradcam.json").exists()
        assert (run.folder / "report.html").is_file()


def test_a_picture_that_vanished_since_it_was_scored_has_no_map(
    numpy_backend: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = class_folder(tmp_path / "pictures", dict.fromkeys(CLASSES, 20))
    explain, gone = finishing.explain, []

    def lose_one(folder: Path, job: Any) -> None:
        shown = run_folder.read_predictions(folder, CLASSES)["test"]
        gone.append(choose_examples(shown).names[0])
        job.dataset.paths[gone[0]].unlink()
        explain(folder, job)

    monkeypatch.setattr(finishing, "explain", lose_one)
    run = train(data, tmp_path / "run")
    maps = gradcam_of(run.folder)["maps"]
    shown = run_folder.read_predictions(run.folder, CLASSES)["test"]
    assert set(maps) == set(choose_examples(shown).names) - set(gone)
    named = dict(zip(shown.names, shown.classes.tolist(), strict=True))
    assert {name: one["class"] for name, one in maps.items()} == {name: CLASSES[named[name]] for name in maps}


def test_without_test_pictures_the_examples_are_of_validation(numpy_backend: None, pictures: Path, tmp_path: Path) -> None:
    run = train(pictures, tmp_path / "run", **{"data.test_fraction": 0.0})
    shown = run_folder.read_predictions(run.folder, CLASSES)
    assert list(shown) == ["validation"]
    assert set(gradcam_of(run.folder)["maps"]) == set(choose_examples(shown["validation"]).names)
