"""A recipe tried out: trained and scored on validation pictures, with no run folder and no look at test pictures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unfreeze.api.preparation import Preparation
from unfreeze.errors import TrainingError
from unfreeze.recipe.network import HEAD
from unfreeze.recipe.plan import Plan
from unfreeze.training.feeding import Feeding
from unfreeze.training.history import EpochRecord
from unfreeze.training.loop import train_plan
from unfreeze.training.watcher import PassingOn, Watcher

# Is told the epochs with stages unfrozen so far, and the best watched value, lower being better; says why to give up, or
# nothing.
Judge = Callable[[int, float], str]


@dataclass(frozen=True)
class Attempt:
    """What came of trying.

    Attributes:
        history: a record of each epoch.
        predicted: what the weights of the best epoch say of the validation pictures, log-probabilities float32 [N, K]; None
            where it didn't go to its end.
        given_up: what the judge said.
        failed: why nothing was learned.
        interrupted: whether Ctrl-C ended it.
    """

    history: list[EpochRecord]
    predicted: NDArray[np.float32] | None = None
    given_up: str = ""
    failed: str = ""
    interrupted: bool = False


def try_recipe(job: Preparation, watcher: Watcher, judge: Judge) -> Attempt:
    """Trains as planned, until the judge says otherwise."""
    judged = _Judged(watcher, job.plan, judge)
    with Feeding(job.loader, job.backend, job.plan, job.cache, watcher.cache_filled) as feeding:
        try:
            outcome = train_plan(job.plan, job.backend, feeding, judged)
            if outcome.interrupted:
                return Attempt(judged.history, interrupted=True)
            # What the last phase keeps of them is of a part that no phase has changed.
            kept = feeding.feed(len(job.plan.phases) - 1).validation()
            return Attempt(judged.history, job.backend.predict(kept))
        except _GivenUp as given_up:
            return Attempt(judged.history, given_up=str(given_up))
        except TrainingError as error:
            return Attempt(judged.history, failed=str(error))


class _GivenUp(Exception):  # noqa: N818 - no error
    """Leaves a training that isn't worth going on with. Never leaves this file."""


class _Judged(PassingOn):
    """Gives a training up where its judge says so."""

    def __init__(self, watcher: Watcher, plan: Plan, judge: Judge) -> None:
        super().__init__(watcher)
        self.history: list[EpochRecord] = []
        self._plan, self._judge = plan, judge

    def epoch_done(self, record: EpochRecord) -> None:
        super().epoch_done(record)
        self.history.append(record)
        unfrozen = sum(one.boundary != HEAD for one in self.history)
        reason = self._judge(unfrozen, min(one.watched(self._plan.watch) for one in self.history))
        # A training that is at its end anyway has all it could have.
        if reason and len(self.history) < self._plan.epochs:
            raise _GivenUp(reason)
