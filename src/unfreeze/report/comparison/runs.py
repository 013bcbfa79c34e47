"""What there is of a run, whatever state it is in."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from unfreeze.errors import RunError
from unfreeze.recipe.plan import Plan
from unfreeze.training import run_folder
from unfreeze.training.history import EpochRecord, read_history
from unfreeze.training.scores import Scores

T = TypeVar("T")
_NOT_AS_WRITTEN = (AttributeError, IndexError, KeyError, TypeError, ValueError)


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
        folder: where it is.
        plan: what was to be done.
        history: one record per epoch so far.
        validation, test: scores; None where there are none.
        best_epoch: the epoch whose weights the model has; None where no epoch was done.
        seconds: by part: `preparing`, `training`, `scoring`; empty where it hasn't ended.
        named: split -> picture -> the class it was given.
        missing: what isn't there, in words.
    """

    name: str
    folder: Path
    plan: Plan
    history: list[EpochRecord]
    validation: Scores | None
    test: Scores | None
    best_epoch: int | None
    seconds: dict[str, float]
    named: dict[str, dict[Picture, str]]
    missing: tuple[str, ...]

    def scores(self, split: str) -> Scores | None:
        """Of `validation` or `test`."""
        return self.test if split == "test" else self.validation

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
    plan = run_folder.read_plan(folder)
    missing: list[str] = []
    history = _attempt(read_history, folder, missing) or []
    if not (folder / run_folder.METRICS).is_file():
        ended = f"it hasn't ended: there is no {run_folder.METRICS} in it"
        return ComparedRun(name, folder, plan, history, None, None, _best_so_far(history), {}, {}, (*missing, ended))
    metrics = _attempt(_read_metrics, folder, missing) or {}
    if metrics.get("interrupted"):
        missing.append("it was interrupted and not scored")
    named = _attempt(_read_named, folder, missing) if metrics.get("validation") else None
    return ComparedRun(
        name=name,
        folder=folder,
        plan=plan,
        history=history,
        validation=metrics.get("validation"),
        test=metrics.get("test"),
        best_epoch=metrics.get("best_epoch", _best_so_far(history)),
        seconds=metrics.get("seconds", {}),
        named=named or {},
        missing=tuple(missing),
    )


def _attempt(read: Callable[[Path], T], folder: Path, missing: list[str]) -> T | None:
    try:
        return read(folder)
    except RunError as error:
        missing.append(str(error))
        return None


def _best_so_far(history: list[EpochRecord]) -> int | None:
    return max((record.epoch for record in history if record.best), default=None)


def _read_metrics(folder: Path) -> dict[str, Any]:
    metrics = run_folder.read_json(folder, run_folder.METRICS)
    try:
        scores = {
            split: Scores.from_dict(metrics[split]) if metrics[split] is not None else None for split in ("validation", "test")
        }
        return scores | {
            "best_epoch": metrics["best_epoch"],
            "interrupted": metrics["interrupted"],
            "seconds": {name: float(value) for name, value in metrics["seconds"].items()},
        }
    except _NOT_AS_WRITTEN as error:
        raise RunError(f"{folder / run_folder.METRICS}: isn't as written ({error!r})") from None


def _read_named(folder: Path) -> dict[str, dict[Picture, str]]:
    path = folder / run_folder.PREDICTIONS
    named: dict[str, dict[Picture, str]] = {"validation": {}, "test": {}}
    try:
        contents = {
            picture["name"]: picture["content"] for picture in run_folder.read_json(folder, run_folder.DATA)["pictures"]
        }
        with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
            for row in csv.DictReader(file):
                named[row["split"]][Picture(row["path"], contents[row["path"]], row["label"])] = row["predicted"]
    except OSError as error:
        raise RunError(f"{path}: can't be read ({error.strerror or error})") from None
    except (*_NOT_AS_WRITTEN, csv.Error) as error:
        raise RunError(f"{path}: isn't as written ({error!r})") from None
    return named
