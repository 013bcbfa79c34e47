"""Unequal classes, and classes without pictures or with too few to learn or to be judged on."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from unfreeze.data.dataset import Dataset
from unfreeze.inspection.finding import DataFinding, listed

CODES = ("one-class", "empty-class", "imbalance", "few-to-learn", "few-to-validate")
# Largest over smallest class. Below the first nobody need care; Buda, Maki & Mazurowski 2018 find the effect of ratios of ten
# and more on CNNs, and it grows from there.
NOTED_RATIO, WARNED_RATIO = 3.0, 10.0
# A split leaves one of so few out by accident; few-shot methods, not fine-tuning, are for them.
FEW_TO_LEARN = 10
# The recall of a class is then known to 20 points at best: each picture is one of five.
FEW_TO_VALIDATE = 5


def find_in_classes(dataset: Dataset) -> list[DataFinding]:
    """What is found in the counts of each class, of the training pictures where there are splits."""
    counts = dataset.counts()
    trained = counts.get("train", counts.get("all", {}))
    found = [_one_class(dataset.classes), _empty(dataset.empty_classes), _imbalance(trained)]
    found.append(_too_few("few-to-learn", "train" if dataset.splits else "all", trained, FEW_TO_LEARN))
    for split in ("validation", "test"):
        if split in counts:
            found.append(_too_few("few-to-validate", split, counts[split], FEW_TO_VALIDATE))
    return [finding for finding in found if finding is not None]


def effective_classes(counts: Mapping[str, int]) -> float:
    """How many equal classes would be as varied: e to the entropy of the counts (Hill 1973, order 1); 0 without pictures."""
    total = sum(counts.values())
    parts = [count / total for count in counts.values() if count]
    return math.exp(-sum(part * math.log(part) for part in parts)) if parts else 0.0


def _one_class(classes: Sequence[str]) -> DataFinding | None:
    if len(classes) > 1:
        return None
    return DataFinding(
        code="one-class",
        severity="error",
        explanation=f"one class only ('{classes[0]}'): there is nothing to tell apart",
        advice="Add the folder of another class, for example one of pictures that are none of it.",
    )


def _empty(classes: Sequence[str]) -> DataFinding | None:
    if not classes:
        return None
    return DataFinding(
        code="empty-class",
        severity="error",
        explanation=f"no readable picture of {listed([repr(name) for name in classes])}: a model won't know of it",
        details=dict.fromkeys(classes, "no readable picture"),
        measured={"classes": float(len(classes))},
        advice="Fill the folder, or take it away.",
    )


def _imbalance(counts: Mapping[str, int]) -> DataFinding | None:
    present = {label: count for label, count in counts.items() if count}
    if len(present) < 2:
        return None
    most, least = max(present, key=present.__getitem__), min(present, key=present.__getitem__)
    ratio = present[most] / present[least]
    if ratio < NOTED_RATIO:
        return None
    total, largest = sum(present.values()), present[most]
    weights = {label: total / (len(present) * count) for label, count in present.items()}
    effective = effective_classes(present)
    return DataFinding(
        code="imbalance",
        severity="warning" if ratio >= WARNED_RATIO else "note",
        explanation=(
            f"'{most}' has {ratio:.1f} times the training pictures of '{least}' ({largest} and {present[least]}); the"
            f" {len(present)} classes are as varied as {effective:.1f} equal ones. Balanced class weights would count a picture"
            f" of '{least}' {weights[least]:.2f} times and one of '{most}' {weights[most]:.2f} times; oversampling would show"
            f" {largest * len(present)} pictures an epoch instead of {total}, each of '{least}' about {ratio:.0f} times."
        ),
        measured={"ratio": ratio, "effective_classes": effective},
        thresholds={"noted_ratio": NOTED_RATIO, "warned_ratio": WARNED_RATIO},
        advice=(
            "Look at balanced accuracy and at the recall of each class, not at accuracy alone. Class weights raise the recall"
            " of rare classes and cost a little of that of common ones."
        ),
        remedy={"imbalance.class_weights": "balanced"} if ratio >= WARNED_RATIO else {},
    )


def _too_few(code: str, split: str, counts: Mapping[str, int], enough: int) -> DataFinding | None:
    small = {label: count for label, count in counts.items() if 0 < count < enough}
    if not small:
        return None
    what = "judge the class by" if code == "few-to-validate" else "learn from"
    named = [f"'{label}' ({count})" for label, count in small.items()]
    where = "" if split == "all" else f" in {split}"
    return DataFinding(
        code=code,
        severity="warning",
        explanation=f"fewer than {enough} pictures{where} of {listed(named)}: too few to {what}",
        details={label: f"{count}{where}" for label, count in small.items()},
        measured={"smallest": float(min(small.values())), "classes": float(len(small))},
        thresholds={"enough": float(enough)},
        advice="Add pictures of these classes, join them with another class, or leave them out with data.classes.",
    )
