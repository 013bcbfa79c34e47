"""One function from the place in a phase to the learning rate: the same numbers for every framework."""

from __future__ import annotations

import math
from dataclasses import dataclass

from unfreeze.recipe.recipe import Schedule


def rate_at(schedule: Schedule, base_rate: float, epochs: int, position_epochs: float) -> float:
    """The learning rate at a place in a phase.

    At whole epochs `step` and `cosine` give the numbers of `torch.optim.lr_scheduler.StepLR` and `CosineAnnealingLR` (with
    `T_max` the phase's epochs; Loshchilov & Hutter 2017); between them `cosine` goes on smoothly. `plateau` is constant
    here: its reductions are `Plateau`'s. A warm-up comes before any of them, which then count from its end.

    Args:
        schedule: what the phase asks for.
        base_rate: the rate the phase starts from.
        epochs: the phase's planned epochs.
        position_epochs: where in the phase, in epochs; 0 is its first step.
    """
    if position_epochs < schedule.warmup_epochs:
        # Never zero, which would waste the step.
        return base_rate * max(position_epochs / schedule.warmup_epochs, 1e-3)
    after_warmup = position_epochs - schedule.warmup_epochs
    if schedule.name == "step":
        return base_rate * schedule.factor ** math.floor(after_warmup / schedule.step_epochs)
    if schedule.name == "cosine":
        passed = after_warmup / max(epochs - schedule.warmup_epochs, 1e-9)
        part = (1 + math.cos(math.pi * min(passed, 1.0))) / 2
        return base_rate * (schedule.floor + (1 - schedule.floor) * part)
    return base_rate


@dataclass
class Plateau:
    """Reduces the rate when the watched value stops improving, as `torch.optim.lr_scheduler.ReduceLROnPlateau`.

    Attributes:
        schedule: its `factor`, `patience_epochs` and `floor` count.
        scale: what the rate is multiplied by now.
    """

    schedule: Schedule
    scale: float = 1.0
    best: float = math.inf
    waited: int = 0

    def observe(self, value: float) -> None:
        """Takes the watched value of one epoch, lower being better. NaN counts as no improvement."""
        if self.schedule.name != "plateau":
            return
        if value < self.best:
            self.best, self.waited = value, 0
            return
        self.waited += 1
        # PyTorch waits for more than `patience` bad epochs; so do we, to give its numbers.
        if self.waited > self.schedule.patience_epochs:
            self.scale, self.waited = max(self.scale * self.schedule.factor, self.schedule.floor), 0
