"""`strategy: auto` from pictures to the files of a run. On the NumPy backend: two steps, the head and the whole network."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support.folders import class_folder
from unfreeze import api
from unfreeze.api.diagnoses import read_evidence
from unfreeze.recipe.plan import Evidence
from unfreeze.search import search
from unfreeze.search.decide import Decision
from unfreeze.training import run_folder
from unfreeze.training.history import EpochRecord
from unfreeze.training.watcher import Silent

QUICK = {
    "framework": "numpy", "model": "tiny", "strategy": "auto", "head_only.epochs": 2, "unfrozen.epochs": 3,
    "data.inspect": "none", "augment.views": 1, "explain": False,
}  # fmt: skip
# A rate at which the whole network forgets what the head knew.
HOT = QUICK | {"unfrozen.rate": 0.05, "unfrozen.schedule.warmup_epochs": 0}


class Listener(Silent):
    def __init__(self) -> None:
        self.rows: list[Evidence] = []

    def decided(self, row: Evidence) -> None:
        self.rows.append(row)


def weights(run: api.Run) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run.folder / "model/manifest.json").read_text(encoding="utf-8"))["weights"]
    return found


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return class_folder(tmp_path_factory.mktemp("two") / "pictures", {"cat": 30, "dog": 30})


def test_a_search_leaves_its_evidence_everywhere(numpy_backend: None, pictures: Path, tmp_path: Path) -> None:
    listener = Listener()
    run = api.train(pictures, out=tmp_path / "run", watcher=listener, **QUICK)
    evidence = run_folder.read_plan(run.folder).evidence
    assert [row.step for row in evidence] == ["probe before stage1", "probe before head", "head only", "whole network"]
    assert all(row.score is not None and row.interval and row.interval[0] <= row.score <= row.interval[1] for row in evidence)
    assert all(row.decision in ("kept", "not kept") and row.seconds is not None for row in evidence[2:])
    assert listener.rows[-2:] == list(evidence[-2:])
    facts = json.loads((run.folder / "report.json").read_text(encoding="utf-8"))
    assert [row["step"] for row in facts["plan"]["evidence"]] == [row.step for row in evidence]
    for page in ("report.html", "report.md"):
        assert "probe before head" in (run.folder / page).read_text(encoding="utf-8")


def test_the_model_on_disk_is_the_one_that_was_kept(numpy_backend: None, pictures: Path, tmp_path: Path) -> None:
    # A whole network trained at such a rate is worse by more than noise: the search goes back to the head's weights.
    run = api.train(pictures, out=tmp_path / "auto", **HOT)
    assert [row.decision for row in run.plan.evidence][-2:] == ["kept", "not kept"]
    assert run.best_epoch is not None and run.best_epoch <= 2
    alone = api.train(pictures, out=tmp_path / "head", **QUICK | {"strategy": "feature-extraction"})
    assert alone.best_epoch == run.best_epoch
    assert all(np.array_equal(weights(run)[name], values) for name, values in weights(alone).items())
    assert run.test is not None and alone.test is not None
    assert run.test.accuracy == alone.test.accuracy


class Interrupting(Silent):
    def epoch_done(self, record: EpochRecord) -> None:
        if record.epoch == 4:
            raise KeyboardInterrupt


def test_ctrl_c_in_a_step_keeps_the_best_weights_so_far(numpy_backend: None, pictures: Path, tmp_path: Path) -> None:
    run = api.train(pictures, out=tmp_path / "run", watcher=Interrupting(), **HOT)
    assert (run.interrupted, len(run.history), run.endings[-1]) == (True, 4, "interrupted")
    assert run.best_epoch is not None and run.best_epoch <= 2
    alone = api.train(pictures, out=tmp_path / "head", **QUICK | {"strategy": "feature-extraction"})
    assert all(np.array_equal(weights(run)[name], values) for name, values in weights(alone).items())
    # The step that was broken off has no row.
    assert run_folder.read_plan(run.folder).evidence[-1].step == "head only"


def test_a_kept_step_is_the_run_s_best_though_an_epoch_before_it_was_better(
    numpy_backend: None, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "decide", lambda *_, **__: Decision(True, True, "as the test wants it"))
    run = api.train(pictures, out=tmp_path / "run", **HOT)
    kept = run.history[(run.best_epoch or 0) - 1]
    assert (kept.phase, kept.best) == (2, False)
    assert run.validation is not None and run.validation.accuracy == kept.val_accuracy
    assert read_evidence(run.folder).best_epoch == run.best_epoch


def test_the_plan_says_what_the_steps_are_expected_to_take(numpy_backend: None, pictures: Path) -> None:
    planned = api.plan(pictures, **QUICK)
    assert [(row.step, row.decision) for row in planned.evidence] == [
        ("head only", "may be taken"),
        ("whole network", "may be taken"),
    ]
    assert all(row.estimated_seconds is not None for row in planned.evidence)


def test_a_spent_budget_ends_it_after_an_epoch(numpy_backend: None, pictures: Path, tmp_path: Path) -> None:
    run = api.train(pictures, out=tmp_path / "run", **QUICK | {"budget": "0.001s"})
    assert run.endings == ("the budget is spent",) or list(run.endings) == ["the budget is spent"]
    assert len(run.history) == 1
    assert run.plan.evidence[-1].decision == "not taken"


def test_other_strategies_have_no_evidence(numpy_backend: None, pictures: Path, tmp_path: Path) -> None:
    settings: dict[str, Any] = QUICK | {"strategy": "feature-extraction"}
    assert api.train(pictures, out=tmp_path / "run", **settings).plan.evidence == ()
