"""Class never predicted: pictures of it are there, and the model never says its name."""

from __future__ import annotations

from typing import Any

import numpy as np

from unfreeze.diagnosis.evidence import Evidence
from unfreeze.diagnosis.finding import Finding, Outcome, Severity, cannot_tell
from unfreeze.diagnosis.one_class_for_all import made_up_for

CODE = "class-never-predicted"
# Of a class with fewer validation pictures it may be chance.
PICTURES = 3
# A model that names less than this of the other classes right has learned too little of them as well.
LEARNED = 0.60
THRESHOLDS: dict[str, float] = {"pictures": PICTURES, "learned": LEARNED}
_MOST_NAMED = 5


def class_never_predicted(evidence: Evidence) -> Finding:
    """Whether the kept model gives some class to none of the validation pictures."""
    predicted = evidence.predicted
    if predicted is None:
        return cannot_tell(CODE, "what the model says of each validation picture isn't known", THRESHOLDS)
    pictures = np.bincount(predicted.labels, minlength=len(evidence.classes))
    answers = np.bincount(predicted.classes, minlength=len(evidence.classes))
    never = [k for k in range(len(evidence.classes)) if pictures[k] >= PICTURES and answers[k] == 0]
    measured = {"classes": float(len(never)), "pictures": float(pictures[never].sum())}
    if not never:
        rare = [k for k in range(len(evidence.classes)) if 0 < pictures[k] < PICTURES and answers[k] == 0]
        outcome: Outcome = "could not tell" if rare else "not found"
        explanation = f"too few validation pictures of {_named(evidence, rare)}" if rare else "every class is named at times"
        return Finding(CODE, outcome, "note", explanation, measured, THRESHOLDS)
    explanation = f"no picture is named {_named(evidence, never)}, though validation has {int(pictures[never].sum())} of them"
    others = predicted.right[~np.isin(predicted.labels, never)]
    severity: Severity = "warning" if len(others) and others.mean() >= LEARNED else "note"
    return Finding(CODE, "found", severity, explanation, measured, THRESHOLDS, evidence.best_epoch, _remedy(evidence))


def _named(evidence: Evidence, classes: list[int]) -> str:
    more = f" and {len(classes) - _MOST_NAMED} more" if len(classes) > _MOST_NAMED else ""
    return ", ".join(f"'{evidence.classes[k]}'" for k in classes[:_MOST_NAMED]) + more


def _remedy(evidence: Evidence) -> dict[str, Any]:
    return {} if made_up_for(evidence) else {"imbalance.class_weights": "balanced"}
