"""All findings about a history."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from unfreeze.diagnosis.finding import Finding
from unfreeze.diagnosis.overfitting import overfitting
from unfreeze.diagnosis.trained_too_long import trained_too_long
from unfreeze.diagnosis.underfitting import underfitting
from unfreeze.training.history import EpochRecord

CHECKS: tuple[Callable[[Sequence[EpochRecord]], Finding], ...] = (overfitting, underfitting, trained_too_long)


def diagnose(history: Sequence[EpochRecord]) -> list[Finding]:
    """One finding per check, those found first; none for a history without epochs."""
    if not history:
        return []
    order = {"found": 0, "could not tell": 1, "not found": 2}
    return sorted((check(history) for check in CHECKS), key=lambda finding: order[finding.outcome])
