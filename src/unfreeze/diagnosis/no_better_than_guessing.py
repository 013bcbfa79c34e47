"""No better than guessing: the model names no more right than giving every picture the most frequent class."""

from __future__ import annotations

import numpy as np

from unfreeze.diagnosis.curves import accuracy_error
from unfreeze.diagnosis.evidence import Evidence
from unfreeze.diagnosis.finding import Finding, Severity, cannot_tell
from unfreeze.diagnosis.one_class_for_all import PART
from unfreeze.diagnosis.stopped_too_early import stopped_too_early
from unfreeze.diagnosis.underfitting import frozen_at_random

CODE = "no-better-than-guessing"
# Within so many standard errors of a guess's mean recall, or fewer than this part of what a guess leaves is won.
NOISE_FACTOR = 2.0
GAIN = 0.05
# Noise larger than this part of what a guess leaves says nothing.
NOISE = 0.25
THRESHOLDS: dict[str, float] = {"standard_errors": NOISE_FACTOR, "gain": GAIN, "noise": NOISE}


def no_better_than_guessing(evidence: Evidence) -> Finding:
    """Whether the kept model's mean recall is that of a guess, 1 / K, though it doesn't always give the same answer.

    Not its accuracy, which with unequal classes is high for a model that always says the same; that is another finding.
    """
    if evidence.predicted is None or len(evidence.classes) < 2:
        return cannot_tell(CODE, "what the model says of each validation picture isn't known", THRESHOLDS)
    labels, right = evidence.predicted.labels, evidence.predicted.right
    present = [k for k in range(len(evidence.classes)) if (labels == k).any()]
    recalls = [float(right[labels == k].mean()) for k in present]
    recall, guess = float(np.mean(recalls)), 1 / len(present)
    errors = [accuracy_error(guess, int((labels == k).sum())) for k in present]
    error = float(np.sqrt(np.mean(np.square(errors)) / len(present)))
    measured = {"mean_recall": recall, "guess": guess, "standard_error": error}
    seen = f"the mean recall of {len(present)} classes is {recall:.1%}; a guess has {guess:.1%}"
    answers = np.bincount(evidence.predicted.classes)
    if (
        answers.max() >= PART * answers.sum()
        or len(present) < 2
        or recall - guess > max(NOISE_FACTOR * error, GAIN * (1 - guess))
    ):
        return Finding(CODE, "not found", "note", seen, measured, THRESHOLDS)
    if NOISE_FACTOR * error > NOISE * (1 - guess):
        return cannot_tell(CODE, f"{seen}, of too few pictures to say more", THRESHOLDS)
    if evidence.phases and stopped_too_early(evidence).severity == "warning":
        return cannot_tell(CODE, f"{seen}, but it was still learning when it ended", THRESHOLDS)
    explanation = (
        f"{seen}: nothing was learned that holds for other pictures. Do the labels belong to the pictures (a shifted column, a"
        " shuffled list)?"
    )
    severity: Severity = "note" if frozen_at_random(evidence) else "error"  # underfitting says why
    remedy = {"data.inspect": "full"}
    return Finding(CODE, "found", severity, explanation, measured, THRESHOLDS, evidence.best_epoch, remedy)
