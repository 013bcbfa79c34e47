"""Learning rates held against the usual ones."""

from __future__ import annotations

import numpy as np

from unfreeze.diagnosis.evidence import Evidence, PhaseCurves
from unfreeze.recipe.network import HEAD
from unfreeze.recipe.plan import Phase

# The rates with which networks are usually fine-tuned: AdamW's here (docs/decisions/0004-defaults.md), SGD's ten times that.
HEAD_RATE, UNFROZEN_RATE = 3e-3, 5e-4
SGD_FACTOR = 10.0
REDUCTION = 10.0


def usual_rate(phase: Phase) -> float:
    """The usual rate of such a phase."""
    rate = HEAD_RATE if phase.boundary == HEAD else UNFROZEN_RATE
    return rate * (SGD_FACTOR if phase.optimizer.name == "sgd" else 1.0)


def lowered(phase: Phase) -> dict[str, float]:
    """The remedy that lowers a phase's rate: to a tenth, and at least to the usual rate."""
    settings = "head_only" if phase.boundary == HEAD else "unfrozen"
    return {f"{settings}.rate": rounded(min(phase.rate / REDUCTION, usual_rate(phase)))}


def times_below_usual(evidence: Evidence, phase: PhaseCurves) -> float:
    """How many times less than usual the phase's rate is; 0 where that isn't known."""
    planned = evidence.planned(phase)
    return usual_rate(planned) / planned.rate if planned is not None else 0.0


def highest_rate(evidence: Evidence, phase: PhaseCurves) -> float | None:
    """The phase's rate as planned, or the highest on its curve; None where neither is known."""
    planned = evidence.planned(phase)
    if planned is not None:
        return planned.rate
    highest = float(np.nanmax(phase.rate)) if np.isfinite(phase.rate).any() else 0.0
    return highest if highest > 0 else None  # tables round small rates to 0


def rounded(value: float) -> float:
    """A rate as a recipe would have it, in three digits; fixed decimals would make 0, which is no rate, of small ones."""
    return float(f"{value:.3g}")
