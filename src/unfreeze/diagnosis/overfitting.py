"""Overfitting: the network knows its training pictures much better than others."""

from __future__ import annotations

from typing import Any

import numpy as np

from unfreeze.diagnosis.curves import accuracy_error, level, level_at, trend
from unfreeze.diagnosis.evidence import Evidence, PhaseCurves
from unfreeze.diagnosis.finding import Finding, Severity, cannot_tell
from unfreeze.recipe.network import STEM

CODE = "overfitting"
# The gap between training and validation accuracy that counts, the one that counts much, and how many standard errors of
# validation it must exceed.
GAP, GREAT_GAP = 0.10, 0.15
NOISE_FACTOR = 2.0
# An accuracy below this, or a loss above this part of a guess's, ln K, is not knowing by heart.
KNOWN = 0.60
KNOWN_LOSS = 0.50
# Where only losses are known: validation's is so many times that of training, and doesn't fall over so many epochs.
LOSS_TIMES, GREAT_LOSS_TIMES, EPOCHS_OF_TREND, LEAST_EPOCHS = 2.0, 4.0, 5, 3
# A shift by other frequencies of the classes that is worth a word.
SHIFT = 0.005
DROPOUT, CROP, ROTATION = 0.5, 0.5, 10.0
# What trains less than a strategy.
_LESS = {"full": "fine-tune-top", "gradual": "fine-tune-top", "fine-tune-top": "feature-extraction"}
THRESHOLDS: dict[str, float] = {
    "gap": GAP,
    "great_gap": GREAT_GAP,
    "standard_errors": NOISE_FACTOR,
    "known": KNOWN,
    "known_loss": KNOWN_LOSS,
    "times": LOSS_TIMES,
    "great_times": GREAT_LOSS_TIMES,
}


def overfitting(evidence: Evidence) -> Finding:
    """Whether training accuracy is far above validation accuracy: at the kept epoch, or at the end of its phase or of the last.

    Training accuracy is measured under augmentation and dropout, which lower it: a gap seen here is really larger.
    """
    if not evidence.known("train_accuracy", "val_accuracy"):
        return _by_loss(evidence)
    phase, place = _worst(evidence)
    train, validation = level_at(phase.train_accuracy, place), level_at(phase.val_accuracy, place)
    epoch = int(phase.epochs[place])
    shift = _of_the_mixture(evidence)
    validation = min(1.0, validation + shift)
    gap, error = train - validation, accuracy_error(validation, evidence.val_pictures)
    measured = {"train_accuracy": train, "val_accuracy": validation, "gap": gap, "val_standard_error": error}
    seen = f"training accuracy {train:.1%}, validation accuracy {validation:.1%}"
    if abs(shift) >= SHIFT:
        measured["mixture"] = shift
        seen += " were its classes as frequent as in training"
    if gap < GAP or train < KNOWN or knows_little(evidence, phase, place):
        return Finding(
            CODE,
            "not found",
            "note",
            f"{seen}: {'close enough' if gap < GAP else 'too little is known by heart'}",
            measured,
            THRESHOLDS,
            epoch,
        )
    if gap <= NOISE_FACTOR * error:
        explanation = f"{seen}, but so few validation pictures that the gap may be chance"
        return Finding(CODE, "could not tell", "note", explanation, measured, THRESHOLDS, epoch)
    explanation = f"{seen}: the network knows its training pictures better than others. Regularise more, or train less of it."
    severity: Severity = "warning" if gap >= GREAT_GAP else "note"
    return Finding(CODE, "found", severity, explanation, measured, THRESHOLDS, epoch, _remedy(evidence, phase))


def _of_the_mixture(evidence: Evidence) -> float:
    """What validation accuracy would gain if its classes were as frequent as in training: where a class is rare in training
    alone, its mistakes are no overfitting."""
    predicted, plan = evidence.predicted, evidence.plan
    if predicted is None or plan is None or plan.oversample or not len(predicted.labels):
        return 0.0
    counts = np.array([evidence.train_counts[name] for name in evidence.classes], np.float64)
    weights = (counts / np.maximum(np.bincount(predicted.labels, minlength=len(counts)), 1))[predicted.labels]
    return float(np.average(predicted.right, weights=weights) - predicted.right.mean()) if weights.any() else 0.0


def knows_little(evidence: Evidence, phase: PhaseCurves, place: int) -> bool:
    """Whether the training loss is still so high that what is known of training pictures can't be known by heart."""
    loss = level_at(phase.train_loss, place)
    return evidence.guess_loss is not None and loss > KNOWN_LOSS * evidence.guess_loss


def _by_loss(evidence: Evidence) -> Finding:
    """The answer for histories without both accuracies: of many tools training has a loss only."""
    if not evidence.known("train_loss", "val_loss"):
        return cannot_tell(CODE, "there is neither accuracy nor loss of both training and validation", THRESHOLDS)
    last = evidence.last
    train, validation, epoch = level(last.train_loss), level(last.val_loss), int(last.epochs[-1])
    if np.isfinite(last.val_loss).sum() < LEAST_EPOCHS:
        return cannot_tell(CODE, f"{len(last)} epochs show no trend", THRESHOLDS)
    times = validation / train if train > 0 else 0.0
    measured = {"train_loss": train, "val_loss": validation, "times": times}
    seen = f"training loss {train:.3g}, validation loss {validation:.3g}"
    if times < LOSS_TIMES or trend(last.val_loss[-EPOCHS_OF_TREND:]).high < 0:
        return Finding(CODE, "not found", "note", f"{seen}: close enough, or still falling", measured, THRESHOLDS, epoch)
    explanation = f"{seen}, and no longer falling: the network knows its training pictures better than others"
    severity: Severity = "warning" if times >= GREAT_LOSS_TIMES else "note"
    return Finding(CODE, "found", severity, explanation, measured, THRESHOLDS, epoch, _remedy(evidence, last))


def _worst(evidence: Evidence) -> tuple[PhaseCurves, int]:
    """Where the two are furthest apart of the places that count: phase and place in it."""
    kept = evidence.best_phase
    places = [(kept, len(kept) - 1), (evidence.last, len(evidence.last) - 1)]
    if evidence.best_epoch in kept.epochs:
        places.append((kept, int(np.flatnonzero(kept.epochs == evidence.best_epoch)[0])))
    return max(places, key=lambda one: level_at(one[0].train_accuracy, one[1]) - level_at(one[0].val_accuracy, one[1]))


def _remedy(evidence: Evidence, phase: PhaseCurves) -> dict[str, Any]:
    """The next thing that isn't done yet: dropout, which costs no epochs; then harder pictures, and the epochs they need; then
    less to train. Where the whole network trains, less at once."""
    if evidence.plan is None:
        return {"head.dropout": DROPOUT}
    less = _less(evidence.plan.strategy) if phase.boundary == STEM else {}
    if evidence.plan.head.dropout < DROPOUT:
        return {"head.dropout": DROPOUT, **less}
    augment = evidence.plan.augment
    if augment.crop_min_area > CROP or augment.rotation_degrees < ROTATION:
        pictures = {
            "augment.crop_min_area": min(CROP, augment.crop_min_area),
            "augment.rotation_degrees": max(ROTATION, augment.rotation_degrees),
        }
        planned = evidence.planned(phase)
        epochs = {f"{phase.settings}.epochs": 2 * planned.epochs} if planned is not None else {}
        return {**pictures, **epochs, **less}
    return _less(evidence.plan.strategy)


def _less(strategy: str) -> dict[str, Any]:
    """Nothing where the head alone trains, and of a search, which has tried less and found more to be better."""
    return {"strategy": _LESS[strategy]} if strategy in _LESS else {}
