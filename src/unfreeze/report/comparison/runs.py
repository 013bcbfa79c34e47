"""What there is of a run, whatever state it is in, as far as a comparison takes it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from unfreeze.recipe.plan import Plan
from unfreeze.report.run_files import RunFiles, read_run_files
from unfreeze.training.history import EpochRecord
from unfreeze.training.scores import Scores


class Picture(NamedTuple):
    """A picture that was scored: two runs had the same one where path, content hash and class are the same."""

    path: str
    content: str
    label: str


@dataclass(frozen=True)
class ComparedRun:
    """A run as far as it can be read.

    Attributes:
        name: what tells it from the others: its folder's name, or its path where two have the same name.
        files: everything in its folder.
    """

    name: str
    files: RunFiles

    @property
    def folder(self) -> Path:
        return self.files.folder

    @property
    def plan(self) -> Plan:
        return self.files.plan

    @property
    def history(self) -> list[EpochRecord]:
        """One record per epoch so far."""
        return self.files.history

    @property
    def best_epoch(self) -> int | None:
        """The epoch whose weights the model has; None where no epoch was done."""
        return self.files.best_epoch

    @property
    def seconds(self) -> dict[str, float]:
        """By part: `preparing`, `training`, `scoring`; empty where it hasn't ended."""
        seconds: dict[str, float] = (self.files.metrics or {}).get("seconds", {})
        return seconds

    def scores(self, split: str) -> Scores | None:
        """Of `validation` or `test`; None where there are none."""
        return self.files.scores.get(split)

    @cached_property
    def probabilities(self) -> dict[str, dict[Picture, NDArray[np.float64]]]:
        """Split -> picture -> what the model said of it: float64 [K], by the plan's classes."""
        contents, classes = self.files.data.get("pictures", {}), self.plan.data.classes
        return {
            split: {
                Picture(name, contents.get(name, ""), classes[label]): row
                for name, label, row in zip(predicted.names, predicted.labels, predicted.probabilities, strict=True)
            }
            for split, predicted in self.files.predicted.items()
        }

    @cached_property
    def named(self) -> dict[str, dict[Picture, str]]:
        """Split -> picture -> the class it was given."""
        classes = self.plan.data.classes
        return {
            split: {picture: classes[int(np.nan_to_num(row).argmax())] for picture, row in of_split.items()}
            for split, of_split in self.probabilities.items()
        }

    @property
    def missing(self) -> tuple[str, ...]:
        """What isn't there, in words."""
        if self.files.metrics is None:
            return tuple(
                "it hasn't ended: there is no metrics.json in it" if words == "there is no metrics.json" else words
                for words in self.files.missing
            )
        interrupted = ("it was interrupted and not scored",) if self.files.metrics["interrupted"] else ()
        return (*self.files.missing, *interrupted)

    @property
    def seconds_per_epoch(self) -> float | None:
        """Of training and validation, the mean over all epochs; without filling the cache."""
        if not self.history:
            return None
        return sum(record.train_seconds + record.val_seconds for record in self.history) / len(self.history)

    @property
    def pictures_per_second(self) -> float | None:
        """Of training, over all epochs."""
        seconds = sum(record.train_seconds for record in self.history)
        if not seconds:
            return None
        return sum(record.pictures_per_second * record.train_seconds for record in self.history) / seconds


def read_run(folder: Path, name: str) -> ComparedRun:
    """The run in a folder; `missing` names every file of it that can't be read.

    Raises:
        RunError: it isn't a run: its plan is missing or damaged.
    """
    return ComparedRun(name, read_run_files(folder))
