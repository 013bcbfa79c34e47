"""Miscalibrated: the probabilities aren't those with which the model is right."""

from __future__ import annotations

from typing import Any

import numpy as np

from unfreeze.diagnosis.evidence import Evidence
from unfreeze.diagnosis.finding import Finding, Severity, cannot_tell
from unfreeze.training.calibration import expected_calibration_error, expected_error_by_chance, reliability

CODE = "miscalibrated"
# The calibration error (Naeini et al. 2015, 15 bins) above what well calibrated probabilities would have by chance.
ERROR = 0.05
PICTURES = 50
THRESHOLDS: dict[str, float] = {"error_above_chance": ERROR, "pictures": PICTURES}


def miscalibrated(evidence: Evidence) -> Finding:
    """Whether confidence and accuracy of the validation pictures differ by more than chance explains."""
    predicted = evidence.predicted
    if predicted is None or len(predicted.labels) < PICTURES:
        return cannot_tell(CODE, "there are no probabilities of enough validation pictures", THRESHOLDS)
    error = expected_calibration_error(reliability(predicted.confidences, predicted.right))
    by_chance, at_most = expected_error_by_chance(predicted.confidences)
    measured = {"calibration_error": error, "by_chance": by_chance, "by_chance_at_most": at_most}
    confidence, accuracy = float(predicted.confidences.mean()), float(predicted.right.mean())
    seen = (
        f"mean confidence {confidence:.1%}, accuracy {accuracy:.1%}, calibration error {error:.3f} (by chance {by_chance:.3f})"
    )
    if error - by_chance < ERROR or error <= at_most:
        return Finding(CODE, "not found", "note", seen, measured, THRESHOLDS)
    way = "surer than it is right" if confidence > accuracy else "right more often than it is sure"
    severity: Severity = "note" if np.abs(confidence - accuracy) < 2 * ERROR else "warning"
    explanation = f"{seen}: the model is {way}; don't read its probabilities as such"
    return Finding(CODE, "found", severity, explanation, measured, THRESHOLDS, evidence.best_epoch, _remedy(evidence))


def _remedy(evidence: Evidence) -> dict[str, Any]:
    return {"calibrate": True} if evidence.plan is not None and not evidence.plan.calibrate else {}
