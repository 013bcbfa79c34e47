"""Stopped too early: validation was still getting better when the training ended."""

from __future__ import annotations

from typing import Any

import numpy as np

from unfreeze.diagnosis.curves import level, trend
from unfreeze.diagnosis.evidence import Evidence, PhaseCurves
from unfreeze.diagnosis.finding import Finding, Severity, cannot_tell
from unfreeze.training.loop import NO_BETTER

CODE = "stopped-too-early"
# Validation loss still fell by this part of itself an epoch: worth going on; by the second: much is left.
FALL, GREAT_FALL = 0.03, 0.06
# An end this far above the lowest validation loss is no place to go on from.
ABOVE_LOWEST = 0.05
# Over so many last epochs. Of fewer the noise isn't known.
EPOCHS = 4
# A validation accuracy above this has little left to learn.
LEARNED = 0.95
# After one epoch: its training loss, the mean over the epoch, is so many times the validation loss after it.
STEEP = 1.4
THRESHOLDS: dict[str, float] = {
    "fall": FALL,
    "great_fall": GREAT_FALL,
    "epochs": EPOCHS,
    "steep": STEEP,
    "learned": LEARNED,
    "above_lowest": ABOVE_LOWEST,
}


def stopped_too_early(evidence: Evidence) -> Finding:
    """Whether both losses were still falling clearly at the end of the last phase."""
    if not evidence.known("train_loss", "val_loss"):
        return cannot_tell(CODE, "there is no loss of both training and validation", THRESHOLDS)
    last = evidence.last
    lowest = min(float(np.nanmin(phase.val_loss)) for phase in evidence.phases)
    fall = falling(last) if last.val_loss[-1] <= (1 + ABOVE_LOWEST) * lowest else 0.0
    epoch, measured = int(last.epochs[-1]), {"fall": fall}
    if fall < FALL:
        explanation = f"validation loss fell by {max(fall, 0):.1%} an epoch at the end: little is left to gain by going on"
        return Finding(CODE, "not found", "note", explanation, measured, THRESHOLDS, epoch)
    explanation = f"validation loss still fell by {fall:.1%} an epoch when '{last.name}' ended: it had more to learn"
    remedy = longer(evidence, last, max(3 * len(last), 5))
    much_left = fall >= GREAT_FALL and not level(last.val_accuracy, 1) >= LEARNED
    severity: Severity = "warning" if much_left else "note"
    return Finding(CODE, "found", severity, explanation, measured, THRESHOLDS, epoch, remedy)


def longer(evidence: Evidence, phase: PhaseCurves, epochs: int) -> dict[str, Any]:
    """The remedy that trains a phase longer; where early stopping ended it before its last epoch, with more patience.

    None where a budget is set: what it has cut short, no setting of the phase makes longer.
    """
    planned = evidence.planned(phase)
    if evidence.plan is not None and evidence.plan.budget is not None:
        return {}
    if planned is None:
        return {f"{phase.settings}.epochs": epochs}
    if phase.ending.startswith(NO_BETTER) and planned.stopping.patience_epochs is not None:
        return {f"{phase.settings}.stopping.patience_epochs": 2 * planned.stopping.patience_epochs}
    return {f"{phase.settings}.epochs": max(epochs, planned.epochs)}


def falling(phase: PhaseCurves) -> float:
    """The part of itself by which validation loss falls an epoch at the end of a phase; 0 where that isn't clear.

    After a single epoch it is judged by that epoch's training loss.
    """
    validation, train = phase.val_loss[-EPOCHS:], phase.train_loss[-EPOCHS:]
    if len(phase) == 1:
        steep = float(train[0] / validation[0]) if validation[0] > 0 else 0.0
        return 1 - 1 / steep if steep >= STEEP else 0.0
    if not np.isfinite(validation).all() or not np.isfinite(train).all():
        return 0.0
    if validation[-1] >= validation[-2] or train[-1] >= train[-2]:
        return 0.0
    if len(validation) < EPOCHS:
        return float(1 - validation[-1] / validation[-2])
    slope = trend(validation)
    # One bad epoch makes a steep slope: the last epochs alone have to say so, too.
    lately = float(validation[-3] - validation[-1]) / 2
    return float(min(-slope.slope, lately) / validation[-1]) if slope.high < 0 else 0.0
