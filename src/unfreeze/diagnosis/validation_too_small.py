"""Validation too small: the noise of its accuracy is larger than what could be seen in it."""

from __future__ import annotations

from unfreeze.diagnosis.curves import accuracy_error, level
from unfreeze.diagnosis.evidence import Evidence
from unfreeze.diagnosis.finding import Finding, Severity, cannot_tell

CODE = "validation-too-small"
# A standard error above this hides differences of five points; above the second nearly everything.
ERROR, GREAT_ERROR = 0.05, 0.08
# So many pictures a side are needed whatever the accuracy is: with fewer, even an accuracy of 1 says little.
PICTURES = 20
LARGER_FRACTION = 0.3
THRESHOLDS: dict[str, float] = {"standard_error": ERROR, "great_standard_error": GREAT_ERROR, "pictures": PICTURES}


def validation_too_small(evidence: Evidence) -> Finding:
    """Whether there are too few validation pictures for the curves to be judged by."""
    if not evidence.val_pictures or not evidence.known("val_accuracy"):
        return cannot_tell(CODE, "the number of validation pictures isn't known", THRESHOLDS)
    pictures = evidence.val_pictures
    error = accuracy_error(level(evidence.last.val_accuracy), pictures)
    measured = {"standard_error": error, "pictures": float(pictures)}
    seen = f"{pictures} validation pictures: an accuracy is known to ±{2 * error:.1%}"
    if error < ERROR and pictures >= PICTURES:
        return Finding(CODE, "not found", "note", seen, measured, THRESHOLDS)
    severity: Severity = "warning" if error >= GREAT_ERROR or pictures < PICTURES else "note"
    explanation = f"{seen}. Epochs, rates and runs that differ by less can't be told apart: label more pictures."
    remedy = {"data.validation_fraction": LARGER_FRACTION} if _split_by_us(evidence) else {}
    return Finding(CODE, "found", severity, explanation, measured, THRESHOLDS, remedy=remedy)


def _split_by_us(evidence: Evidence) -> bool:
    """Whether validation is a part of our choosing, and a small one."""
    if evidence.plan is None:
        return False
    totals = {split: sum(counts.values()) for split, counts in evidence.plan.data.counts.items()}
    smaller = totals["validation"] < LARGER_FRACTION / 2 * sum(totals.values())
    return smaller and any(decision.startswith("split ") for decision in evidence.plan.data.decisions)
