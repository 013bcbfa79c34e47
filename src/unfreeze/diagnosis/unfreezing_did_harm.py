"""Unfreezing did harm: validation was better before stages of the base were trained, and never came back."""

from __future__ import annotations

from typing import Any

import numpy as np

from unfreeze.diagnosis.curves import accuracy_error
from unfreeze.diagnosis.evidence import Evidence, PhaseCurves
from unfreeze.diagnosis.finding import Finding, Severity, cannot_tell
from unfreeze.diagnosis.rates import lowered

CODE = "unfreezing-did-harm"
# By how much the best accuracy after unfreezing is below the best before it, and in standard errors of validation.
DROP = 0.02
NOISE_FACTOR = 1.0
# Or by which part the lowest validation loss after it is above the lowest before, and by which part of a guess's loss, ln K.
LOSS_RISE, GUESSES = 0.10, 0.05
# And training accuracy fell by this much with the first epoch after it: else the training pictures were learned by heart.
SETBACK = 0.08
THRESHOLDS: dict[str, float] = {
    "drop": DROP,
    "standard_errors": NOISE_FACTOR,
    "loss_rise": LOSS_RISE,
    "guesses": GUESSES,
    "setback": SETBACK,
}


def unfreezing_did_harm(evidence: Evidence) -> Finding:
    """Whether the best of the phases that train stages of the base is clearly below the best of the head alone."""
    before, after = split_at_unfreezing(evidence)
    if not before or not after:
        return Finding(CODE, "not found", "note", "no stage was unfrozen after a phase of the head alone", {}, THRESHOLDS)
    if not evidence.known("val_accuracy", "val_loss", "train_accuracy"):
        return cannot_tell(CODE, "the curves don't have all that it takes to tell", THRESHOLDS)
    (first, first_loss), (second, second_loss) = _best(before), _best(after)
    error = accuracy_error(first, evidence.val_pictures)
    setback = float(before[-1].train_accuracy[-1] - after[0].train_accuracy[0])
    measured = {
        "before": first, "after": second, "loss_before": first_loss, "loss_after": second_loss, "standard_error": error,
        "setback": setback,
    }  # fmt: skip
    seen = (
        f"best validation accuracy {first:.1%} before unfreezing and {second:.1%} after, lowest loss {first_loss:.3f} and"
        f" {second_loss:.3f}"
    )
    epoch = int(after[0].epochs[0])
    lower = first - second >= max(DROP, NOISE_FACTOR * error)
    least_rise = max(LOSS_RISE * first_loss, GUESSES * (evidence.guess_loss or 0.0))
    dearer = second_loss - first_loss >= least_rise and second <= first
    if (not lower and not dearer) or not setback >= SETBACK:
        return Finding(CODE, "not found", "note", seen, measured, THRESHOLDS, epoch)
    undid = f"{seen}: training stages of the base undid more than it gave."
    explanation = f"{undid} The weights from before are the ones to keep."
    severity: Severity = "warning"
    if evidence.is_search and evidence.best_phase.head_only:
        severity, explanation = "note", f"{undid} The weights from before were kept. At a lower rate it may give something."
    return Finding(CODE, "found", severity, explanation, measured, THRESHOLDS, epoch, _remedy(evidence, after))


def split_at_unfreezing(evidence: Evidence) -> tuple[list[PhaseCurves], list[PhaseCurves]]:
    """The phases of the head alone, and those after them; both empty where that isn't known."""
    known = [phase for phase in evidence.phases if phase.boundary is not None]
    return [phase for phase in known if phase.head_only], [phase for phase in known if not phase.head_only]


def _best(phases: list[PhaseCurves]) -> tuple[float, float]:
    """The best accuracy and the lowest loss of some phases."""
    accuracy = max(float(np.nanmax(phase.val_accuracy)) for phase in phases)
    return accuracy, min(float(np.nanmin(phase.val_loss)) for phase in phases)


def _remedy(evidence: Evidence, after: list[PhaseCurves]) -> dict[str, Any]:
    planned = evidence.planned(after[0])
    return dict(lowered(planned)) if planned is not None else {}
