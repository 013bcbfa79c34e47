"""Exploding gradients: single steps so large that they undo what was learned."""

from __future__ import annotations

import numpy as np

from unfreeze.diagnosis.evidence import Evidence
from unfreeze.diagnosis.finding import Finding, Severity, cannot_tell

CODE = "exploding-gradients"
# A gradient's norm above this explodes: with these losses that of a healthy training is 0.1 to 50.
NORM = 1000.0
THRESHOLDS: dict[str, float] = {"gradient_norm": NORM}


def exploding_gradients(evidence: Evidence) -> Finding:
    """Whether a gradient of the training loss was far too large. A note where it was scaled down before the step."""
    phases = [phase for phase in evidence.phases if np.isfinite(phase.gradient_norm).any()]
    if not phases:
        return cannot_tell(CODE, "the gradients' norms aren't known", THRESHOLDS)
    phase = max(phases, key=lambda one: float(np.nanmax(one.gradient_norm)))
    norm, epoch = float(np.nanmax(phase.gradient_norm)), int(phase.epochs[int(np.nanargmax(phase.gradient_norm))])
    measured, seen = {"gradient_norm": norm}, f"the largest gradient's norm was {norm:.3g}, in '{phase.name}'"
    if norm < NORM:
        return Finding(CODE, "not found", "note", seen, measured, THRESHOLDS, epoch)
    planned = evidence.planned(phase)
    clipped = planned is not None and planned.optimizer.clip_norm is not None
    severity: Severity = "note" if clipped else "warning"
    what = "it was scaled down before the step" if clipped else "such a step undoes what was learned, or ends in NaN"
    remedy = {f"{phase.settings}.optimizer.clip_norm": 1.0} if planned is not None and not clipped else {}
    return Finding(CODE, "found", severity, f"{seen}: {what}", measured, THRESHOLDS, epoch, remedy)
