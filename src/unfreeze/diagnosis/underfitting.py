"""Underfitting: accuracy is low on training and validation pictures alike, and no longer rises."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from unfreeze.diagnosis.curves import EPOCHS, level
from unfreeze.diagnosis.evidence import Evidence, PhaseCurves
from unfreeze.diagnosis.finding import Finding, cannot_tell
from unfreeze.diagnosis.overfitting import GAP, knows_little
from unfreeze.diagnosis.rates import highest_rate, rounded
from unfreeze.diagnosis.stopped_too_early import longer
from unfreeze.recipe.network import STEM

CODE = "underfitting"
# Accuracies below this are low.
LOW = 0.80
# A training accuracy below this is so low that a gap to validation says nothing.
VERY_LOW = 0.60
# A rise of training accuracy by less than this an epoch is flat, and so is a fall of its loss by less than this part of it.
FLAT_PER_EPOCH, FLAT_LOSS_PER_EPOCH = 0.01, 0.02
# Fewer epochs than this in the last phase show no trend.
LEAST_EPOCHS = 4
# Dropout above this leaves too little to learn with.
DROPOUT, USUAL_DROPOUT = 0.6, 0.3
# Where everything trains already, the remedy's rate is so many times as high.
RAISE = 3.0
THRESHOLDS: dict[str, float] = {
    "low": LOW,
    "very_low": VERY_LOW,
    "flat_per_epoch": FLAT_PER_EPOCH,
    "flat_loss_per_epoch": FLAT_LOSS_PER_EPOCH,
    "gap": GAP,
    "epochs": LEAST_EPOCHS,
}


def underfitting(evidence: Evidence) -> Finding:
    """Whether both accuracies are low and flat at the end of the last phase."""
    if not evidence.known("train_accuracy", "val_accuracy"):
        return cannot_tell(CODE, "there is no accuracy of both training and validation", THRESHOLDS)
    last = evidence.last
    train, validation = level(last.train_accuracy), level(last.val_accuracy)
    rise, fall = _rise(last), _fall(last)
    measured = {"train_accuracy": train, "val_accuracy": validation, "rise_per_epoch": rise}
    if math.isfinite(fall):
        measured["loss_fall_per_epoch"] = fall
    epoch = int(last.epochs[-1])
    seen = f"training accuracy {train:.1%}, validation accuracy {validation:.1%}, rising {rise:.2%} an epoch"
    by_heart = train - validation >= GAP and train >= VERY_LOW and not knows_little(evidence, last, len(last) - 1)
    if max(train, validation) >= LOW or by_heart:
        return Finding(CODE, "not found", "note", f"{seen}: what can be learned is being learned", measured, THRESHOLDS, epoch)
    if len(last) < LEAST_EPOCHS:
        explanation = f"{seen}: low, but {len(last)} epochs show no trend"
        return Finding(
            CODE, "could not tell", "note", explanation, measured, THRESHOLDS, epoch, longer(evidence, last, 2 * len(last))
        )
    if frozen_at_random(evidence):
        explanation = f"{seen}: low, because the frozen base has random weights, which tell the head little of a picture"
        remedy: dict[str, Any] = {"weights": "pretrained"}
        return Finding(CODE, "found", "warning", explanation, measured, THRESHOLDS, epoch, remedy)
    if rise >= FLAT_PER_EPOCH and fall >= FLAT_LOSS_PER_EPOCH:
        explanation = f"{seen}: low, but still rising: train longer"
        return Finding(
            CODE, "could not tell", "note", explanation, measured, THRESHOLDS, epoch, longer(evidence, last, 2 * len(last))
        )
    explanation = f"{seen}: low and flat. Train more of the network, regularise less, or give it more of the picture to see."
    return Finding(CODE, "found", "warning", explanation, measured, THRESHOLDS, epoch, _remedy(evidence, last))


def frozen_at_random(evidence: Evidence) -> bool:
    """Whether a base that wasn't pretrained stayed frozen, as a whole or in part, to the end."""
    return evidence.plan is not None and not evidence.plan.network.pretrained and evidence.last.boundary != STEM


def _rise(phase: PhaseCurves) -> float:
    """By the epoch, over the second half of the phase."""
    known = phase.train_accuracy[np.isfinite(phase.train_accuracy)]
    tail = known[-max(EPOCHS, len(known) // 2) :]
    return float((level(tail, 2) - tail[:2].mean()) / max(1, len(tail) - 2)) if len(tail) > 1 else 0.0


def _fall(phase: PhaseCurves) -> float:
    """Of the training loss by the epoch, as a part of it, over the last epochs; infinite, to decide nothing, where unknown."""
    tail = phase.train_loss[-EPOCHS:]
    if len(tail) < 2 or not np.isfinite(tail).all() or tail[0] <= 0:
        return math.inf
    return float((1 - tail[-1] / tail[0]) / (len(tail) - 1))


def _remedy(evidence: Evidence, phase: PhaseCurves) -> dict[str, Any]:
    remedy: dict[str, Any] = {}
    if evidence.plan is not None and evidence.plan.head.dropout > DROPOUT:
        remedy["head.dropout"] = USUAL_DROPOUT
    if phase.boundary is not None and phase.boundary != STEM:
        if evidence.is_search:
            return remedy  # it has tried to train more
        remedy["strategy"] = "fine-tune-top" if phase.head_only else "full"
    elif (rate := highest_rate(evidence, phase)) is not None:
        remedy[f"{phase.settings}.rate"] = rounded(RAISE * rate)
    return remedy
