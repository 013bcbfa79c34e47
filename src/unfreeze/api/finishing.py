"""The end of a training: the best weights scored, diagnosed, and everything about them written down."""

from __future__ import annotations

import contextlib
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unfreeze.api.diagnoses import diagnose, evidence_of
from unfreeze.api.explaining import explain
from unfreeze.api.preparation import Preparation
from unfreeze.diagnosis.validation_easier import validation_easier
from unfreeze.report.confusion import draw_confusion
from unfreeze.report.curves import draw_curves
from unfreeze.report.page import write_report
from unfreeze.training import run_folder
from unfreeze.training.calibration import fit_temperature, with_temperature, write_calibration
from unfreeze.training.feeding import Feeding
from unfreeze.training.history import write_history
from unfreeze.training.interruption import Terminated
from unfreeze.training.loop import NOT_FINITE, Outcome
from unfreeze.training.scores import score

# Training pictures that are scored as they are, where it is asked whether augmentation makes training harder.
_SAMPLE = 256
LogProbabilities = dict[str, NDArray[np.float32]]


def finish(folder: Path, job: Preparation, feeding: Feeding, outcome: Outcome, seconds: dict[str, float]) -> None:
    """Scores the best weights and writes what is left of the run folder."""
    started, dataset, loader = time.perf_counter(), job.dataset, job.loader
    write_history(outcome.history, folder)
    predicted: LogProbabilities = {}
    sample: dict[str, float] | None = None
    try:
        # After Ctrl-C nobody wants to wait for scores: `unfreeze evaluate` makes them later.
        if not outcome.interrupted:
            splits = [name for name in ("validation", "test") if name in dataset.splits]
            predicted = {split: job.backend.predict(feeding.scoring(split)) for split in splits}
            sample = _training_sample(job, outcome)
    except KeyboardInterrupt as error:
        outcome.interrupted = error
    predicted = _calibrated(folder, job, predicted)
    scores = {split: score(predicted[split], loader.labels(split), dataset.classes) for split in predicted}
    run_folder.write_predictions(folder, dataset, predicted)
    metrics = _metrics(outcome) | {
        "validation": scores["validation"].as_dict() if "validation" in scores else None,
        "test": scores["test"].as_dict() if "test" in scores else None,
        "training_sample": sample,
        "seconds": {name: round(value, 2) for name, value in seconds.items()}
        | {"scoring": round(time.perf_counter() - started, 2)},
    }
    run_folder.write_metrics(folder, metrics)
    run_folder.write_findings(folder, [asdict(finding) for finding in diagnose(folder)])
    if outcome.history:
        draw_curves(outcome.history, folder / "curves.png", outcome.best.epoch if outcome.best else None)
    if job.recipe.explain:
        with contextlib.suppress(KeyboardInterrupt):  # the report does without
            explain(folder, job)
    shown = scores.get("test") or scores.get("validation")
    if shown is not None:
        draw_confusion(shown.confusion, dataset.classes, folder / "confusion.png")
    write_report(folder, job.dataset.paths)


def finish_failed(folder: Path) -> None:
    """Writes down that nothing was learned, so that the run can be diagnosed."""
    outcome = Outcome(endings=[NOT_FINITE])
    write_history([], folder)
    nothing: dict[str, Any] = {"validation": None, "test": None, "training_sample": None, "seconds": {}}
    run_folder.write_metrics(folder, _metrics(outcome) | nothing)
    run_folder.write_findings(folder, [asdict(finding) for finding in diagnose(folder)])
    write_report(folder)


def _metrics(outcome: Outcome) -> dict[str, Any]:
    return {
        "best_epoch": outcome.best.epoch if outcome.best else None,
        "phase_endings": outcome.endings,
        "interrupted": outcome.interrupted is not None,
        "terminated": isinstance(outcome.interrupted, Terminated),
    }


def _calibrated(folder: Path, job: Preparation, predicted: LogProbabilities) -> LogProbabilities:
    """The predictions with the temperature that validation asks for, which is kept with the model."""
    if not job.plan.calibrate or "validation" not in predicted:
        return predicted
    calibration = fit_temperature(predicted["validation"], job.loader.labels("validation"))
    write_calibration(calibration, folder / run_folder.MODEL)
    return {split: with_temperature(rows, calibration.temperature) for split, rows in predicted.items()}


def _training_sample(job: Preparation, outcome: Outcome) -> dict[str, float] | None:
    """The accuracy on training pictures without augmentation, where validation is so much better that the question arises."""
    if not outcome.history or not validation_easier(evidence_of(job.plan, outcome.history)).is_found:
        return None
    views = job.loader.evaluation_views("train")
    views = views[:: -(-len(views) // _SAMPLE)]
    named = job.backend.predict(job.loader.batches("train", views)).argmax(axis=1)
    labels = job.loader.labels("train")[[view.picture for view in views]]
    return {"accuracy": float((named == labels).mean()), "pictures": len(views)}
