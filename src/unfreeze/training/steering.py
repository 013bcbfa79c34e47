"""Which phases of a plan are trained, and which weights are kept: all, and the best, unless somebody steers."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from unfreeze.recipe.plan import Phase, Plan
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


class AsPlanned:
    """All phases of a plan, one after the other."""

    def __init__(self, plan: Plan) -> None:
        self._phases = iter(plan.phases)

    def next_phase(self) -> Phase | None:
        return next(self._phases, None)

    def is_over(self) -> str | None:
        return None

    def phase_done(self, trained: Trained) -> bool:  # noqa: ARG002
        return True
