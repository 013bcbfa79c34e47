"""Splits that can't be compared: a class missing from one, other proportions, too few pictures, a group torn apart."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping

import numpy as np

from unfreeze.data.dataset import Dataset
from unfreeze.inspection.finding import DataFinding, listed

CODES = ("empty-split", "class-missing-from-split", "splits-differ", "too-few-to-compare", "group-leakage")
# Two models that far apart should be told apart, at the accuracy that a fine-tuned network may be expected to have.
POINTS, EXPECTED_ACCURACY = 0.05, 0.9
_Z = 1.959963984540054  # 95 %
# Proportions differ where chance hardly makes it so and where it matters: Cramér's V of 0.1 is a small effect (Cohen 1988).
P_VALUE, CRAMERS_V = 0.001, 0.1


def find_in_splits(dataset: Dataset) -> list[DataFinding]:
    """What is found between the splits; nothing where there are none."""
    counts = {split: of_class for split, of_class in dataset.counts().items() if split != "all"}
    found = [_empty([split for split in dataset.given_splits if split not in counts])]
    if len(counts) > 1:
        found += [_missing(counts), _different(counts), _too_small(counts), _torn_groups(dataset)]
    return [finding for finding in found if finding is not None]


def pictures_needed(points: float = POINTS, accuracy: float = EXPECTED_ACCURACY) -> int:
    """How many pictures tell an accuracy to within `points` either way, 19 times of 20: z² p (1 - p) / d²."""
    return math.ceil(_Z**2 * accuracy * (1 - accuracy) / points**2)


def _empty(splits: list[str]) -> DataFinding | None:
    if not splits:
        return None
    return DataFinding(
        code="empty-split",
        severity="error",
        explanation=f"no readable picture in {' and '.join(splits)}",
        details=dict.fromkeys(splits, "no readable picture"),
        measured={"splits": float(len(splits))},
        advice="Fill it. Without validation pictures a training takes some of those to train on; without test pictures it has"
        " no test score.",
    )


def _missing(counts: Mapping[str, Mapping[str, int]]) -> DataFinding | None:
    lacking: dict[str, list[str]] = defaultdict(list)
    for split, of_class in counts.items():
        for label, count in of_class.items():
            lacking[label] += [] if count else [split]
    missing = {label: " and ".join(splits) for label, splits in lacking.items() if splits}
    if not missing:
        return None
    untrained = any(not count for count in counts.get("train", {}).values())
    return DataFinding(
        code="class-missing-from-split",
        severity="error" if untrained else "warning",
        explanation=listed([f"no picture of '{label}' in {split}" for label, split in missing.items()], "; "),
        details={label: f"missing from {split}" for label, split in missing.items()},
        measured={"classes": float(len(missing))},
        advice="Move some pictures of these classes over, or leave the classes out with data.classes.",
    )


def _different(counts: Mapping[str, Mapping[str, int]]) -> DataFinding | None:
    from scipy.stats import chi2_contingency  # late: it takes longer to import than to count

    table = np.array([list(of_class.values()) for of_class in counts.values()])
    table = table[:, table.sum(axis=0) > 0]
    if min(table.shape) < 2:
        return None
    statistic, p_value, _, _ = chi2_contingency(table, correction=False)
    cramers_v = math.sqrt(statistic / (table.sum() * (min(table.shape) - 1)))
    if p_value >= P_VALUE or cramers_v < CRAMERS_V:
        return None
    parts = table / table.sum(axis=1, keepdims=True)
    labels = [label for label in next(iter(counts.values())) if any(of_class[label] for of_class in counts.values())]
    widest = int(np.ptp(parts, axis=0).argmax())
    shares = ", ".join(f"{part[widest]:.1%} of {split}" for split, part in zip(counts, parts, strict=True))
    return DataFinding(
        code="splits-differ",
        severity="warning",
        explanation=(
            f"the classes have other proportions in {', '.join(counts)} (Cramér's V {cramers_v:.2f}); most of all"
            f" '{labels[widest]}': {shares}. Accuracies of one split then say little about another."
        ),
        measured={"cramers_v": cramers_v, "p_value": float(p_value)},
        thresholds={"cramers_v": CRAMERS_V, "p_value": P_VALUE},
        advice="Compare recalls by class instead of accuracies, or let unfreeze split the pictures: it keeps the proportions.",
    )


def _too_small(counts: Mapping[str, Mapping[str, int]]) -> DataFinding | None:
    needed = pictures_needed()
    small = {split: sum(counts[split].values()) for split in ("validation", "test") if split in counts}
    small = {split: pictures for split, pictures in small.items() if pictures < needed}
    if not small:
        return None
    told = {split: _Z * math.sqrt(EXPECTED_ACCURACY * (1 - EXPECTED_ACCURACY) / pictures) for split, pictures in small.items()}
    return DataFinding(
        code="too-few-to-compare",
        severity="note",
        explanation="; ".join(
            f"{pictures} {split} pictures tell an accuracy of {EXPECTED_ACCURACY:.0%} to ±{100 * told[split]:.0f} points"
            for split, pictures in small.items()
        )
        + f". For ±{100 * POINTS:.0f} points {needed} are needed ({pictures_needed(accuracy=0.5)} at an accuracy of 50 %).",
        measured={f"{split}_pictures": float(pictures) for split, pictures in small.items()},
        thresholds={"pictures": float(needed)},
        advice="Set more pictures aside, or take differences of fewer points for chance.",
    )


def _torn_groups(dataset: Dataset) -> DataFinding | None:
    members: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for record in dataset.records:
        if record.group is not None:
            members[record.group][record.split or ""].append(record.name)
    torn = {group: splits for group, splits in members.items() if len(splits) > 1}
    if not torn:
        return None
    first, splits = next(iter(torn.items()))
    where = " and ".join(f"{len(names)} in {split}" for split, names in splits.items())
    return DataFinding(
        code="group-leakage",
        severity="error",
        explanation=(
            f"{len(torn)} of {len(members)} groups are in more than one split (group '{first}': {where} …): what was learned of"
            " a group is scored on the same group, so scores are too good"
        ),
        groups=tuple(tuple(name for names in splits.values() for name in names) for splits in torn.values()),
        details={
            name: f"group '{group}', {split}"
            for group, splits in torn.items()
            for split, names in splits.items()
            for name in names
        },
        measured={"groups": float(len(torn))},
        advice="Keep each group in one split, or give the folder unsplit: automatic splits keep groups together.",
    )
