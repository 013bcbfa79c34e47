"""What an experiment tracker has to be able to do, and what it is told at the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from unfreeze.diagnosis.finding import Finding
from unfreeze.recipe.plan import Phase
from unfreeze.training.scores import Scores

Status = Literal["finished", "failed", "interrupted"]

# The pictures of a run's folder that a tracker shows where they are there, and further files for one that keeps files.
PICTURES = ("curves.png", "confusion.png")
FILES = ("plan.yaml", "metrics.json", "findings.json", "history.csv", "predictions.csv", "report.html")


@dataclass(frozen=True)
class Result:
    """What a training came to.

    Attributes:
        folder: the run's, with everything in it.
        scores: split (`validation`, `test`) -> the scores of the best epoch's weights; empty where it was interrupted.
        best_epoch: the epoch whose weights the model has; None where none was finished.
        endings: why each phase ended, in words.
        findings: all answers of the diagnosis.
        interrupted: whether it was ended by Ctrl-C.
    """

    folder: Path
    scores: Mapping[str, Scores]
    best_epoch: int | None
    endings: Sequence[str]
    findings: Sequence[Finding]
    interrupted: bool


class Tracker(Protocol):
    """One tracker, open for one run. Its module has `open_tracker(folder, plan)`, which makes it and tells it the plan.

    Any of these may raise whatever its library raises: see `watcher`.
    """

    def phase_started(self, number: int, phase: Phase, epoch: int) -> None:
        """Phase `number`, from 1, begins with epoch `epoch`, from 1 over all phases."""

    def epoch_done(self, epoch: int, numbers: Mapping[str, float]) -> None:
        """An epoch and its numbers, by the names in `facts`."""

    def finished(self, result: Result) -> None:
        """Scores, findings, pictures."""

    def close(self, status: Status) -> None:
        """The last call: everything told must be where it belongs when it returns."""
