"""One function from the place in a phase to the learning rate: the same numbers for every framework."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from unfreeze.recipe.plan import Phase
from unfreeze.recipe.recipe import Schedule


class _Place(NamedTuple):
    """Where in a phase, in epochs: since its warm-up, all that it has after that, and the length of a step."""

    passed: float
    length: float
    step: float


# What the phase's rate is multiplied by at a place.
_Shape = Callable[[Schedule, _Place], float]


def rate_at(schedule: Schedule, base_rate: float, epochs: int, position_epochs: float, steps_per_epoch: int) -> float:
    """The learning rate at a place in a phase.

    The numbers are those of PyTorch's classes of `torch.optim.lr_scheduler`: at whole epochs `StepLR`, `MultiStepLR`,
    `ExponentialLR`, `CosineAnnealingLR` (with `T_max` the phase's epochs) and `CosineAnnealingWarmRestarts` (both Loshchilov &
    Hutter 2017), at every step `OneCycleLR` (Smith & Topin 2019; cosine, two phases, no cycling of the momentum). Between whole
    epochs `exponential` and both cosines go on smoothly. `plateau` is constant here: its reductions are `Plateau`'s.

    A warm-up comes before any of them, which then count from its end, as with `SequentialLR`: it rises to where they begin as
    `LinearLR` does from a `start_factor` of nearly 0, only that the first step takes a thousandth and not nothing.

    Args:
        schedule: what the phase asks for.
        base_rate: the phase's rate, the highest.
        epochs: the phase's planned epochs.
        position_epochs: where in the phase, in epochs; 0 is its first step.
        steps_per_epoch: `one-cycle` is at its lowest in the last step, which is so far before the end.
    """
    shape, length = _SHAPES[schedule.name], epochs - schedule.warmup_epochs
    passed = position_epochs - schedule.warmup_epochs
    part = shape(schedule, _Place(max(passed, 0.0), length, 1 / steps_per_epoch))
    return base_rate * part * _risen(position_epochs, schedule.warmup_epochs)


def stage_rates(
    phase: Phase, stages: Iterable[str], position_epochs: float, scale: float, steps_per_epoch: int
) -> dict[str, float]:
    """The learning rate of each of some stages at a place in a phase, by name.

    That of the phase, times the stage's factor (discriminative rates, Howard & Ruder 2018); for a stage that joins, times a
    linear rise over `joining_epochs` like a schedule's warm-up.

    Args:
        stages: those that train.
        position_epochs, steps_per_epoch: as in `rate_at`.
        scale: what the rate of the phase is multiplied by: `Plateau`'s.
    """
    base = scale * rate_at(phase.schedule, phase.rate, phase.epochs, position_epochs, steps_per_epoch)
    risen = _risen(position_epochs, phase.joining_epochs)
    factors = {stage: phase.rate_factors.get(stage, 1.0) * (risen if stage in phase.joining else 1.0) for stage in stages}
    return {stage: base * factor for stage, factor in factors.items()}


def _risen(position_epochs: float, rise_epochs: float) -> float:
    """How far a linear rise has come, up to 1; never zero, which would waste the step."""
    return max(position_epochs / rise_epochs, 1e-3) if position_epochs < rise_epochs else 1.0


def _constant(_schedule: Schedule, _at: _Place) -> float:
    return 1.0


def _step(schedule: Schedule, at: _Place) -> float:
    return schedule.factor ** math.floor(at.passed / schedule.step_epochs)


def _multi_step(schedule: Schedule, at: _Place) -> float:
    return schedule.factor ** bisect_right(schedule.milestones, at.passed)


def _exponential(schedule: Schedule, at: _Place) -> float:
    return float(schedule.factor**at.passed)


def _cosine(schedule: Schedule, at: _Place) -> float:
    return _half_wave(1.0, schedule.floor, at.passed / max(at.length, 1e-9))


def _cosine_restarts(schedule: Schedule, at: _Place) -> float:
    passed, period = at.passed, float(schedule.restart_epochs)
    while passed >= period:
        passed -= period
        period *= schedule.restart_growth
    return _half_wave(1.0, schedule.floor, passed / period)


def _one_cycle(schedule: Schedule, at: _Place) -> float:
    first = 1 / schedule.start_divisor
    # The places of the step with the highest rate and of the last one, as PyTorch counts them.
    top, end = schedule.rise * at.length - at.step, at.length - at.step
    if at.passed < top:
        return _half_wave(first, 1.0, at.passed / top)
    return _half_wave(1.0, first / schedule.end_divisor, (at.passed - top) / (end - top))


def _half_wave(start: float, end: float, passed: float) -> float:
    """From `start` to `end` along half a cosine; `passed` is the part of the way."""
    return end + (start - end) * (1 + math.cos(math.pi * min(passed, 1.0))) / 2


_SHAPES: dict[str, _Shape] = {
    "constant": _constant,
    "step": _step,
    "multi-step": _multi_step,
    "exponential": _exponential,
    "cosine": _cosine,
    "cosine-restarts": _cosine_restarts,
    "one-cycle": _one_cycle,
    "plateau": _constant,
}


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
