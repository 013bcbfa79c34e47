"""Who is told what happens in a training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from unfreeze.recipe.plan import Evidence, Phase
from unfreeze.training.history import EpochRecord


class Watcher(Protocol):
    """Is told what happens, in the order drawn at the top of `training.loop`, and whatever a person should know at once.

    A training that is steered also tells what was decided between phases. One that goes on from a checkpoint first tells
    `resumed`, with the epochs that were done and the steps of the next one.
    """

    def resumed(self, history: Sequence[EpochRecord], steps: int) -> None: ...

    def phase_started(self, number: int, phase: Phase, steps_per_epoch: int) -> None: ...

    def cache_filled(self, done: int, total: int, boundary: str) -> None: ...

    def step_done(self, pictures: int) -> None: ...

    def epoch_done(self, record: EpochRecord) -> None: ...

    def phase_ended(self, reason: str) -> None: ...

    def warned(self, words: str) -> None: ...

    def decided(self, row: Evidence) -> None: ...


class Silent:
    """A watcher that says nothing."""

    def resumed(self, history: Sequence[EpochRecord], steps: int) -> None: ...

    def phase_started(self, number: int, phase: Phase, steps_per_epoch: int) -> None: ...

    def cache_filled(self, done: int, total: int, boundary: str) -> None: ...

    def step_done(self, pictures: int) -> None: ...

    def epoch_done(self, record: EpochRecord) -> None: ...

    def phase_ended(self, reason: str) -> None: ...

    def warned(self, words: str) -> None: ...

    def decided(self, row: Evidence) -> None: ...


class PassingOn:
    """A watcher that tells another one everything: what such a watcher does itself, it adds."""

    def __init__(self, watcher: Watcher) -> None:
        self.watcher = watcher

    def resumed(self, history: Sequence[EpochRecord], steps: int) -> None:
        self.watcher.resumed(history, steps)

    def phase_started(self, number: int, phase: Phase, steps_per_epoch: int) -> None:
        self.watcher.phase_started(number, phase, steps_per_epoch)

    def cache_filled(self, done: int, total: int, boundary: str) -> None:
        self.watcher.cache_filled(done, total, boundary)

    def step_done(self, pictures: int) -> None:
        self.watcher.step_done(pictures)

    def epoch_done(self, record: EpochRecord) -> None:
        self.watcher.epoch_done(record)

    def phase_ended(self, reason: str) -> None:
        self.watcher.phase_ended(reason)

    def warned(self, words: str) -> None:
        self.watcher.warned(words)

    def decided(self, row: Evidence) -> None:
        self.watcher.decided(row)
