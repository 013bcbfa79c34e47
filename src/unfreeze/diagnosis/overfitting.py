"""Overfitting: the network knows its training pictures much better than others."""

from __future__ import annotations

from collections.abc import Sequence

from unfreeze.diagnosis.finding import Finding, last_phase, mean, validation_noise
from unfreeze.training.history import EpochRecord

CODE = "overfitting"
# The gap between training and validation accuracy that counts, and how many standard errors of validation it must exceed.
GAP = 0.10
NOISE_FACTOR = 2.0
# Accuracies are means over this many last epochs, so that one lucky epoch decides nothing.
EPOCHS = 3


def overfitting(history: Sequence[EpochRecord]) -> Finding:
    """Whether training accuracy is far above validation accuracy at the end.

    Training accuracy is measured under augmentation and dropout, which lower it: a gap seen here is really larger.
    """
    last = last_phase(history)[-EPOCHS:]
    train, validation = mean([record.train_accuracy for record in last]), mean([record.val_accuracy for record in last])
    gap, noise = train - validation, validation_noise(last[-1])
    found = gap >= GAP and gap > NOISE_FACTOR * noise
    unclear = gap >= GAP and not found
    seen = f"training accuracy {train:.1%}, validation accuracy {validation:.1%}"
    if found:
        explanation = (
            f"{seen}: the network knows its training pictures better than others. Regularise more, or train less of it."
        )
    elif unclear:
        explanation = f"{seen}, but so few validation pictures that the gap may be chance"
    else:
        explanation = f"{seen}: close enough"
    return Finding(
        code=CODE,
        outcome="found" if found else "could not tell" if unclear else "not found",
        severity="warning",
        explanation=explanation,
        measured={"train_accuracy": train, "val_accuracy": validation, "gap": gap, "val_standard_error": noise},
        thresholds={"gap": GAP, "standard_errors": NOISE_FACTOR},
        epoch=last[-1].epoch,
        remedy={"head.dropout": 0.5, "augment.crop_min_area": 0.2, "augment.rotation_degrees": 15.0} if found else {},
    )
