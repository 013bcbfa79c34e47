"""What a diagnosis says: one finding per question, answered found, not found, or could not tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from unfreeze.recipe.network import HEAD
from unfreeze.training.history import EpochRecord

Outcome = Literal["found", "not found", "could not tell"]


@dataclass(frozen=True)
class Finding:
    """An answer about a run.

    Attributes:
        code: stable, for scripts.
        outcome: whether it was found.
        severity: how much it matters where it was found.
        explanation: what was seen, in words, with the numbers.
        measured: the numbers measured; `thresholds` those they were compared with.
        epoch: the place on the curve, where there is one.
        remedy: changes to the recipe, dotted name -> value; empty where nothing need be done.
    """

    code: str
    outcome: Outcome
    severity: Literal["note", "warning"]
    explanation: str
    measured: dict[str, float] = field(default_factory=dict)
    thresholds: dict[str, float] = field(default_factory=dict)
    epoch: int | None = None
    remedy: dict[str, Any] = field(default_factory=dict)


def last_phase(history: Sequence[EpochRecord]) -> list[EpochRecord]:
    """The epochs of the phase that ran last."""
    return [record for record in history if record.phase == history[-1].phase]


def settings_of(record: EpochRecord) -> str:
    """The section of the recipe that says how the epoch's phase trains."""
    return "head_only" if record.boundary == HEAD else "unfrozen"


def mean(values: Sequence[float]) -> float:
    """The arithmetic mean of at least one value."""
    return sum(values) / len(values)


def validation_noise(record: EpochRecord) -> float:
    """The standard error of a validation accuracy: √(p (1 - p) / n), p kept off 0 and 1 by one picture."""
    pictures = sum(sum(row) for row in record.confusion)
    part = min(max(record.val_accuracy, 1 / (pictures + 1)), pictures / (pictures + 1))
    return float((part * (1 - part) / pictures) ** 0.5)
