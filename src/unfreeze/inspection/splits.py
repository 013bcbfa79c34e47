"""Splits that can't be compared: a class missing from one, other proportions, or too few pictures to tell models apart."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from unfreeze.data.dataset import Dataset
from unfreeze.inspection.finding import DataFinding

# Two models that far apart should be told apart, at the accuracy that a fine-tuned network may be expected to have.
POINTS, EXPECTED_ACCURACY = 0.05, 0.9
_Z = 1.959963984540054  # 95 %
# Proportions differ where chance hardly makes it so and where it matters: Cramér's V of 0.1 is a small effect (Cohen 1988).
P_VALUE, CRAMERS_V = 0.001, 0.1


def find_in_splits(dataset: Dataset) -> list[DataFinding]:
    """What is found between the splits; nothing where there are none."""
    counts = {split: of_class for split, of_class in dataset.counts().items() if split != "all"}
    if len(counts) < 2:
        return []
    found = [_missing(counts), _different(counts), _too_small(counts)]
    return [finding for finding in found if finding is not None]


def pictures_needed(points: float = POINTS, accuracy: float = EXPECTED_ACCURACY) -> int:
    """How many pictures tell an accuracy to within `points` either way, 19 times of 20: z² p (1 - p) / d²."""
    return math.ceil(_Z**2 * accuracy * (1 - accuracy) / points**2)


def _missing(counts: Mapping[str, Mapping[str, int]]) -> DataFinding | None:
    missing = {
        label: split for split, of_class in counts.items() for label, count in of_class.items() if not count
    }  # the last split that lacks it
    if not missing:
        return None
    untrained = any(not count for count in counts.get("train", {}).values())
    return DataFinding(
        code="class-missing-from-split",
        severity="error" if untrained else "warning",
        explanation="; ".join(f"no picture of '{label}' in {split}" for label, split in missing.items()),
        details={label: f"missing from {split}" for label, split in missing.items()},
        measured={"classes": float(len(missing))},
        advice="Move some pictures of these classes over, or leave the classes out with data.classes.",
    )


def _different(counts: Mapping[str, Mapping[str, int]]) -> DataFinding | None:
    from scipy.stats import chi2_contingency  # late: it takes longer to import than most of what runs before it

    table = np.array([list(of_class.values()) for of_class in counts.values()])
    table = table[:, table.sum(axis=0) > 0]
    if min(table.shape) < 2:
        return None
    statistic, p_value, _, _ = chi2_contingency(table)
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
