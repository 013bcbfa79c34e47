"""Trained too long: validation loss turned up while training loss went on falling."""

from __future__ import annotations

import math
from collections.abc import Sequence

from unfreeze.diagnosis.finding import Finding, last_phase, mean, settings_of
from unfreeze.training.history import EpochRecord

CODE = "trained-too-long"
# How far validation loss must end above its lowest, as a part of it.
RISE = 0.10
# For at least so many epochs.
EPOCHS_PAST_BEST = 2


def trained_too_long(history: Sequence[EpochRecord]) -> Finding:
    """Whether the last phase went on after validation loss had turned up.

    A note and no warning: the weights of the best epoch came back, so only time was lost.
    """
    last = last_phase(history)
    # Compared with NaN nothing is lower, so that an epoch whose validation loss is NaN would pass for the lowest.
    scored = [record for record in last if math.isfinite(record.val_loss)]
    lowest = min(scored or last, key=lambda record: record.val_loss)
    past = [record for record in scored if record.epoch > lowest.epoch]
    end = mean([record.val_loss for record in past[-EPOCHS_PAST_BEST:]]) if past else lowest.val_loss
    rise = end / lowest.val_loss - 1 if lowest.val_loss > 0 else 0.0
    still_learning = bool(past) and past[-1].train_loss < lowest.train_loss
    found = len(past) >= EPOCHS_PAST_BEST and rise >= RISE and still_learning
    seen = f"validation loss was lowest in epoch {lowest.epoch} ({lowest.val_loss:.3f}) and ended at {end:.3f}"
    if found:
        explanation = f"{seen} while training loss went on falling. The weights of the best epoch are the ones kept."
    else:
        explanation = f"{seen}: it didn't turn up for long"
    return Finding(
        code=CODE,
        outcome="found" if found else "could not tell" if len(scored) <= EPOCHS_PAST_BEST else "not found",
        severity="note",
        explanation=explanation,
        measured={"lowest_val_loss": lowest.val_loss, "last_val_loss": end, "rise": rise, "epochs_past_best": len(past)},
        thresholds={"rise": RISE, "epochs_past_best": EPOCHS_PAST_BEST},
        epoch=lowest.epoch,
        remedy={f"{settings_of(lowest)}.stopping.patience_epochs": EPOCHS_PAST_BEST} if found else {},
    )
