"""A finished training, read from its folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from unfreeze.api.evaluations import Evaluation, evaluate
from unfreeze.api.predictions import Prediction, predict
from unfreeze.diagnosis.finding import Finding
from unfreeze.errors import RunError
from unfreeze.inspection.finding import DataFinding, read_finding
from unfreeze.recipe.plan import Plan
from unfreeze.training import run_folder
from unfreeze.training.checkpoint import is_there
from unfreeze.training.history import EpochRecord, read_history
from unfreeze.training.scores import Scores


@dataclass(frozen=True)
class Run:
    """A finished training, read from its folder.

    Attributes:
        folder: where everything is; see `training.run_folder`.
        plan: what was done.
        history: one record per epoch.
        validation: scores of the best epoch's weights on the validation pictures; None where it was interrupted.
        test: scores on the test pictures, made once at the end; None where there are none or it was interrupted.
        best_epoch: the epoch whose weights the model has.
        findings: what was recognised in the curves.
        data_findings: what was found in the pictures before training.
        endings: why each phase ended, in words.
        interrupted: whether Ctrl-C or SIGTERM ended it: `unfreeze.resume` goes on.
        terminated: whether it was SIGTERM.
    """

    folder: Path
    plan: Plan
    history: list[EpochRecord]
    validation: Scores | None
    test: Scores | None
    best_epoch: int | None
    findings: list[Finding]
    data_findings: list[DataFinding]
    endings: list[str]
    interrupted: bool
    terminated: bool = False

    def predict(
        self, paths: Sequence[str | Path], device: str = "auto", *, min_precision: float | None = None
    ) -> list[Prediction]:
        """`unfreeze.predict` with this run."""
        return predict(self, paths, device=device, min_precision=min_precision)

    def evaluate(self, data: str | Path, device: str = "auto", *, min_precision: float | None = None) -> Evaluation:
        """`unfreeze.evaluate` with this run."""
        return evaluate(self, data, device=device, min_precision=min_precision)


def open_run(folder: str | Path) -> Run:
    """A run from its folder. Loads no framework.

    Raises:
        RunError: it isn't finished, or a file of it is missing or damaged.
    """
    folder = Path(folder)
    planned = run_folder.read_plan(folder)
    if is_there(folder) and not (folder / run_folder.METRICS).is_file():
        raise RunError(f"{folder} isn't finished: let its training end, or where that was stopped: unfreeze resume {folder}")
    metrics = run_folder.read_json(folder, run_folder.METRICS)
    try:
        return Run(
            folder=folder,
            plan=planned,
            history=read_history(folder),
            validation=Scores.from_dict(metrics["validation"]) if metrics["validation"] else None,
            test=Scores.from_dict(metrics["test"]) if metrics["test"] else None,
            best_epoch=metrics["best_epoch"],
            findings=[Finding(**finding) for finding in run_folder.read_json(folder, run_folder.FINDINGS)],
            data_findings=[
                read_finding(finding) for finding in run_folder.read_json(folder, run_folder.DATA).get("findings", [])
            ],
            endings=metrics["phase_endings"],
            interrupted=metrics["interrupted"],
            terminated=metrics.get("terminated", False),
        )
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise RunError(
            f"{folder}: {run_folder.METRICS}, {run_folder.FINDINGS} or {run_folder.DATA} isn't as written ({error})"
        ) from None
