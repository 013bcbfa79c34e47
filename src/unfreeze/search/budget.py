"""How long the steps of a search take: estimated before the first, learnt from each that was taken; what there is time for."""

from __future__ import annotations

from dataclasses import dataclass, field

from unfreeze.data.load import Loader
from unfreeze.recipe.network import HEAD, Network
from unfreeze.recipe.plan import Phase
from unfreeze.recipe.times import read_seconds
from unfreeze.training.costs import FORWARDS_PER_STEP, PhaseSpeeds

# The fewest epochs to which a step is shortened: with fewer its score says little about what it could come to.
FEWEST_EPOCHS = 3


@dataclass(frozen=True)
class Budget:
    """The most that the steps of a search may take: seconds, or a multiple of what the first step takes; None is no limit."""

    seconds: float | None = None
    times: float | None = None

    def limit(self, first_step: float) -> float | None:
        """In seconds, where the first step takes so many."""
        return self.times * first_step if self.times is not None else self.seconds


def read_budget(text: str | None) -> Budget:
    """A recipe's `budget`: `90s`, `20m`, `1.5h`, `5x`; None is no limit."""
    if text is None:
        return Budget()
    return Budget(times=float(text[:-1])) if text.endswith("x") else Budget(seconds=read_seconds(text))


@dataclass
class Estimates:
    """Seconds per epoch of each step, from the speed of the frozen network, corrected by what steps took.

    A step's epoch goes through the frozen part once and through the rest as often as a training step does, in proportion to
    the layers in each. By how much that is wrong is much the same for steps that train stages of the base, and another thing
    for the head alone; each kind learns from its own.

    Args:
        network: with its stages.
        speeds: measured with the whole base frozen.
        loader: of the pictures.
        corrections: what the first guess is multiplied by, as learnt, by kind of step.
    """

    network: Network
    speeds: PhaseSpeeds
    loader: Loader
    corrections: dict[str, float] = field(default_factory=dict)

    def epoch(self, boundary: str) -> float:
        """Of a step with this boundary."""
        return self.corrections.get(_kind(boundary), 1.0) * self._first_guess(boundary)

    def learn(self, boundary: str, seconds: float, epochs: int) -> None:
        """Takes what a step of so many epochs took."""
        self.corrections[_kind(boundary)] = seconds / max(epochs, 1) / self._first_guess(boundary)

    def _first_guess(self, boundary: str) -> float:
        behind = self._part_behind(boundary)
        frozen, trained = self.speeds.prefix * (1 - behind), self.speeds.prefix * behind + self.speeds.tail
        shown, validated = len(self.loader.training_views(0)), len(self.loader.records("validation"))
        training = shown * (self.speeds.decode + frozen + FORWARDS_PER_STEP * trained)
        return training + validated * (self.speeds.decode + frozen + trained)

    def _part_behind(self, boundary: str) -> float:
        """Of the base's convolutions and dense layers, in 0–1. Their costs are near enough to equal: networks are made so."""
        frozen, trainable = (sum(layer.counts for layer in part) for part in self.network.split(boundary))
        of_head = sum(layer.counts for layer in self.network.stages[-1].layers)
        return (trainable - of_head) / max(frozen + trainable - of_head, 1)


def _kind(boundary: str) -> str:
    return "head" if boundary == HEAD else "stages"


def fitted(phase: Phase, seconds_per_epoch: float, left: float | None) -> Phase | None:
    """A step made short enough for the time that is left, with its warm-up; None where that is too short for a few epochs."""
    if left is None or phase.epochs * seconds_per_epoch <= left:
        return phase
    epochs = int(left / seconds_per_epoch)
    if epochs < min(FEWEST_EPOCHS, phase.epochs):
        return None
    warmup = phase.schedule.warmup_epochs * epochs / phase.epochs
    return phase.model_copy(update={"epochs": epochs, "schedule": phase.schedule.model_copy(update={"warmup_epochs": warmup})})
