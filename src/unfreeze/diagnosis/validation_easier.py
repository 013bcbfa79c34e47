"""Validation easier than training: the network does better on pictures that it wasn't trained on."""

from __future__ import annotations

from typing import Any

from unfreeze.diagnosis.curves import accuracy_error, level
from unfreeze.diagnosis.evidence import Evidence
from unfreeze.diagnosis.finding import Finding, Severity, cannot_tell

CODE = "validation-easier"
# By so much, and so many standard errors, validation accuracy is above that of training.
GAP = 0.10
NOISE_FACTOR = 2.0
# Dropout and crops beyond these make training pictures much harder than the pictures are.
DROPOUT, CROP = 0.5, 0.3
USUAL_DROPOUT, USUAL_CROP = 0.3, 0.5
THRESHOLDS: dict[str, float] = {"gap": GAP, "standard_errors": NOISE_FACTOR}


def validation_easier(evidence: Evidence) -> Finding:
    """Whether validation accuracy is far above training accuracy, and whether augmentation and dropout are why.

    They are where the model does as well on training pictures without both. Where it doesn't, validation pictures really are
    easier: copies of training pictures, or chosen otherwise.
    """
    if not evidence.known("train_accuracy", "val_accuracy"):
        return cannot_tell(CODE, "there is no accuracy of both training and validation", THRESHOLDS)
    last = evidence.last
    train, validation = level(last.train_accuracy), level(last.val_accuracy)
    gap, error = validation - train, accuracy_error(validation, evidence.val_pictures)
    measured = {"train_accuracy": train, "val_accuracy": validation, "gap": gap, "val_standard_error": error}
    seen = f"validation accuracy {validation:.1%}, training accuracy {train:.1%}"
    epoch = int(last.epochs[-1])
    if gap < GAP or gap <= NOISE_FACTOR * error:
        return Finding(CODE, "not found", "note", seen, measured, THRESHOLDS, epoch)
    remedy, changes = _remedy(evidence), "mixing, augmentation" if _mixes(evidence) else "augmentation"
    severity: Severity = "warning" if remedy else "note"  # harder than usual, or as hard as usual
    if evidence.sample_accuracy is None:
        explanation = f"{seen}: {changes} and dropout make training harder, or validation pictures are easier or known"
        return Finding(CODE, "found", severity, explanation, measured, THRESHOLDS, epoch, remedy)
    measured["plain_train_accuracy"] = evidence.sample_accuracy
    if evidence.sample_accuracy >= validation - NOISE_FACTOR * error:
        explanation = f"{seen}, but {evidence.sample_accuracy:.1%} without {changes} and dropout: those make training harder"
        return Finding(CODE, "found", severity, explanation, measured, THRESHOLDS, epoch, remedy)
    explanation = (
        f"{seen}, and {evidence.sample_accuracy:.1%} without {changes} and dropout: validation pictures are easier than"
        " those trained on. Were they chosen in another way?"
    )
    return Finding(CODE, "found", "warning", explanation, measured, THRESHOLDS, epoch)


def _mixes(evidence: Evidence) -> bool:
    """Whether training pictures were mixed, which makes them harder than any other change."""
    return evidence.plan is not None and bool(evidence.plan.augment.mixup or evidence.plan.augment.cutmix)


def _remedy(evidence: Evidence) -> dict[str, Any]:
    """Less of what is beyond the usual."""
    if evidence.plan is None:
        return {}
    remedy: dict[str, Any] = {}
    if evidence.plan.head.dropout > DROPOUT:
        remedy["head.dropout"] = USUAL_DROPOUT
    if evidence.plan.augment.crop_min_area < CROP:
        remedy["augment.crop_min_area"] = USUAL_CROP
    return remedy
