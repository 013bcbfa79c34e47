"""What a diagnosis looks at: the curves by phase, and what else is known about the training. From a run or a table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from unfreeze.recipe.network import HEAD
from unfreeze.recipe.plan import Phase, Plan
from unfreeze.training.history import EpochRecord
from unfreeze.training.run_folder import Predicted

Values = NDArray[np.float64]


@dataclass(frozen=True, eq=False)  # arrays can't be compared by ==
class PhaseCurves:
    """The curves of one phase, float64 [E] of its E epochs, NaN where a value isn't known or wasn't finite.

    Attributes:
        name: of the phase.
        epochs: int64 [E], the numbers of its epochs over the whole training, from 1.
        boundary: the first stage that trained; None where that isn't known.
        ending: why the phase ended, in words; empty where that isn't known.
        rate: the learning rate of each epoch's last step.
        train_loss, train_accuracy: over the training pictures as they were trained on.
        val_loss, val_accuracy: after the epoch.
        gradient_norm: the largest of the epoch's steps, before clipping.
    """

    name: str
    epochs: NDArray[np.int64]
    boundary: str | None
    ending: str
    rate: Values
    train_loss: Values
    train_accuracy: Values
    val_loss: Values
    val_accuracy: Values
    gradient_norm: Values

    def __len__(self) -> int:
        return len(self.epochs)

    @property
    def head_only(self) -> bool:
        """Whether the whole base was frozen."""
        return self.boundary == HEAD

    @property
    def settings(self) -> str:
        """The section of the recipe that says how the phase trains."""
        return "head_only" if self.head_only else "unfrozen"


# The columns of a phase that are numbers.
COLUMNS = tuple(one.name for one in fields(PhaseCurves) if one.type == "Values")


@dataclass(frozen=True)
class Evidence:
    """What is known about a training.

    Attributes:
        phases: those with at least one epoch, in order; none where the first epoch already failed.
        best_epoch: the epoch whose weights were kept.
        endings: why each phase ended, in words, also those without a finished epoch.
        classes: the names, or empty where they aren't known.
        train_counts: class -> training pictures.
        val_pictures: how many validation pictures there are, or None.
        plan: what was to be done; None for the history of another tool.
        predicted: what the kept model says of the validation pictures.
        sample_accuracy: of the kept model on some training pictures without augmentation and dropout; None where not measured.
        leaked_part: the part of the validation pictures that are in the training pictures as well; None where nobody looked.
        inputs_mismatch: how pictures reach the network otherwise than in its pretraining, in words; empty where they don't,
            None where nobody looked.
        inputs_mistakes: the same by name, as `inspection.inputs` calls them: `channels-swapped`, `too-small` …
    """

    phases: tuple[PhaseCurves, ...]
    best_epoch: int | None = None
    endings: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    train_counts: Mapping[str, int] = field(default_factory=dict)
    val_pictures: int | None = None
    plan: Plan | None = None
    predicted: Predicted | None = None
    sample_accuracy: float | None = None
    leaked_part: float | None = None
    inputs_mismatch: str | None = None
    inputs_mistakes: frozenset[str] = frozenset()

    @property
    def last(self) -> PhaseCurves:
        """The phase that the training ended with: the one that ran last, of a search the one that was kept."""
        return self.best_phase if self.is_search else self.phases[-1]

    @property
    def best_phase(self) -> PhaseCurves:
        """The phase of the epoch whose weights were kept."""
        return next((phase for phase in self.phases if self.best_epoch in phase.epochs), self.phases[-1])

    @property
    def is_search(self) -> bool:
        """Whether it was decided on the way which phases were trained, and whose weights were kept."""
        return self.plan is not None and self.plan.is_search

    @property
    def guess_loss(self) -> float | None:
        """The cross-entropy of giving every class the same probability, ln K."""
        return math.log(len(self.classes)) if len(self.classes) > 1 else None

    def planned(self, phase: PhaseCurves) -> Phase | None:
        """What was planned for a phase; None where there is no plan of it."""
        return next((one for one in self.plan.phases if one.name == phase.name), None) if self.plan is not None else None

    def known(self, *columns: str) -> bool:
        """Whether every phase has a value in these columns."""
        return bool(self.phases) and all(
            np.isfinite(getattr(phase, column)).any() for phase in self.phases for column in columns
        )


def phases_of(history: Sequence[EpochRecord], endings: Sequence[str] = ()) -> tuple[PhaseCurves, ...]:
    """A run's history as curves."""
    phases = []
    for number, records in groupby(history, key=lambda record: record.phase):
        rows = list(records)
        columns = {name: _numbers([getattr(row, name) for row in rows]) for name in COLUMNS}
        phases.append(
            PhaseCurves(
                name=rows[0].phase_name,
                epochs=np.array([row.epoch for row in rows], np.int64),
                boundary=rows[0].boundary,
                ending=endings[number - 1] if number <= len(endings) else "",
                **columns,
            )
        )
    return tuple(phases)


def _numbers(values: Sequence[float | None]) -> Values:
    return np.array([math.nan if value is None or not math.isfinite(value) else value for value in values], np.float64)
