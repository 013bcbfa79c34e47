"""Rate too low: the training loss falls all the time and gets nowhere."""

from __future__ import annotations

import numpy as np

from unfreeze.diagnosis.curves import level
from unfreeze.diagnosis.evidence import Evidence, PhaseCurves, Values
from unfreeze.diagnosis.finding import Finding, cannot_tell
from unfreeze.diagnosis.rates import highest_rate, rounded, times_below_usual, usual_rate
from unfreeze.diagnosis.unfreezing_did_harm import split_at_unfreezing

CODE = "rate-too-low"
# The training loss lost less than this part of itself over the phase; than the second where nothing is known of the rate …
PROGRESS, PROGRESS_UNPLANNED = 0.35, 0.15
# … falling from epoch to epoch in at least this part of them …
FALLING = 0.75
# … and in its second half by at least this part of the first half's fall, by the rate: a straight line, not a curve that bends.
STRAIGHT = 0.5
# … and by less than this part of itself an epoch: with more it was only stopped too early.
AN_EPOCH = 0.05
EPOCHS, LEAST_EPOCHS = 4, 3
# Training accuracy above this has learned enough, whatever the loss does.
LEARNED = 0.90
# So many times less than the usual rate is no rate.
FACTOR = 100.0
# A straight line is the doing of a rate so many times less; at the usual rate there is little to be learned.
LESS = 5.0
THRESHOLDS: dict[str, float] = {
    "progress": PROGRESS,
    "progress_unplanned": PROGRESS_UNPLANNED,
    "falling": FALLING,
    "straight": STRAIGHT,
    "an_epoch": AN_EPOCH,
    "learned": LEARNED,
    "below_usual": FACTOR,
    "less": LESS,
    "epochs": EPOCHS,
    "least_epochs": LEAST_EPOCHS,
}


def rate_too_low(evidence: Evidence) -> Finding:
    """Whether a phase's training loss falls in a straight line and hardly at all, or its rate is next to nothing."""
    if not evidence.known("train_loss"):
        return cannot_tell(CODE, "there is no training loss", THRESHOLDS)
    for phase in _from_nothing(evidence):
        measured = _measure(phase)
        below = times_below_usual(evidence, phase)
        least = PROGRESS if evidence.plan is not None else PROGRESS_UNPLANNED
        slow = len(phase) >= EPOCHS and measured["progress"] < min(least, AN_EPOCH * len(phase))
        slow = slow and measured["falling"] >= FALLING
        straight = slow and measured["straight"] >= STRAIGHT and (below >= LESS or evidence.plan is None)
        hardly_moves = len(phase) >= LEAST_EPOCHS and below >= FACTOR and measured["progress"] < PROGRESS
        if not level(phase.train_accuracy) >= LEARNED and (straight or hardly_moves):
            return _found(evidence, phase, measured | {"below_usual": below}, straight)
    if len(evidence.last) < LEAST_EPOCHS and not level(evidence.last.train_accuracy) >= LEARNED:
        return cannot_tell(CODE, f"{len(evidence.last)} epochs of '{evidence.last.name}' show no trend", THRESHOLDS)
    measured = _measure(evidence.last)
    explanation = f"the training loss fell by {measured['progress']:.0%} in '{evidence.last.name}'"
    return Finding(CODE, "not found", "note", explanation, measured, THRESHOLDS)


def _from_nothing(evidence: Evidence) -> list[PhaseCurves]:
    """The phases that have all to learn. After a phase of the head, one that gets nowhere is `no-better-than-frozen`."""
    before, after = split_at_unfreezing(evidence)
    return before if before and after else list(evidence.phases)


def _found(evidence: Evidence, phase: PhaseCurves, measured: dict[str, float], straight: bool) -> Finding:
    rate, planned = highest_rate(evidence, phase), evidence.planned(phase)
    at = f" at rate {rate:.3g}" if rate is not None else ""
    how = "in a straight line, with no end in sight" if straight else "hardly at all"
    fell = f"the training loss fell from {phase.train_loss[0]:.3g} to {level(phase.train_loss):.3g}"
    explanation = f"in '{phase.name}'{at} {fell}, {how}"
    remedy = {f"{phase.settings}.rate": rounded(usual_rate(planned))} if planned is not None else {}
    return Finding(CODE, "found", "warning", explanation, measured, THRESHOLDS, int(phase.epochs[-1]), remedy)


def _measure(phase: PhaseCurves) -> dict[str, float]:
    loss = phase.train_loss
    if len(loss) < 2:
        return {"progress": 0.0, "falling": 0.0, "straight": 0.0}
    return {
        "progress": float((loss[0] - loss[-1]) / loss[0]) if loss[0] > 0 else 0.0,
        "falling": float((np.diff(loss) < 0).mean()),
        "straight": _straightness(loss, phase.rate),
    }


def _straightness(loss: Values, rate: Values) -> float:
    """The fall by the rate in the second half, as a part of that in the first; 1 is a straight line.

    By the rate, because under a schedule that ends near 0 every loss flattens.
    """
    falls = -np.diff(loss)
    rates = rate[1:] if np.isfinite(rate).all() and rate[1:].sum() > 0 else np.ones(len(falls))
    half = len(falls) // 2
    if not half or not rates[:half].sum() or not rates[half:].sum():
        return 0.0
    first, second = (falls[part].sum() / rates[part].sum() for part in (slice(0, half), slice(half, None)))
    return float(second / first) if first > 0 else 0.0
