"""The history of a run: one record per epoch, kept as JSON lines and as CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from unfreeze.errors import RunError
from unfreeze.files import write_text
from unfreeze.reading import parse_json, read_text
from unfreeze.training.scores import balanced_accuracy, macro_f1
from unfreeze.typed import typed


@dataclass(frozen=True)
class EpochRecord:
    """One epoch.

    Attributes:
        epoch: from 1, over all phases.
        phase: the number of its phase, from 1; `phase_name` and `boundary` as in the plan.
        rate: the learning rate of its last step.
        train_loss, train_accuracy: over the training pictures as they were trained on, with augmentation and dropout; the
            loss is the plain cross-entropy, whatever was minimised, so that it can be held against val_loss.
        val_loss, val_accuracy, val_balanced_accuracy, val_macro_f1: of the model after the epoch, on unchanged pictures; see
            `training.scores`.
        best: whether it is the best epoch so far.
        train_seconds, val_seconds: time taken, without `fill_seconds`.
        pictures_per_second: of training.
        confusion: of validation; row the true class, column the predicted.
        fill_seconds: time taken to compute activations that the cache lacked.
        gradient_norm: the largest of its steps', before clipping; see `training.backend.EpochResult`. None where it wasn't
            finite, which JSON can't say, or wasn't measured.
    """

    epoch: int
    phase: int
    phase_name: str
    boundary: str
    rate: float
    train_loss: float
    train_accuracy: float
    val_loss: float
    val_accuracy: float
    val_balanced_accuracy: float
    val_macro_f1: float
    best: bool
    train_seconds: float
    val_seconds: float
    pictures_per_second: float
    confusion: list[list[int]]
    fill_seconds: float = 0.0
    gradient_norm: float | None = None

    def watched(self, name: str) -> float:
        """The value that a recipe's `watch` names, with its sign turned where needed so that lower is better."""
        value: float = getattr(self, name)
        return value if name == "val_loss" else -value


def write_history(records: Sequence[EpochRecord], folder: Path) -> None:
    """Writes `history.jsonl` (all) and `history.csv` (all but the confusion matrix)."""
    write_text(folder / "history.jsonl", "".join(json.dumps(asdict(record)) + "\n" for record in records))
    columns = [field.name for field in fields(EpochRecord) if field.name != "confusion"]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(record) for record in records)
    write_text(folder / "history.csv", text.getvalue())


def read_history(folder: Path) -> list[EpochRecord]:
    """What `write_history` wrote.

    Raises:
        RunError: it is missing or damaged.
    """
    path = folder / "history.jsonl"
    try:
        lines = read_text(path, within=folder).splitlines()
        return [typed(EpochRecord, _with_means(parse_json(line))) for line in lines]
    except (OSError, ValueError, TypeError, AttributeError, LookupError) as error:
        raise RunError(f"{path}: can't be read as a run's history ({error})") from None


def _with_means(values: dict[str, Any]) -> dict[str, Any]:
    if "val_macro_f1" in values:
        return values
    # By a version that didn't write down what the matrix says anyway.
    confusion = np.array(values["confusion"], np.int64)
    return {**values, "val_balanced_accuracy": balanced_accuracy(confusion), "val_macro_f1": macro_f1(confusion)}
