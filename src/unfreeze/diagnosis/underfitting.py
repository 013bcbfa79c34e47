"""Underfitting: accuracy is low on training and validation pictures alike, and no longer rises."""

from __future__ import annotations

from collections.abc import Sequence

from unfreeze.diagnosis.finding import Finding, last_phase, mean, settings_of
from unfreeze.diagnosis.overfitting import GAP
from unfreeze.recipe.network import STEM
from unfreeze.training.history import EpochRecord

CODE = "underfitting"
# Training accuracy below this is low.
LOW = 0.80
# A rise of training accuracy smaller than this per epoch is flat.
FLAT_PER_EPOCH = 0.005
# Fewer epochs than this in the last phase show no trend.
LEAST_EPOCHS = 4


def underfitting(history: Sequence[EpochRecord]) -> Finding:
    """Whether both accuracies are low and flat at the end of the last phase.

    A last phase that ended below an earlier one isn't underfitting: it undid what had been learned.
    """
    last = last_phase(history)
    before = max((record.val_accuracy for record in history if record.phase != last[0].phase), default=0.0)
    half = max(1, len(last) // 2)
    early, late = last[-2 * half : -half] or last[:1], last[-half:]
    train, validation = mean([record.train_accuracy for record in late]), mean([record.val_accuracy for record in late])
    rise = (train - mean([record.train_accuracy for record in early])) / half
    low = train < LOW and train - validation < GAP
    trend_known = len(last) >= LEAST_EPOCHS
    seen = f"training accuracy {train:.1%}, validation accuracy {validation:.1%}, rising {rise:.2%} an epoch"
    outcome, explanation = "not found", f"{seen}: what can be learned is being learned"
    undone = low and before - validation > GAP
    if undone:
        outcome, explanation = "could not tell", f"{seen}, below the {before:.1%} before this phase, which undid it"
    elif low and not trend_known:
        outcome, explanation = "could not tell", f"{seen}: low, but {len(last)} epochs show no trend"
    elif low and rise < FLAT_PER_EPOCH:
        outcome, explanation = "found", f"{seen}: low and flat. Train more of the network, or at a higher rate."
    elif low:
        outcome, explanation = "could not tell", f"{seen}: low, but still rising: train longer"
    return Finding(
        code=CODE,
        outcome=outcome,  # type: ignore[arg-type]
        severity="warning",
        explanation=explanation,
        measured={"train_accuracy": train, "val_accuracy": validation, "rise_per_epoch": rise},
        thresholds={"low": LOW, "flat_per_epoch": FLAT_PER_EPOCH, "gap": GAP},
        epoch=last[-1].epoch,
        remedy=_lower_rate(last) if undone else _remedy(outcome, low, last),
    )


def _lower_rate(last: list[EpochRecord]) -> dict[str, object]:
    return {f"{settings_of(last[-1])}.rate": _readable(max(record.rate for record in last) / 10)}


def _remedy(outcome: str, low: bool, last: list[EpochRecord]) -> dict[str, object]:
    settings = settings_of(last[-1])
    if outcome == "found" and last[-1].boundary != STEM:
        return {"strategy": "fine-tune-top" if settings == "head_only" else "full"}
    if outcome == "found":
        return {f"{settings}.rate": _readable(3 * max(record.rate for record in last))}
    return {f"{settings}.epochs": 2 * len(last)} if low else {}


def _readable(rate: float) -> float:
    """Three digits of it; a fixed number of decimals would make 0, which is no rate, of the small rates a schedule ends on."""
    return float(f"{rate:.3g}")
