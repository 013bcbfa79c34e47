"""What a diagnosis says: one finding per question, answered found, not found, or could not tell."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Outcome = Literal["found", "not found", "could not tell"]
Severity = Literal["note", "warning", "error"]


@dataclass(frozen=True)
class Finding:
    """An answer about a run.

    Attributes:
        code: stable, for scripts.
        outcome: whether it was found.
        severity: how much it matters where it was found: `error` where the model is of no use, `warning` where it could be
            much better or its scores mislead, `note` else.
        explanation: what was seen, in words, with the numbers.
        measured: the numbers measured; `thresholds` those they were compared with.
        epoch: the place on the curve, where there is one.
        remedy: changes to the recipe, dotted name -> value; empty where nothing need be done.
    """

    code: str
    outcome: Outcome
    severity: Severity
    explanation: str
    measured: dict[str, float] = field(default_factory=dict)
    thresholds: dict[str, float] = field(default_factory=dict)
    epoch: int | None = None
    remedy: dict[str, Any] = field(default_factory=dict)

    @property
    def is_found(self) -> bool:
        return self.outcome == "found"


def cannot_tell(code: str, why: str, thresholds: dict[str, float] | None = None) -> Finding:
    """The answer where what it takes to answer isn't known."""
    return Finding(code, "could not tell", "note", why, thresholds=thresholds or {})
