"""No better than frozen: training stages of the base gave nothing that the head alone hadn't."""

from __future__ import annotations

from typing import Any

import numpy as np

from unfreeze.diagnosis.curves import accuracy_error
from unfreeze.diagnosis.evidence import Evidence
from unfreeze.diagnosis.finding import Finding, cannot_tell
from unfreeze.diagnosis.rates import rounded, times_below_usual, usual_rate
from unfreeze.diagnosis.unfreezing_did_harm import split_at_unfreezing

CODE = "no-better-than-frozen"
# What unfreezing must win in accuracy, or as a part of the validation loss.
GAIN, LOSS_GAIN = 0.005, 0.03
# With a rate so many times less than usual nothing could be won.
BELOW_USUAL = 30.0
THRESHOLDS: dict[str, float] = {"gain": GAIN, "loss_gain": LOSS_GAIN, "below_usual": BELOW_USUAL}


def no_better_than_frozen(evidence: Evidence) -> Finding:
    """Whether the best after unfreezing is as good as the best of the head on the frozen base, which is a probe of it.

    A note: the model is as good as the probe, it only took longer to make. A warning where the rate left it no chance.
    """
    before, after = split_at_unfreezing(evidence)
    if not before or not after:
        return Finding(CODE, "not found", "note", "no stage was unfrozen after a phase of the head alone", {}, THRESHOLDS)
    if not evidence.known("val_accuracy", "val_loss"):
        return cannot_tell(CODE, "there is no validation to tell by", THRESHOLDS)
    first, second = (max(float(np.nanmax(phase.val_accuracy)) for phase in phases) for phases in (before, after))
    first_loss, second_loss = (min(float(np.nanmin(phase.val_loss)) for phase in phases) for phases in (before, after))
    gain, loss_gain = second - first, 1 - second_loss / first_loss if first_loss > 0 else 0.0
    error = accuracy_error(first, evidence.val_pictures)
    measured = {"frozen": first, "unfrozen": second, "gain": gain, "loss_gain": loss_gain, "standard_error": error}
    seen = f"best validation accuracy {first:.1%} with the base frozen, {second:.1%} after unfreezing"
    if gain > GAIN or loss_gain > LOSS_GAIN:
        return Finding(CODE, "not found", "note", seen, measured, THRESHOLDS)
    epoch, planned = int(after[0].epochs[0]), evidence.planned(after[0])
    below = times_below_usual(evidence, after[0])
    if planned is not None and below >= BELOW_USUAL:
        measured["below_usual"] = below
        explanation = f"{seen}: at rate {planned.rate:.3g}, {below:.0f} times less than usual, unfrozen stages hardly move"
        remedy: dict[str, Any] = {"unfrozen.rate": rounded(usual_rate(planned))}
        return Finding(CODE, "found", "warning", explanation, measured, THRESHOLDS, epoch, remedy)
    explanation = f"{seen}: unfreezing gave nothing. The frozen base is good enough, and quicker to train on."
    # A search has trained the head alone already, and kept what was better.
    remedy = {"strategy": "feature-extraction"} if planned is not None and not evidence.is_search else {}
    return Finding(CODE, "found", "note", explanation, measured, THRESHOLDS, epoch, remedy)
