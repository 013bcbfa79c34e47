"""A run's files as far as they are there: what a report is made of. Needs no framework."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from unfreeze.diagnosis.finding import Finding
from unfreeze.errors import RecipeError, RunError
from unfreeze.inspection.finding import DataFinding, read_finding
from unfreeze.recipe.plan import Plan
from unfreeze.recipe.recipe import Recipe
from unfreeze.training import run_folder
from unfreeze.training.calibration import CALIBRATION, Calibration, read_calibration
from unfreeze.training.history import EpochRecord, read_history
from unfreeze.training.run_folder import Predicted
from unfreeze.training.scores import ClassScore, Scores
from unfreeze.typed import typed

T = TypeVar("T")
GRADCAM = "gradcam.json"
_NO_METRICS: tuple[dict[str, Any] | None, dict[str, Scores]] = (None, {})
_NOT_AS_WRITTEN = (AttributeError, IndexError, KeyError, TypeError, ValueError)


@dataclass(frozen=True)
class _Ended:
    """What `metrics.json` holds but the scores."""

    best_epoch: int | None
    phase_endings: list[str]
    interrupted: bool
    seconds: dict[str, float]


@dataclass(frozen=True)
class RunFiles:
    """A run as its files tell it, whether it ended, was interrupted, killed or damaged.

    Attributes:
        folder: where it is.
        plan: what was to be done.
        recipe: what was asked for.
        history: one record per epoch so far.
        metrics: what `metrics.json` holds but the scores; None where the run hasn't ended.
        scores: of `validation` and `test`, of those that were scored.
        findings: what was recognised in the curves, those found first.
        data: what `data.json` holds, its pictures as name -> hash of the bytes.
        data_findings: what was found in the pictures.
        predicted: what the model said, by split.
        calibration: by which the model's probabilities were brought in line with its accuracy.
        gradcam: what `gradcam.json` holds: the `layer` in words, and `maps`: picture -> its `class` and its `map`, float32
            [h, w], 0–1.
        missing: what isn't there or can't be read, in words.
    """

    folder: Path
    plan: Plan
    recipe: Recipe | None
    history: list[EpochRecord]
    metrics: dict[str, Any] | None
    scores: dict[str, Scores]
    findings: list[Finding]
    data: dict[str, Any]
    data_findings: list[DataFinding]
    predicted: dict[str, Predicted]
    calibration: Calibration | None
    gradcam: dict[str, Any] | None
    missing: tuple[str, ...]

    @property
    def shown(self) -> str | None:
        """The split whose scores are the run's: `test`, `validation` where there is none, None where nothing was scored."""
        return next((split for split in ("test", "validation") if split in self.scores), None)

    @property
    def best_epoch(self) -> int | None:
        """The epoch whose weights the model holds; None where there was none."""
        if self.metrics is not None:
            best: int | None = self.metrics.get("best_epoch")
            return best
        return max((record.epoch for record in self.history if record.best), default=None)


def read_run_files(folder: Path) -> RunFiles:
    """All there is of a run.

    Raises:
        RunError: it isn't a run: its plan is missing or damaged.
    """
    plan = run_folder.read_plan(folder)
    missing: list[str] = []

    def attempt(name: str, read: Callable[[Path], T], otherwise: T) -> T:
        """What `read` makes of a file; what can't be read is said, what isn't there only where every finished run has it."""
        if not (folder / name).is_file():
            missing.extend([f"there is no {name}"] if name in (run_folder.METRICS, run_folder.DATA) else [])
            return otherwise
        try:
            return read(folder)
        except (RunError, RecipeError) as error:
            missing.append(str(error))
        except _NOT_AS_WRITTEN as error:
            missing.append(f"{folder / name}: isn't as written ({error!r})")
        return otherwise

    metrics, scores = attempt(run_folder.METRICS, lambda folder: _read_metrics(folder, plan.data.classes), _NO_METRICS)
    predicted: dict[str, Predicted] = attempt(
        run_folder.PREDICTIONS, lambda folder: run_folder.read_predictions(folder, plan.data.classes), {}
    )
    missing.extend(f"{run_folder.PREDICTIONS} has no {split} pictures" for split in scores if split not in predicted)
    return RunFiles(
        folder=folder,
        plan=plan,
        recipe=attempt(run_folder.RECIPE, lambda folder: run_folder.read_asked(folder), None),
        history=attempt("history.jsonl", read_history, []),
        metrics=metrics,
        scores=scores,
        findings=attempt(run_folder.FINDINGS, _read_findings, []),
        data=attempt(run_folder.DATA, _read_data, {}),
        data_findings=attempt(run_folder.DATA, _read_data_findings, []),
        predicted=predicted,
        calibration=attempt(
            f"{run_folder.MODEL}/{CALIBRATION}", lambda folder: read_calibration(folder / run_folder.MODEL), None
        ),
        gradcam=attempt(GRADCAM, _read_gradcam, None),
        missing=tuple(dict.fromkeys(missing)),
    )


def _read_metrics(folder: Path, classes: tuple[str, ...]) -> tuple[dict[str, Any], dict[str, Scores]]:
    metrics = run_folder.read_json(folder, run_folder.METRICS)
    scored = {split: metrics[split] for split in ("validation", "test") if metrics[split] is not None}
    return asdict(typed(_Ended, metrics)), {split: _read_scores(values, classes) for split, values in scored.items()}


def _read_scores(values: dict[str, Any], classes: tuple[str, ...]) -> Scores:
    scores = Scores.from_dict(values)
    low, high = map(float, scores.interval)
    known = {name: typed(ClassScore, asdict(one)) for name, one in scores.per_class.items()}
    if tuple(known) != classes or scores.confusion.shape != (len(classes), len(classes)) or scores.pictures < 1:
        raise ValueError("scores aren't of the plan's classes")
    accuracy = float(scores.accuracy)
    if not all(-1e-9 <= part <= 1 + 1e-9 for part in (accuracy, low, high)):
        raise ValueError(f"an accuracy of {accuracy}, {low} to {high}, isn't in 0–1")
    return Scores(float(scores.loss), accuracy, (low, high), known, scores.confusion)


def _read_findings(folder: Path) -> list[Finding]:
    return [typed(Finding, finding) for finding in run_folder.read_json(folder, run_folder.FINDINGS)]


def _read_data(folder: Path) -> dict[str, Any]:
    data = dict(run_folder.read_json(folder, run_folder.DATA))
    pictures = {picture["name"]: picture["content"] for picture in data["pictures"]}
    return data | {"root": typed(str, data["root"]), "pictures": typed(dict[str, str], pictures)}


def _read_data_findings(folder: Path) -> list[DataFinding]:
    findings = run_folder.read_json(folder, run_folder.DATA).get("findings", ())
    return [typed(DataFinding, asdict(read_finding(finding))) for finding in findings]


def _read_gradcam(folder: Path) -> dict[str, Any]:
    gradcam = run_folder.read_json(folder, GRADCAM)
    maps: dict[str, dict[str, Any]] = {
        name: {"class": typed(str, one["class"]), "map": np.array(one["map"], np.float32)}
        for name, one in gradcam["maps"].items()
    }
    if any(one["map"].ndim != 2 or not one["map"].size for one in maps.values()):
        raise ValueError("a map isn't a table of numbers")
    return {"layer": str(gradcam["layer"]), "maps": maps}
