"""Head trained too short: stages were unfrozen while the head was still far from done."""

from __future__ import annotations

import numpy as np

from unfreeze.diagnosis.curves import accuracy_error, level
from unfreeze.diagnosis.evidence import Evidence
from unfreeze.diagnosis.finding import Finding, cannot_tell
from unfreeze.diagnosis.rates import rounded, times_below_usual, usual_rate
from unfreeze.diagnosis.stopped_too_early import falling, longer
from unfreeze.diagnosis.unfreezing_did_harm import split_at_unfreezing

CODE = "head-trained-too-short"
# The head's validation loss still fell by this part of itself an epoch when the first stage was unfrozen …
FALL = 0.10
# or, after few epochs, it had won less than this part of what the whole training won over a guess …
WON, FEW_EPOCHS = 0.5, 2
# … and its accuracy was this far, and this many standard errors, below the best of the whole training.
BEHIND = 0.05
NOISE_FACTOR = 2.0
USUAL_EPOCHS = 5
# With a rate so many times less than usual more epochs alone don't help.
BELOW_USUAL = 10.0
THRESHOLDS: dict[str, float] = {
    "fall": FALL,
    "won": WON,
    "few_epochs": FEW_EPOCHS,
    "behind": BEHIND,
    "standard_errors": NOISE_FACTOR,
    "below_usual": BELOW_USUAL,
}


def head_trained_too_short(evidence: Evidence) -> Finding:
    """Whether the head was still learning fast when the first stage was unfrozen.

    Gradients through a head that knows little harm the pretrained stages (Kumar et al. 2022).
    """
    before, after = split_at_unfreezing(evidence)
    if not before or not after:
        return Finding(CODE, "not found", "note", "no stage was unfrozen after a phase of the head alone", {}, THRESHOLDS)
    if not evidence.known("val_accuracy", "val_loss", "train_loss"):
        return cannot_tell(CODE, "there is no validation to tell by", THRESHOLDS)
    head, epoch = before[-1], int(before[-1].epochs[-1])
    fall, accuracy = falling(head), level(head.val_accuracy, 1)
    best = max(float(np.nanmax(phase.val_accuracy)) for phase in evidence.phases)
    error = accuracy_error(best, evidence.val_pictures)
    measured = {"fall": fall, "behind": best - accuracy, "standard_error": error, "epochs": float(len(head))}
    count = f"{len(head)} epoch{'s' if len(head) > 1 else ''}"
    seen = f"after {count} of the head validation accuracy was {accuracy:.1%} and its loss fell by {max(fall, 0):.0%} an epoch"
    guess = 1 / len(evidence.classes) if evidence.classes else 0.0
    few, noise = len(head) <= FEW_EPOCHS, NOISE_FACTOR * error
    untrained = (
        few and bool(evidence.classes) and accuracy - guess < NOISE_FACTOR * accuracy_error(guess, evidence.val_pictures)
    )
    unready = (fall >= FALL or (few and accuracy - guess < WON * (best - guess))) and best - accuracy >= max(BEHIND, noise)
    if not untrained and not unready:
        return Finding(CODE, "not found", "note", f"{seen}: it was ready", measured, THRESHOLDS, epoch)
    explanation = f"{seen}; later it was {best:.1%}: what the head passed down to the unfrozen stages was still noise"
    remedy = longer(evidence, head, max(USUAL_EPOCHS, 3 * len(head)))
    planned = evidence.planned(head)
    if planned is not None and times_below_usual(evidence, head) >= BELOW_USUAL:
        remedy["head_only.rate"] = rounded(usual_rate(planned))
    return Finding(CODE, "found", "warning", explanation, measured, THRESHOLDS, epoch, remedy)
