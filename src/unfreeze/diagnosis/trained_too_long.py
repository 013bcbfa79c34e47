"""Trained too long: validation loss turned up while training loss went on falling."""

from __future__ import annotations

from typing import Any

import numpy as np

from unfreeze.diagnosis.curves import level, noise
from unfreeze.diagnosis.evidence import Evidence, PhaseCurves, Values
from unfreeze.diagnosis.finding import Finding, Outcome, cannot_tell

CODE = "trained-too-long"
# How far validation loss must end above its lowest, as a part of it, and in standard deviations of an epoch.
RISE = 0.10
NOISE_FACTOR = 3.0
# For at least so many epochs.
EPOCHS_PAST_BEST = 2
# Past its best for so many epochs, and for this part of the phase: a warning.
LONG, GREAT_PART = 8, 0.5
THRESHOLDS: dict[str, float] = {
    "rise": RISE, "standard_deviations": NOISE_FACTOR, "epochs_past_best": EPOCHS_PAST_BEST, "long": LONG, "part": GREAT_PART,
}  # fmt: skip


def trained_too_long(evidence: Evidence) -> Finding:
    """Whether a phase went on after its validation loss had turned up. The phase that went on longest is named."""
    if not evidence.known("train_loss", "val_loss"):
        return cannot_tell(CODE, "there is no loss of both training and validation", THRESHOLDS)
    found = [_in_phase(evidence, phase) for phase in evidence.phases]
    return max(found, key=lambda one: (one.is_found, one.severity == "warning", one.measured["epochs_past_best"]))


def _in_phase(evidence: Evidence, phase: PhaseCurves) -> Finding:
    best = _lowest(phase.val_loss)
    past = phase.val_loss[best + 1 :]
    lowest, end = float(phase.val_loss[best]), level(past) if len(past) else float(phase.val_loss[best])
    rise = end / lowest - 1 if lowest > 0 else 0.0
    measured = {"lowest_val_loss": lowest, "last_val_loss": end, "rise": rise, "epochs_past_best": float(len(past))}
    epoch = int(phase.epochs[best])
    seen = f"validation loss was lowest in epoch {epoch} ({lowest:.3f}) and ended at {end:.3f}"
    clear = rise >= RISE and end - lowest >= NOISE_FACTOR * noise(phase.val_loss)
    still_learning = len(past) > 0 and phase.train_loss[-1] < phase.train_loss[best]
    if len(past) < EPOCHS_PAST_BEST or not clear or not still_learning:
        outcome: Outcome = "could not tell" if np.isfinite(phase.val_loss).sum() <= EPOCHS_PAST_BEST else "not found"
        return Finding(CODE, outcome, "note", f"{seen}: it didn't turn up for long", measured, THRESHOLDS, epoch)
    explanation = f"{seen} while training loss went on falling. The weights of the best epoch are the ones to keep."
    long = len(past) >= LONG and len(past) >= GREAT_PART * len(phase)
    remedy = _remedy(evidence, phase)
    return Finding(CODE, "found", "warning" if long else "note", explanation, measured, THRESHOLDS, epoch, remedy)


def _remedy(evidence: Evidence, phase: PhaseCurves) -> dict[str, Any]:
    # Longer than a phase of noise, shorter than what was lost here.
    patience, planned = max(EPOCHS_PAST_BEST, min(5, len(phase) // 4)), evidence.planned(phase)
    if planned is not None and (planned.stopping.patience_epochs or len(phase)) <= patience:
        return {}
    return {f"{phase.settings}.stopping.patience_epochs": patience}


def _lowest(loss: Values) -> int:
    """The place of the lowest loss. NaN is never the lowest."""
    return int(np.nanargmin(np.where(np.isfinite(loss), loss, np.inf)))
