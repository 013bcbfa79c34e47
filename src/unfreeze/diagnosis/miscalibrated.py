"""Miscalibrated: the probabilities aren't those with which the model is right."""

from __future__ import annotations

from typing import Any

from unfreeze.diagnosis.curves import accuracy_error
from unfreeze.diagnosis.evidence import Evidence
from unfreeze.diagnosis.finding import Finding, Severity, cannot_tell
from unfreeze.training.calibration import expected_calibration_error, expected_error_by_chance, reliability

CODE = "miscalibrated"
# The calibration error (Naeini et al. 2015, 15 bins) above what well calibrated probabilities would have by chance.
ERROR = 0.05
# Or mean confidence and accuracy differ by this much, and by so many standard errors: of few pictures that says more.
APART, GREAT_APART = 0.05, 0.10
NOISE_FACTOR = 2.0
PICTURES = 50
THRESHOLDS: dict[str, float] = {
    "error_above_chance": ERROR,
    "apart": APART,
    "great_apart": GREAT_APART,
    "standard_errors": NOISE_FACTOR,
    "pictures": PICTURES,
}


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
    apart, noise = abs(confidence - accuracy), accuracy_error(confidence, len(predicted.labels))
    measured |= {"apart": apart, "standard_error": noise}
    by_bins = error - by_chance >= ERROR and error > at_most
    if not by_bins and not (apart >= APART and apart > NOISE_FACTOR * noise):
        return Finding(CODE, "not found", "note", seen, measured, THRESHOLDS)
    way = "surer than it is right" if confidence > accuracy else "right more often than it is sure"
    severity: Severity = "warning" if apart >= GREAT_APART else "note"
    explanation = f"{seen}: the model is {way}; don't read its probabilities as such"
    return Finding(CODE, "found", severity, explanation, measured, THRESHOLDS, evidence.best_epoch, _remedy(evidence))


def _remedy(evidence: Evidence) -> dict[str, Any]:
    return {"calibrate": True} if evidence.plan is not None and not evidence.plan.calibrate else {}
