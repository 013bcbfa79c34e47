"""Confused classes: two classes are taken for each other."""

from __future__ import annotations

import numpy as np

from unfreeze.diagnosis.evidence import Evidence
from unfreeze.diagnosis.finding import Finding, Severity, cannot_tell
from unfreeze.training.scores import accuracy_interval, count_confusion

CODE = "confused-classes"
# This part of the pictures of both is given the other's name, at least (the lower end of the 95 % interval) …
PART = 0.15
# … and it is so many times what the other pairs of classes lose to each other.
TIMES = 3.0
# Each way at least this part: else one class swallows the other, which is another finding.
EACH_WAY = 0.10
# Of the pictures that are named as one of the two, this part is given the wrong one where a coin decides.
COIN = 0.5
THRESHOLDS: dict[str, float] = {"part": PART, "times": TIMES, "each_way": EACH_WAY, "coin": COIN}


def confused_classes(evidence: Evidence) -> Finding:
    """Whether two classes of the validation pictures are taken for each other much more than others are."""
    predicted, count = evidence.predicted, len(evidence.classes)
    if predicted is None:
        return cannot_tell(CODE, "what the model says of each validation picture isn't known", THRESHOLDS)
    if count < 3:
        return Finding(CODE, "not found", "note", "of two classes each can only be taken for the other", {}, THRESHOLDS)
    confusion = count_confusion(predicted.labels, predicted.classes, count)
    of_class = confusion.sum(axis=1)
    rates = (confusion + confusion.T) / np.maximum(1, of_class[:, None] + of_class)
    firsts, seconds = np.triu_indices(count, 1)
    place = int(rates[firsts, seconds].argmax())
    a, b = int(firsts[place]), int(seconds[place])
    rate, usual = float(rates[a, b]), float(np.median(rates[firsts, seconds]))
    lost, pictures = int(confusion[a, b] + confusion[b, a]), int(confusion[[a, b]].sum())
    least, _ = accuracy_interval(lost, pictures) if pictures else (0.0, 1.0)
    each_way = min(confusion[one, other] / max(1, confusion[one].sum()) for one, other in ((a, b), (b, a)))
    measured = {"rate": rate, "at_least": least, "usual": usual, "each_way": float(each_way)}
    seen = f"{lost} of {pictures} pictures of '{evidence.classes[a]}' and '{evidence.classes[b]}' are taken for the other"
    if least < PART or rate < TIMES * usual or each_way < EACH_WAY:
        return Finding(CODE, "not found", "note", f"at most, {seen}", measured, THRESHOLDS)
    explanation = (
        f"{seen}: the two look alike at this size, their labels are mixed up, or they are one class. Look at those pictures."
    )
    _, coin = accuracy_interval(lost, lost + int(confusion[a, a] + confusion[b, b]))
    severity: Severity = "warning" if coin >= COIN else "note"
    remedy = {"data.inspect": "full"}
    return Finding(CODE, "found", severity, explanation, measured, THRESHOLDS, evidence.best_epoch, remedy)
