"""Not finite: the loss became NaN or infinite."""

from __future__ import annotations

from typing import Any

from unfreeze.diagnosis.evidence import Evidence
from unfreeze.diagnosis.finding import Finding, Severity
from unfreeze.diagnosis.rates import lowered
from unfreeze.recipe.network import HEAD
from unfreeze.training.loop import NOT_FINITE

CODE = "not-finite"


def not_finite(evidence: Evidence) -> Finding:
    """Whether a phase ended because its loss wasn't a number any more."""
    failed = [number for number, ending in enumerate(evidence.endings) if ending == NOT_FINITE]
    if not failed:
        return Finding(CODE, "not found", "note", "every loss was a finite number")
    kept = "the best weights before that are kept" if evidence.phases else "nothing was learned"
    explanation = (
        f"the loss became NaN or infinite in '{_name(evidence, failed[0])}': {kept}. The rate is too high, or numbers overflow."
    )
    severity: Severity = "warning" if evidence.phases else "error"
    before = evidence.phases[: failed[0] + 1]
    epoch = int(before[-1].epochs[-1]) if before else None
    return Finding(CODE, "found", severity, explanation, epoch=epoch, remedy=_remedy(evidence, failed[0]))


def _name(evidence: Evidence, number: int) -> str:
    phases = evidence.plan.phases if evidence.plan is not None else evidence.phases
    return phases[number].name if number < len(phases) else f"phase {number + 1}"


def _remedy(evidence: Evidence, number: int) -> dict[str, Any]:
    if evidence.plan is None or number >= len(evidence.plan.phases):
        return {}
    phase = evidence.plan.phases[number]
    remedy: dict[str, Any] = dict(lowered(phase))
    if phase.optimizer.clip_norm is None:
        settings = "head_only" if phase.boundary == HEAD else "unfrozen"
        remedy[f"{settings}.optimizer.clip_norm"] = 1.0
    return remedy
