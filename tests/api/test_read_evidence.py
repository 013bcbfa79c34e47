"""What a run's folder has for a diagnosis: of runs written by hand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from support.made_up_run import CLASSES, HISTORY, write_run
from unfreeze import api
from unfreeze.api.diagnoses import evidence_of, read_evidence
from unfreeze.diagnosis.evidence import Evidence
from unfreeze.errors import RecipeError, RunError
from unfreeze.inspection.finding import DataFinding
from unfreeze.recipe.read import read_recipe, write_yaml

VALIDATION = 45  # pictures of `write_run`


def leakage(*groups: Sequence[str]) -> DataFinding:
    return DataFinding("leakage", "error", "pictures are in more than one split", tuple(map(tuple, groups)))


def mismatch(mistake: str) -> DataFinding:
    return DataFinding("inputs-mismatch", "error", "probably: that.", details={"what": "that", "mistake": mistake})


def written(folder: Path, *data_findings: DataFinding, **changes: Any) -> Evidence:
    write_run(folder, data_findings=data_findings, **changes)
    return read_evidence(folder)


def test_all_of_it(tmp_path: Path) -> None:
    evidence = written(tmp_path, training_sample={"accuracy": 0.875, "pictures": 256})
    assert [(phase.name, len(phase), phase.ending) for phase in evidence.phases] == [
        ("head only", 2, "all epochs done"),
        ("last stage", 2, "no better for 5 epochs"),
    ]
    assert evidence.endings == ("all epochs done", "no better for 5 epochs")
    assert (evidence.best_epoch, evidence.classes, evidence.val_pictures) == (3, CLASSES, VALIDATION)
    assert evidence.train_counts == dict.fromkeys(CLASSES, 70)
    assert (evidence.sample_accuracy, evidence.leaked_part, evidence.inputs_mismatch) == (0.875, 0.0, "")
    assert evidence.inputs_mistakes == frozenset()
    assert evidence.predicted is not None
    assert len(evidence.predicted.labels) == VALIDATION
    assert all(name.startswith("validation/") for name in evidence.predicted.names)


@pytest.mark.parametrize(
    ("groups", "leaked"),
    [
        ([["train/00-0.png", "validation/00-1.png"]], 1),
        ([["train/00-0.png", "validation/00-1.png", "validation/01-1.png"]], 2),
        ([["train/00-0.png", "train/00-1.png", "validation/00-1.png"], ["validation/02-3.png", "train/02-3.png"]], 2),
        ([["validation/00-2.png", "test/00-0.png"], ["train/00-5.png", "test/00-1.png"]], 0),
        ([["train/gone.png", "validation/00-1.png"]], 0),
        ([], 0),
    ],
    ids=["one", "two copies of one", "two groups", "not trained on", "of a picture that isn't used", "none"],
)
def test_the_leaked_part(tmp_path: Path, groups: list[list[str]], leaked: int) -> None:
    assert written(tmp_path, leakage(*groups)).leaked_part == pytest.approx(leaked / VALIDATION)


@pytest.mark.parametrize(
    ("mistake", "mistakes"),
    [("channels-swapped", {"channels-swapped"}), ("range+too-small", {"range", "too-small"}), ("", set())],
)
def test_how_pictures_reach_the_network(tmp_path: Path, mistake: str, mistakes: set[str]) -> None:
    evidence = written(tmp_path, leakage(), mismatch(mistake))
    assert (evidence.inputs_mismatch, evidence.inputs_mistakes) == ("probably: that.", mistakes)


def test_where_nobody_looked_nothing_is_said_of_the_pictures(tmp_path: Path) -> None:
    write_run(tmp_path)
    recipe, data = (tmp_path / name for name in ("recipe.yaml", "data.json"))
    before = recipe.read_bytes()

    def looked() -> bool:
        evidence = read_evidence(tmp_path)
        assert (evidence.leaked_part is None) == (evidence.inputs_mismatch is None)
        return evidence.leaked_part is not None

    assert looked()
    write_yaml(read_recipe(None, {"data.inspect": "none"}), recipe)
    assert not looked()
    recipe.write_bytes(before)
    data.write_text(json.dumps({name: value for name, value in json.loads(data.read_text()).items() if name != "findings"}))
    assert not looked()  # a run of a version before there was a look at the data
    data.unlink()
    assert not looked()


def test_a_run_that_is_going_on_or_was_killed(tmp_path: Path) -> None:
    write_run(tmp_path)
    for name in ("metrics.json", "predictions.csv", "findings.json"):
        (tmp_path / name).unlink()
    evidence = read_evidence(tmp_path)
    assert (len(evidence.phases), evidence.best_epoch, evidence.endings) == (2, 3, ())
    assert (evidence.predicted, evidence.sample_accuracy) == (None, None)
    (tmp_path / "history.jsonl").unlink()
    assert read_evidence(tmp_path).phases == ()
    assert api.diagnose(tmp_path) == []


def test_an_interrupted_run_has_no_predictions(tmp_path: Path) -> None:
    evidence = written(tmp_path, splits=(), interrupted=True, phase_endings=["interrupted"], training_sample=None)
    assert (evidence.predicted, evidence.sample_accuracy, evidence.endings) == (None, None, ("interrupted",))
    assert {finding.outcome for finding in api.diagnose(tmp_path)} >= {"could not tell"}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("metrics.json", "[]"),
        ("metrics.json", '{"phase_endings": 5}'),
        ("metrics.json", '{"training_sample": {"pictures": 5}}'),
        ("metrics.json", "{"),
        ("data.json", "{}}"),
        ("data.json", '{"findings": []}'),
        ("data.json", '{"findings": [{"code": "leakage"}], "pictures": []}'),
        ("data.json", '{"findings": [7], "pictures": []}'),
        ("history.jsonl", "{}\n"),
        ("predictions.csv", "path,split\n"),
    ],
)
def test_a_damaged_file_is_said(tmp_path: Path, name: str, text: str) -> None:
    write_run(tmp_path)
    (tmp_path / name).write_text(text)
    if name == "predictions.csv":
        assert read_evidence(tmp_path).predicted is None
    else:
        with pytest.raises(RunError, match=name.partition(".")[0]):
            read_evidence(tmp_path)


def test_what_is_known_while_it_goes_on(tmp_path: Path) -> None:
    plan = api.open_run(tmp_path).plan if write_run(tmp_path) else None
    assert plan is not None
    evidence = evidence_of(plan, HISTORY[:1])
    assert (len(evidence.phases), evidence.best_epoch, evidence.endings) == (1, 1, ())
    assert (evidence.predicted, evidence.leaked_part, evidence.sample_accuracy) == (None, None, None)
    assert evidence_of(plan, []).best_epoch is None


def test_a_run_its_folder_and_what_only_another_tools_history_needs_said(tmp_path: Path) -> None:
    write_run(tmp_path)
    assert api.diagnose(tmp_path) == api.diagnose(str(tmp_path)) == api.diagnose(api.open_run(tmp_path))
    with pytest.raises(RecipeError, match=r"classes, val_pictures: only for the history file of another tool"):
        api.diagnose(tmp_path, classes=3, val_pictures=5)
