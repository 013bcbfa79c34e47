"""What trackers are told, by the same names in all of them.

rate, phase, gradient_norm                         by epoch; the norm where the backend measured it
train/loss, train/accuracy                         by epoch, on the pictures as trained on, with augmentation and dropout
train/pictures_per_second                          by epoch
validation/loss, accuracy, balanced_accuracy, macro_f1    by epoch, of the model after it
best/epoch, best/loss, best/accuracy, …            at the end: the validation scores of the weights that the model has
test/loss, test/accuracy, …                        at the end, made once
…/accuracy_low, …/accuracy_high                    of both: the accuracy's 95 % interval
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from unfreeze.diagnosis.finding import Finding
from unfreeze.recipe.plan import Phase, Plan
from unfreeze.recipe.read import flatten
from unfreeze.trackers.tracker import Result
from unfreeze.training.history import EpochRecord
from unfreeze.training.scores import Scores

Parameter = str | int | float | bool

# Long, or about the machine, or said shorter below.
_NOT_PARAMETERS = {
    *("network", "data", "phases", "cache", "memory", "environment", "remarks"),
    *("class_weights", "logit_offsets", "repeats", "loader_threads"),
}
# The columns of a table of runs.
SHOWN = ("best/epoch", "best/accuracy", "best/macro_f1", "test/accuracy", "test/balanced_accuracy", "test/macro_f1")
_OF_A_PHASE = {"name", "boundary", "epochs", "rate", "batchnorm", "trainable_parameters"}


def parameters(plan: Plan) -> dict[str, Parameter]:
    """The plan's main values by dotted name; phases are numbered from 1."""
    values: dict[str, Any] = {
        "framework": plan.network.framework,
        "network": plan.network.name,
        "weights": plan.network.weights,
        **plan.model_dump(mode="json", exclude=_NOT_PARAMETERS),
        "side_px": plan.network.contract.side_px,
        "weighted_classes": plan.class_weights is not None,
        "logit_adjusted": plan.logit_offsets is not None,
        "data": {
            "root": plan.data.root,
            "fingerprint": plan.data.fingerprint,
            "classes": len(plan.data.classes),
            **{split: sum(counts.values()) for split, counts in plan.data.counts.items()},
        },
        "phases": {str(number): _of_phase(phase) for number, phase in enumerate(plan.phases, start=1)},
        "unfreeze": plan.environment.get("unfreeze"),
    }
    return {name: _parameter(value) for name, value in flatten(values)}


def epoch_numbers(record: EpochRecord) -> dict[str, float]:
    """The numbers of one epoch."""
    numbers = {
        "rate": record.rate,
        "phase": float(record.phase),
        "train/loss": record.train_loss,
        "train/accuracy": record.train_accuracy,
        "train/pictures_per_second": record.pictures_per_second,
        "validation/loss": record.val_loss,
        "validation/accuracy": record.val_accuracy,
        "validation/balanced_accuracy": record.val_balanced_accuracy,
        "validation/macro_f1": record.val_macro_f1,
    }
    return numbers if record.gradient_norm is None else numbers | {"gradient_norm": record.gradient_norm}


def final_numbers(result: Result) -> dict[str, float]:
    """The numbers of the weights that the model has in the end."""
    numbers = {} if result.best_epoch is None else {"best/epoch": float(result.best_epoch)}
    for split, scores in result.scores.items():
        numbers |= _of_scores("best" if split == "validation" else split, scores)
    return numbers


def phase_in_words(number: int, phase: Phase) -> str:
    """One line."""
    words = f"phase {number}: {phase.name}, training from {phase.boundary}, {phase.epochs} epochs at most, rate {phase.rate:g}"
    return decodable(words)


def endings_in_words(endings: Sequence[str]) -> str:
    """One line per phase."""
    return decodable("\n".join(f"phase {number} ended: {ending}" for number, ending in enumerate(endings, start=1)))


def found(findings: Sequence[Finding]) -> dict[str, str]:
    """Code -> explanation, with the place on the curve and the remedy, of what was found."""
    return {finding.code: _in_words(finding) for finding in findings if finding.outcome == "found"}


def decodable(text: str) -> str:
    """Text with escapes for what isn't UTF-8: a folder's name on Linux needn't be, and no tracker takes it."""
    return text.encode("utf-8", "backslashreplace").decode()


def _in_words(finding: Finding) -> str:
    place = "" if finding.epoch is None else f" (epoch {finding.epoch})"
    remedy = ", ".join(f"{name}: {value}" for name, value in finding.remedy.items())
    return decodable(f"{finding.severity}: {finding.explanation}{place}{f' Try {remedy}.' if remedy else ''}")


def _of_phase(phase: Phase) -> dict[str, Any]:
    values: dict[str, Any] = phase.model_dump(mode="json", include=_OF_A_PHASE)
    return values | {
        "optimizer": phase.optimizer.name,
        "weight_decay": phase.optimizer.weight_decay,
        "l2": phase.optimizer.l2,
        "schedule": phase.schedule.name,
        **({"lowest_rate_factor": min(phase.rate_factors.values())} if phase.rate_factors else {}),
    }


def _of_scores(prefix: str, scores: Scores) -> dict[str, float]:
    values = {
        "loss": scores.loss,
        "accuracy": scores.accuracy,
        "accuracy_low": scores.interval[0],
        "accuracy_high": scores.interval[1],
        "balanced_accuracy": scores.balanced_accuracy,
        "macro_f1": scores.macro_f1,
    }
    return {f"{prefix}/{name}": value for name, value in values.items()}


def _parameter(value: Any) -> Parameter:
    if isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, list):
        return decodable(", ".join(map(str, value)) or "none")
    return "none" if value is None else decodable(str(value))
