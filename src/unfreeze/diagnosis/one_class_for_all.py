"""One class for all: the head gives nearly every picture the same class."""

from __future__ import annotations

from typing import Any

import numpy as np

from unfreeze.diagnosis.evidence import Evidence
from unfreeze.diagnosis.finding import Finding, cannot_tell
from unfreeze.diagnosis.rates import lowered

CODE = "one-class-for-all"
# The most frequent answer is given to at least this part of the pictures …
PART = 0.95
# … of which at least this part are of other classes: where fewer are, it is the rare classes that are missing.
OTHERS = 1 / 3
PICTURES = 10
# A class with so many times its share is simply the largest.
MANY = 1.5
THRESHOLDS: dict[str, float] = {"part": PART, "others": OTHERS, "pictures": PICTURES}


def one_class_for_all(evidence: Evidence) -> Finding:
    """Whether the kept model answers one class whatever it sees, though other classes are there: a dead head."""
    predicted = evidence.predicted
    if predicted is None or len(predicted.labels) < PICTURES:
        return cannot_tell(CODE, "what the model says of each validation picture isn't known, or there are few", THRESHOLDS)
    answers = np.bincount(predicted.classes, minlength=len(evidence.classes))
    most = int(answers.argmax())
    part, others = answers[most] / answers.sum(), float((predicted.labels != most).mean())
    measured = {"part": float(part), "others": others}
    seen = f"{part:.0%} of the validation pictures are named '{evidence.classes[most]}', {1 - others:.0%} are"
    if part < PART or others < OTHERS:
        return Finding(CODE, "not found", "note", seen, measured, THRESHOLDS)
    explanation = f"{seen}: the head says the same whatever it sees"
    return Finding(
        CODE, "found", "error", explanation, measured, THRESHOLDS, evidence.best_epoch, _remedy(evidence, 1 - others)
    )


def _remedy(evidence: Evidence, share: float) -> dict[str, Any]:
    """Weights where the class is simply the largest, else a lower rate: after large steps ReLUs may never fire again."""
    if evidence.plan is None:
        return {}
    counts = evidence.train_counts
    if counts and share > MANY / len(counts) and not made_up_for(evidence):
        return {"imbalance.class_weights": "balanced"}
    return dict(lowered(evidence.plan.phases[0]))


def made_up_for(evidence: Evidence) -> bool:
    """Whether the training did something about unequal classes."""
    plan = evidence.plan
    return plan is not None and (plan.class_weights is not None or plan.oversample or plan.logit_offsets is not None)
