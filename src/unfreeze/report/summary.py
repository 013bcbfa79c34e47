"""A run's facts as one plain dictionary, without pictures: what report.json holds, and the other two forms are made of."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from unfreeze.recipe.plan import Phase, Plan
from unfreeze.report.again import asked_for, commands, settings
from unfreeze.report.augmentation import augmentation_in_words
from unfreeze.report.confused import most_confused
from unfreeze.report.examples import choose_examples
from unfreeze.report.imbalance import by_class, imbalance_in_words, loss_in_words
from unfreeze.report.phases import batch_in_words, extras_in_words, optimizer_in_words, rate_in_words, schedule_in_words
from unfreeze.report.reasons import reasons
from unfreeze.report.run_files import RunFiles
from unfreeze.report.verdict import verdict
from unfreeze.training.calibration import expected_calibration_error, expected_error_by_chance, reliability
from unfreeze.training.run_folder import Predicted

# Of the structure below. Grows when something is renamed or dropped, not when something is added.
FORMAT = 1
_MOST_PAIRS = 30


def summarise(run: RunFiles, known_as: Path | None = None) -> dict[str, Any]:
    """All facts of a run, ready for strict JSON: what isn't a finite number is None.

    Args:
        known_as: the run's folder in names and commands; None for where it is.
    """
    folder = known_as or run.folder
    asked = asked_for(run.recipe) if run.recipe is not None else None
    metrics = run.metrics or {}
    facts = {
        "format": FORMAT,
        "run": folder.resolve().name,
        "folder": str(folder),
        "verdict": verdict(run),
        "state": "unfinished" if run.metrics is None else "interrupted" if metrics["interrupted"] else "finished",
        "missing": list(run.missing),
        "shown": run.shown,
        "scores": {split: scores.as_dict() for split, scores in run.scores.items()},
        "largest_class": _largest_class(run),
        "most_confused": _most_confused(run),
        "best_epoch": run.best_epoch,
        "findings": [asdict(finding) | {"settings": settings(finding.remedy)} for finding in run.findings],
        "plan": _plan(run.plan, metrics.get("phase_endings", [])) | {"asked": asked, "reasons": reasons(run.plan)},
        "epochs": [{name: value for name, value in asdict(record).items() if name != "confusion"} for record in run.history],
        "seconds": metrics.get("seconds", {}),
        "examples": _examples(run),
        "calibration": _calibration(run),
        "gradcam": {"layer": run.gradcam["layer"]} if run.gradcam else None,
        "data": _data(run),
        "environment": run.plan.environment,
        "commands": commands(folder, run.plan, asked),
    }
    plain: dict[str, Any] = finite(facts)
    return plain


def _largest_class(run: RunFiles) -> dict[str, Any] | None:
    """What answering with the most frequent class would score."""
    if run.shown is None:
        return None
    per_class = run.scores[run.shown].per_class
    name = max(per_class, key=lambda name: per_class[name].pictures)
    return {"class": name, "part": per_class[name].pictures / run.scores[run.shown].pictures}


def _most_confused(run: RunFiles) -> list[dict[str, Any]]:
    if run.shown is None:
        return []
    return [asdict(pair) for pair in most_confused(run.scores[run.shown].confusion, run.plan.data.classes, _MOST_PAIRS)]


def _plan(plan: Plan, endings: list[str]) -> dict[str, Any]:
    values = plan.model_dump(exclude={"network", "data", "environment"})
    network = plan.network
    values["phases"] = [
        phase | {"ended": endings[place] if place < len(endings) else None, **_in_words(plan.phases[place])}
        for place, phase in enumerate(values["phases"])
    ]
    return values | {
        "network": network.model_dump(exclude={"stages"})
        | {"parameters": network.parameters, "stages": {stage.name: stage.parameters for stage in network.stages}},
        "augmentation": augmentation_in_words(plan.augment),
        "loss": loss_in_words(plan),
        "unequal_classes": imbalance_in_words(plan),
        "batch": batch_in_words(plan),
        "extras": extras_in_words(plan),
        "by_class": by_class(plan),
    }


def _in_words(phase: Phase) -> dict[str, str]:
    return {
        "rate_in_words": rate_in_words(phase),
        "schedule_in_words": schedule_in_words(phase),
        "optimizer_in_words": optimizer_in_words(phase),
    }


def _examples(run: RunFiles) -> dict[str, list[dict[str, Any]]]:
    predicted = run.predicted.get(run.shown or "")
    if predicted is None:
        return {"mistakes": [], "unsure": []}
    chosen, places = choose_examples(predicted), {name: place for place, name in enumerate(predicted.names)}
    return {
        kind: [_example(predicted, places[name], run.plan.data.classes) for name in names]
        for kind, names in (("mistakes", chosen.mistakes), ("unsure", chosen.unsure))
    }


def _example(predicted: Predicted, place: int, classes: tuple[str, ...]) -> dict[str, Any]:
    probabilities = predicted.probabilities[place]
    ranked = np.argsort(-np.nan_to_num(probabilities), kind="stable")
    return {
        "name": predicted.names[place],
        "true": classes[predicted.labels[place]],
        "predicted": classes[predicted.classes[place]],
        "probability": float(predicted.confidences[place]),
        "probability_of_true": float(probabilities[predicted.labels[place]]),
        "next": classes[ranked[1]],
        "probability_of_next": float(probabilities[ranked[1]]),
    }


def _calibration(run: RunFiles) -> dict[str, Any] | None:
    predicted = run.predicted.get(run.shown or "")
    if predicted is None or not np.isfinite(predicted.confidences).all():
        return None
    bins = reliability(predicted.confidences, predicted.right)
    by_chance, at_most = expected_error_by_chance(predicted.confidences)
    return {
        "expected_calibration_error": expected_calibration_error(bins),
        "by_chance": by_chance,
        "by_chance_at_most": at_most,
        "mean_confidence": float(predicted.confidences.mean()),
        "accuracy": float(predicted.right.mean()),
        "bins": [asdict(one) for one in bins],
        "scaling": asdict(run.calibration) if run.calibration else None,
    }


def _data(run: RunFiles) -> dict[str, Any]:
    data = run.plan.data
    return {
        "root": data.root,
        "fingerprint": data.fingerprint,
        "classes": list(data.classes),
        "counts": data.counts,
        "decisions": list(data.decisions),
        "findings": [asdict(finding) for finding in run.data_findings],
        "left_out": data.left_out,
    }


def finite(value: Any) -> Any:
    """Plain values with None for every number that isn't finite, as strict JSON wants it."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(name): finite(one) for name, one in value.items()}
    return [finite(one) for one in value] if isinstance(value, (list, tuple)) else value
