"""Which phases of a plan are trained, and which weights are kept: all, and the best, unless somebody steers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from unfreeze.recipe.plan import Phase, Plan
from unfreeze.training.checkpoint import Checkpoint
from unfreeze.training.history import EpochRecord


class Validated(NamedTuple):
    """An epoch, and what its model says of the validation pictures: their log-probabilities, float32 [N, K]."""

    record: EpochRecord
    log_probabilities: NDArray[np.float32]


class Trained(NamedTuple):
    """What a phase came to.

    Attributes:
        best: its best epoch; None where its loss wasn't finite from the start.
        epochs: how many it took.
        seconds: that they took.
        ending: why it ended, in words.
    """

    best: Validated | None
    epochs: int
    seconds: float
    ending: str


class Steering(Protocol):
    """Decides on the way which phases are trained."""

    def next_phase(self) -> Phase | None:
        """The phase to train next; None ends the training."""

    def is_over(self) -> str | None:
        """Asked after each epoch: why its phase ends here, in words; None lets it go on."""

    def phase_done(self, trained: Trained) -> bool:
        """Whether the weights of its best epoch are kept, where they are the best so far; else those before it come back."""

    def state(self) -> Checkpoint:
        """What it knows."""

    def go_on(self, state: Checkpoint, history: Sequence[EpochRecord]) -> None:
        """Goes on from where `state` gave this, the history being what it was then.

        Raises:
            KeyError, TypeError, ValueError, IndexError: something isn't as it was written.
        """


class AsPlanned:
    """All phases of a plan, one after the other."""

    def __init__(self, plan: Plan) -> None:
        self._phases, self._next = plan.phases, 0

    def next_phase(self) -> Phase | None:
        self._next += 1
        return self._phases[self._next - 1] if self._next <= len(self._phases) else None

    def is_over(self) -> str | None:
        return None

    def phase_done(self, trained: Trained) -> bool:  # noqa: ARG002
        return True

    def state(self) -> Checkpoint:
        return Checkpoint({"next": self._next}, {})

    def go_on(self, state: Checkpoint, history: Sequence[EpochRecord]) -> None:  # noqa: ARG002
        self._next = int(state.facts["next"])
