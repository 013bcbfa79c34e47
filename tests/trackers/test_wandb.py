"""The files of Weights & Biases, read by its own command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support.tracked import ENDINGS, EPOCHS, FINAL, OVERFITS, PHASES, Told

pytest.importorskip("wandb")


@pytest.fixture(scope="module")
def folder(told: Told) -> Path:
    return next((told("wandb") / "wandb").glob("offline-run-*"))


def inspect(folder: Path, *options: str) -> str:
    command = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", *options, str(next(folder.glob("*.wandb")))]
    environment = {**os.environ, "WANDB_ERROR_REPORTING": "false"}
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60, env=environment).stdout


@pytest.fixture(scope="module")
def summary(folder: Path) -> dict[str, Any]:
    return json.loads(inspect(folder, "--summary"))


@pytest.fixture(scope="module")
def records(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in inspect(folder).splitlines()]


def test_every_number_of_every_epoch_is_there(records: list[dict[str, Any]]) -> None:
    kept = [record["history"]["item"] for record in records if record["type"] == "history"]
    names = {"epoch", *EPOCHS[1]}
    assert [{name: row[name] for name in names & set(row)} for row in kept] == [
        {"epoch": epoch, **row} for epoch, row in enumerate(EPOCHS, start=1)
    ]
    assert [row["_step"] for row in kept] == [1, 2, 3]


def test_the_final_scores_and_the_plan_are_there(summary: dict[str, Any]) -> None:
    assert {name: summary["summary"][name] for name in FINAL} == FINAL
    assert summary["config"]["network"] == "tiny"
    assert summary["config"]["phases.2.rate"] == 5e-4
    assert summary["config"]["augment.flip"] is False
    assert (summary["name"], summary["project"], summary["state"]) == ("a run", "unfreeze", "finished")


def test_phases_endings_and_findings_are_told(summary: dict[str, Any]) -> None:
    told = {name: text for name, text in summary["summary"].items() if name.startswith(("phase.", "finding", "endings"))}
    assert told == {
        "phase.1": f"{PHASES[0]}, from epoch 1",
        "phase.2": f"{PHASES[1]}, from epoch 3",
        "endings": ENDINGS,
        "findings": "overfitting",
        "finding.overfitting": OVERFITS,
    }
    assert summary["tags"] == ["overfitting"]


def test_the_pictures_are_shown(summary: dict[str, Any], folder: Path) -> None:
    shown = folder / "files" / summary["summary"]["curves"]["path"]
    assert shown.read_bytes() == (folder.parents[1] / "curves.png").read_bytes()


def test_with_a_key_it_goes_to_the_server_unless_its_own_variable_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    from unfreeze.trackers import wandb as tracker

    assert tracker._mode() == "offline"
    monkeypatch.setenv("WANDB_API_KEY", "0123456789abcdef" * 3)
    monkeypatch.setattr(tracker.wandb, "login", lambda prompt: not prompt)
    assert tracker._mode() == "online"
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert tracker._mode() is None
