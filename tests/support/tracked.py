"""A training told to a tracker as the loop would, without the training, and what must be kept of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from support.made_up import epochs, small_plan
from unfreeze.diagnosis.finding import Finding
from unfreeze.trackers.tracker import Result
from unfreeze.training.scores import Scores

PLAN = small_plan()
HISTORY = epochs(
    phase=[1, 1, 2], val_loss=[0.9, 0.8, 0.7], val_accuracy=[0.5, 0.6, 0.7], rate=[3e-3, 1e-3, 5e-4],
    gradient_norm=[None, 2.5, 1.5],
)  # fmt: skip
# By epoch, from 1, as every tracker must have kept them.
EPOCHS = [
    {
        "rate": rate, "phase": phase, "train/loss": 0.5, "train/accuracy": 0.8, "train/pictures_per_second": 140,
        "validation/loss": loss, "validation/accuracy": accuracy, "validation/balanced_accuracy": 0.74,
        "validation/macro_f1": 0.73, **norm,
    }
    for rate, phase, loss, accuracy, norm in [
        (3e-3, 1, 0.9, 0.5, {}), (1e-3, 1, 0.8, 0.6, {"gradient_norm": 2.5}), (5e-4, 2, 0.7, 0.7, {"gradient_norm": 1.5}),
    ]
]  # fmt: skip
FINAL = {
    "best/epoch": 3, "best/loss": 0.7, "best/accuracy": 0.7, "best/accuracy_low": 0.6, "best/accuracy_high": 0.8,
    "best/balanced_accuracy": 0.7, "best/macro_f1": pytest.approx(0.7),
    "test/loss": 0.4, "test/accuracy": 0.9, "test/accuracy_low": 0.8, "test/accuracy_high": 0.95,
    "test/balanced_accuracy": 0.9, "test/macro_f1": pytest.approx(0.9),
}  # fmt: skip
PHASES = [
    "phase 1: head only, training from head, 5 epochs at most, rate 0.003",
    "phase 2: last 2 stages, training from stage2, 10 epochs at most, rate 0.0005",
]
OVERFITS = "warning: It overfits \\udc80. (epoch 2) Try head.dropout: 0.5."
ENDINGS = "phase 1 ended: all epochs done\nphase 2 ended: no better for 5 epochs"
RED = (214, 39, 40)

Told = Callable[..., Path]


def result(folder: Path) -> Result:
    """What the made-up training came to; a class's name in the finding isn't UTF-8."""
    return Result(
        folder=folder,
        scores={
            "validation": Scores(0.7, 0.7, (0.6, 0.8), {}, np.array([[7, 3], [3, 7]])),
            "test": Scores(0.4, 0.9, (0.8, 0.95), {}, np.array([[9, 1], [1, 9]])),
        },
        best_epoch=3,
        endings=["all epochs done", "no better for 5 epochs"],
        findings=[
            Finding("overfitting", "found", "warning", "It overfits \udc80.", epoch=2, remedy={"head.dropout": 0.5}),
            Finding("underfitting", "not found", "note", "It doesn't."),
        ],
        interrupted=False,
    )
