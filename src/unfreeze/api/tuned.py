"""What trials came to: each by its scores, the best of them, how far that can be believed, and the files that say so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from unfreeze.diagnosis.better import STANDARD_ERRORS, Gain
from unfreeze.files import write_json
from unfreeze.recipe.read import write_yaml
from unfreeze.recipe.recipe import Recipe, Watched
from unfreeze.training.history import EpochRecord
from unfreeze.training.run_folder import write_table
from unfreeze.training.scores import accuracy_interval

# In the folder: what was tried, as a table and with all there is to know, and the recipe of the best.
TABLE, TRIALS, BEST = "trials.csv", "trials.json", "best.yaml"
# Goes up when these change their meaning.
SCHEMA = 1
SCORES = ("val_loss", "val_accuracy", "val_balanced_accuracy", "val_macro_f1")

State = Literal["", "done", "pruned", "failed"]


@dataclass(frozen=True)
class Trial:
    """One set of values, tried.

    Attributes:
        number: from 1, which is the recipe as asked.
        values: name (`head-rate`, `rate`, `stages`, `dropout`, `decay`) -> value.
        state: `done`; `pruned`; `failed` where nothing was learned; empty before its training.
        ending: the same in words.
        seconds: it took.
        epochs: it had; best_epoch is the one whose scores on validation pictures follow, None where there is none.
        interval: Wilson's 95 % interval of the accuracy.
    """

    number: int
    values: dict[str, float]
    state: State = ""
    ending: str = ""
    seconds: float = 0.0
    epochs: int = 0
    best_epoch: int | None = None
    val_loss: float | None = None
    val_accuracy: float | None = None
    val_balanced_accuracy: float | None = None
    val_macro_f1: float | None = None
    interval: tuple[float, float] | None = None

    def watched(self, measure: Watched) -> float:
        """The value that trials are compared by, lower being better; infinite where it didn't go to its end."""
        value: float | None = getattr(self, measure)
        if value is None or self.state != "done":
            return float("inf")
        return value if measure == "val_loss" else -value


@dataclass(frozen=True)
class Tuning:
    """What tuning came to.

    Attributes:
        folder: where it is kept.
        measure: what trials are compared by: the recipe's `watch`.
        trials: in order; the first is the recipe as asked.
        best: the best of those that went to their end; None where none did.
        recipe: the best one's, which is in `best.yaml`.
        gain: of the best over the first, on the same validation pictures; None where it is the first, or there is none.
        pictures: in validation.
        ended: why no more was tried, in words.
        interrupted: whether Ctrl-C ended it.
    """

    folder: Path
    measure: Watched
    trials: tuple[Trial, ...]
    best: Trial | None
    recipe: Recipe | None
    gain: Gain | None
    pictures: int
    ended: str
    interrupted: bool = False

    @property
    def is_better(self) -> bool:
        """Whether the best is better than the first by more than the best of so many would be by chance.

        The more trials, the better the best of them is by luck alone. So the standard errors that count for one comparison
        (`diagnosis.better`) are raised until they are passed as rarely by any of so many (Bonferroni).
        """
        from scipy.stats import norm  # late, as in `training.scores`

        if self.gain is None:
            return False
        needed = float(norm.isf(norm.sf(STANDARD_ERRORS) / max(1, len(self.trials) - 1)))
        return self.gain.gain > needed * self.gain.error

    @property
    def verdict(self) -> str:
        """What was best and by how much, and how far that can be believed."""
        if self.best is None:
            return "no trial went to its end, so there is nothing to compare"
        name = self.measure.removeprefix("val_").replace("_", " ")
        score = f"{name} {abs(self.best.watched(self.measure)):.4f}"
        if self.best.number == 1:
            return f"the recipe as asked is the best of {len(self.trials)} (validation {score}): no other trial was better"
        optimistic = (
            f" It was chosen by the same {self.pictures} validation pictures, so its score on them is optimistic; no test"
            " picture was looked at."
        )
        if self.gain is None:
            return (
                f"trial {self.best.number} is the best (validation {score}); the recipe as asked learned nothing." + optimistic
            )
        chance = "more than" if self.is_better else "no more than"
        return (
            f"trial {self.best.number} is the best: validation {score}, against {self.gain.first:.4f} as asked; the standard"
            f" error of that difference is {self.gain.error:.4f}: {chance} the best of {len(self.trials)} trials would gain by"
            f" chance.{optimistic}"
        )


def scored(history: Sequence[EpochRecord], measure: Watched) -> dict[str, Any]:
    """The fields of a trial that the best of some epochs decides; none of no epoch."""
    if not history:
        return {}
    best = min(history, key=lambda record: record.watched(measure))
    right = sum(row[place] for place, row in enumerate(best.confusion))
    interval = accuracy_interval(right, sum(map(sum, best.confusion)))
    return {name: getattr(best, name) for name in SCORES} | {"best_epoch": best.epoch, "interval": interval}


def write_tables(result: Tuning) -> None:
    """Writes them, and the recipe of the best."""
    if result.recipe is not None:
        write_yaml(result.recipe, result.folder / BEST)
    write_json(
        result.folder / TRIALS,
        {
            "schema": SCHEMA,
            "measure": result.measure,
            "best": result.best.number if result.best is not None else None,
            "verdict": result.verdict,
            "ended": result.ended or None,
            "gain": asdict(result.gain) if result.gain is not None else None,
            "trials": [asdict(trial) for trial in result.trials],
        },
    )
    searched = list(result.trials[0].values) if result.trials else []
    columns = ["trial", *searched, "state", *SCORES, "low", "high", "best_epoch", "epochs", "seconds"]
    rows = [
        [
            *(trial.number, *trial.values.values(), trial.state, *(getattr(trial, name) for name in SCORES)),
            *(*(trial.interval or (None, None)), trial.best_epoch, trial.epochs, trial.seconds),
        ]
        for trial in result.trials
    ]
    write_table(result.folder / TABLE, columns, rows)
