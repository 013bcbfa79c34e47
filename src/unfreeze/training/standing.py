"""Where a training stands between two steps: what its loop knows, as plain values and arrays, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unfreeze.recipe.plan import Phase
from unfreeze.training.backend import Snapshot
from unfreeze.training.checkpoint import Checkpoint, group, grouped
from unfreeze.training.history import EpochRecord
from unfreeze.training.schedules import Plateau
from unfreeze.training.steering import Validated
from unfreeze.training.stopping import EarlyStopping
from unfreeze.typed import typed

_ANSWERS = "answers"
# Values of `InPhase` that are as JSON has them.
_PLAIN = ("number", "epochs", "steps", "seconds", "epoch_seconds", "tries", "ending")


@dataclass(frozen=True)
class Best:
    """An epoch, and the weights that the model had after it; None where nothing asks for them."""

    record: EpochRecord
    weights: Snapshot | None


@dataclass
class InPhase:
    """A phase that is under way.

    Attributes:
        number: of the phase, from 1.
        phase: as it is trained: its rate may be lower than planned.
        plateau, stopping: what they have seen.
        before: the best epoch of the phases before it.
        epochs: how many are done; `steps` of the next one are.
        seconds: that the epochs took; `epoch_seconds`: that those steps took.
        tries: how often it was begun; more than once where the loss wasn't finite.
        best, weights: its best epoch.
        ending: why it ended, in words; None while it goes on.
    """

    number: int
    phase: Phase
    plateau: Plateau
    stopping: EarlyStopping
    before: Best | None = None
    epochs: int = 0
    steps: int = 0
    seconds: float = 0.0
    epoch_seconds: float = 0.0
    tries: int = 1
    best: Validated | None = None
    weights: Snapshot | None = None
    ending: str | None = None

    @classmethod
    def at_start(cls, number: int, phase: Phase, before: Best | None) -> InPhase:
        """Before its first step."""
        return cls(number, phase, Plateau(phase.schedule), EarlyStopping(phase.stopping), before)

    def begin_again(self, phase: Phase) -> None:
        """Goes back to its start, with another rate; its best epoch so far counts on."""
        self.phase, self.plateau, self.stopping = phase, Plateau(phase.schedule), EarlyStopping(phase.stopping)
        self.epochs, self.steps, self.epoch_seconds, self.tries = 0, 0, 0.0, self.tries + 1


@dataclass
class Standing:
    """A training between two steps.

    Attributes:
        history: one record per finished epoch.
        endings: why each finished phase ended, in words.
        best: the best epoch so far.
        after_first: the weights with which the first phase ended, where a later one starts from them.
        phase: the one that is under way.
        parts: in which each batch is computed.
    """

    history: list[EpochRecord] = field(default_factory=list)
    endings: list[str] = field(default_factory=list)
    best: Best | None = None
    after_first: Snapshot | None = None
    phase: InPhase | None = None
    parts: int = 1


def checkpoint_of(standing: Standing, state: Mapping[str, NDArray[Any]], steering: Checkpoint) -> Checkpoint:
    """All of a training.

    Args:
        state: of the backend.
        steering: what decides on the way.
    """
    phase = standing.phase
    facts: dict[str, Any] = {
        "history": [asdict(record) for record in standing.history],
        "endings": standing.endings,
        "best": _epoch(standing.best),
        "parts": standing.parts,
        "phase": _facts_of(phase) if phase is not None else None,
        "steering": steering.facts,
    }
    weights: dict[str, Snapshot | None] = {"best": _weights(standing.best), "after_first": standing.after_first}
    if phase is not None:
        answers = {_ANSWERS: phase.best.log_probabilities} if phase.best is not None else None
        weights |= {"before": _weights(phase.before), "of_phase": phase.weights, "phase": answers}
    return Checkpoint(facts, {**state, **grouped(**weights, steering=steering.arrays)})


def standing_in(checkpoint: Checkpoint) -> tuple[Standing, Checkpoint]:
    """What `checkpoint_of` was given, but for the state.

    Raises:
        KeyError, TypeError, ValueError, IndexError: something isn't as it was written.
    """
    facts, arrays = checkpoint.facts, checkpoint.arrays
    history = [typed(EpochRecord, values) for values in facts["history"]]
    standing = Standing(history, list(facts["endings"]), parts=int(facts["parts"]))
    standing.best = _best(history, facts["best"], group(arrays, "best"))
    standing.after_first = group(arrays, "after_first")
    if facts["phase"] is not None:
        standing.phase = _phase_of(facts["phase"], history, arrays)
    return standing, Checkpoint(facts["steering"], group(arrays, "steering") or {})


def epoch_of(validated: Validated | None) -> int | None:
    """The number of its epoch."""
    return validated.record.epoch if validated is not None else None


def validated_in(history: Sequence[EpochRecord], epoch: int | None, answers: NDArray[np.float32] | None) -> Validated | None:
    """An epoch by its number, with what its model said."""
    return Validated(history[epoch - 1], answers) if epoch is not None and answers is not None else None


def _facts_of(phase: InPhase) -> dict[str, Any]:
    plateau, stopping = phase.plateau, phase.stopping
    return {
        **{name: getattr(phase, name) for name in _PLAIN},
        "phase": phase.phase.model_dump(mode="json"),
        "plateau": {"scale": plateau.scale, "best": plateau.best, "waited": plateau.waited},
        "stopping": {"best": stopping.best, "waited": stopping.waited},
        "before": _epoch(phase.before),
        "best": epoch_of(phase.best),
    }


def _phase_of(facts: Mapping[str, Any], history: Sequence[EpochRecord], arrays: Mapping[str, NDArray[Any]]) -> InPhase:
    phase = Phase.model_validate(facts["phase"])
    answers = (group(arrays, "phase") or {}).get(_ANSWERS)
    return InPhase(
        phase=phase,
        plateau=Plateau(phase.schedule, **facts["plateau"]),
        stopping=EarlyStopping(phase.stopping, **facts["stopping"]),
        before=_best(history, facts["before"], group(arrays, "before")),
        best=validated_in(history, facts["best"], answers),
        weights=group(arrays, "of_phase"),
        **{name: facts[name] for name in _PLAIN},
    )


def _best(history: Sequence[EpochRecord], epoch: int | None, weights: Snapshot | None) -> Best | None:
    return Best(history[epoch - 1], weights) if epoch is not None else None


def _epoch(best: Best | None) -> int | None:
    return best.record.epoch if best is not None else None


def _weights(best: Best | None) -> Snapshot | None:
    return best.weights if best is not None else None
