"""The trials of a folder, kept by Optuna (Akiba et al. 2019) in a journal of JSON lines: what was tried and what comes next.

Each trial is drawn from the seed and the trials before it, so that a study that was interrupted goes on as if it hadn't been.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from unfreeze.errors import RunError, StorageError
from unfreeze.reading import check_readable
from unfreeze.tuning.space import Searched

_NAME = "unfreeze"
# Trials that go to their end before any is pruned: the median of fewer is hardly one.
_UNPRUNED = 3
_FACTS = "facts"

State = Literal["done", "pruned", "failed"]
_STATES: dict[State, TrialState] = {"done": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.PRUNED}


@dataclass(frozen=True)
class Tried:
    """A trial that counts.

    Attributes:
        values: of what is searched.
        state: `done`; `pruned`; or `failed`, which no other value than its own could have helped.
        facts: what was said about it when it ended.
    """

    values: dict[str, float]
    state: State
    facts: dict[str, Any] = field(default_factory=dict)


class Study:
    """The trials of one journal, for one process at a time.

    A trial that a process left in the middle, because it was killed, doesn't count: the next has its values.

    Args:
        journal: its file; made where there is none.
        searched: what trials have values of.
        seed: decides what is tried.
        unpruned: how many epochs with stages unfrozen every trial is given.

    Raises:
        RunError: the file isn't as it was written.
        StorageError: it can't be written.
    """

    def __init__(self, journal: Path, searched: Sequence[Searched], seed: int, unpruned: int) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._searched, self._seed = searched, seed
        pruner = optuna.pruners.MedianPruner(n_startup_trials=_UNPRUNED, n_warmup_steps=unpruned)
        try:
            if journal.exists():
                check_readable(journal)
            _cut_off_half_a_line(journal)
            storage = JournalStorage(JournalFileBackend(str(journal), lock_obj=_Alone()))
            self._study = optuna.create_study(storage=storage, pruner=pruner, study_name=_NAME, load_if_exists=True)
        except OSError as error:
            raise StorageError(f"{journal}: can't be written ({error.strerror or error})") from None
        except (ValueError, LookupError, TypeError, AssertionError, RecursionError) as error:
            raise RunError(f"{journal}: can't be read as a study ({error!r}): give another --out, or restore it") from None
        self._running: optuna.Trial | None = None
        self._first = [{one.name: one.asked for one in searched}, *_spread(searched, seed)]
        for left in self._in(TrialState.RUNNING):
            self._study.tell(left.number, state=TrialState.FAIL)

    @property
    def tried(self) -> list[Tried]:
        """The trials that count, in their order."""
        return [_tried(trial) for trial in self._in(TrialState.COMPLETE, TrialState.PRUNED)]

    def ask(self) -> dict[str, float]:
        """Begins a trial: its values, by name. The first is what was asked, some spread ones follow, then TPE learns from them.

        TPE (Bergstra et al. 2011) would draw its own first ten at random, which may well be all there are.
        """
        tried = len(self.tried)
        if not self._in(TrialState.WAITING) and tried < len(self._first):
            self._study.enqueue_trial(self._first[tried])
        # A generator of its own for each trial: one that goes on from trial to trial would begin anew in a new process.
        self._study.sampler = optuna.samplers.TPESampler(n_startup_trials=0, seed=self._seed + tried)
        self._running = self._study.ask({one.name: _distribution(one) for one in self._searched})
        return dict(self._running.params)

    def report(self, epoch: int, best: float) -> bool:
        """Takes the best value so far, lower being better, after an epoch with stages unfrozen; whether to give the trial up.

        Given up is what is worse than the median of the trials that went to their end, each at this epoch: Google Vizier's
        median stopping rule (Golovin et al. 2017). `epoch` is from 1.
        """
        assert self._running is not None
        self._running.report(best, epoch)
        is_hopeless: bool = self._running.should_prune()
        return is_hopeless

    def end(self, state: State, value: float | None, facts: Mapping[str, Any]) -> None:
        """Ends the trial. `value` is that of a trial that is done; `facts` are plain values to be kept."""
        assert self._running is not None
        self._running.set_user_attr(_FACTS, {**facts, "state": state})
        self._study.tell(self._running, value if state == "done" else None, _STATES[state])
        self._running = None

    def drop(self) -> None:
        """Ends the trial so that it doesn't count: the next has its values."""
        if self._running is not None:
            self._study.tell(self._running, state=TrialState.FAIL)
            self._running = None

    def _in(self, *states: TrialState) -> list[FrozenTrial]:
        trials: list[FrozenTrial] = self._study.get_trials(deepcopy=False, states=states)
        return trials


class _Alone:
    """A lock that is always had: the folder's own keeps other processes away, and a killed one leaves nothing behind."""

    def acquire(self) -> bool:
        return True

    def release(self) -> None: ...


def _spread(searched: Sequence[Searched], seed: int) -> list[dict[str, float]]:
    """Values that fill the space evenly, where random ones leave gaps and lie together: a scrambled Sobol sequence.

    As many as the smallest power of two above the number of values that are searched (Owen 1998; Bergstra & Bengio 2012, 4.2
    compares such sequences with random draws).
    """
    from scipy.stats.qmc import Sobol  # late: it takes long to import

    points = Sobol(len(searched), rng=np.random.default_rng(seed)).random_base2(len(searched).bit_length())
    return [{one.name: _at(one, part) for one, part in zip(searched, point, strict=True)} for point in points.tolist()]


def _at(one: Searched, part: float) -> float:
    """The value at a part, in [0, 1), of the way through what is searched."""
    if one.whole:
        return int(one.low + part * (one.high + 1 - one.low))
    if one.log:
        return float(one.low * (one.high / one.low) ** part)
    return one.low + part * (one.high - one.low)


def _distribution(one: Searched) -> BaseDistribution:
    if one.whole:
        return IntDistribution(int(one.low), int(one.high))
    return FloatDistribution(one.low, one.high, log=one.log)


def _tried(trial: FrozenTrial) -> Tried:
    facts = dict(trial.user_attrs[_FACTS])
    return Tried(dict(trial.params), facts.pop("state"), facts)


def _cut_off_half_a_line(journal: Path) -> None:
    """What a killed process was writing: Optuna would refuse the whole file, and glue the next line to it."""
    if journal.exists():
        with journal.open("rb+") as file:
            content = file.read()
            file.truncate(content.rfind(b"\n") + 1)
