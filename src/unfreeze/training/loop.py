"""The loop: phases, epochs, validation, stopping, and the best weights back at the end. It knows no framework.

for phase:                        watcher.phase_started
    for epoch:
        activations not kept yet  watcher.cache_filled, after each batch of them
        train on every batch      watcher.step_done, after each
        score on validation       watcher.epoch_done
        best so far? keep a copy
        stop early?
    the best weights come back    watcher.phase_ended
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unfreeze.errors import TrainingError
from unfreeze.recipe.plan import Phase, Plan
from unfreeze.training.backend import Backend, LossSettings, Snapshot
from unfreeze.training.feeding import Feed, Feeding
from unfreeze.training.history import EpochRecord
from unfreeze.training.schedules import Plateau, rate_at, stage_rates
from unfreeze.training.scores import Scores, score
from unfreeze.training.steering import AsPlanned, Steering, Trained, Validated
from unfreeze.training.stopping import EarlyStopping
from unfreeze.training.watcher import Watcher

# How a phase ends whose loss isn't a number any more.
NOT_FINITE = "the loss became NaN or infinite"
# How one begins that early stopping ended.
NO_BETTER = "no better for"


@dataclass
class Outcome:
    """What a training came to.

    Attributes:
        history: one record per finished epoch.
        best: the record of the epoch whose weights the backend now holds; None when no epoch was finished.
        interrupted: whether it was ended by Ctrl-C.
        endings: why each phase ended, in words.
    """

    history: list[EpochRecord] = field(default_factory=list)
    best: EpochRecord | None = None
    interrupted: bool = False
    endings: list[str] = field(default_factory=list)


def train_plan(
    plan: Plan,
    backend: Backend,
    feeding: Feeding,
    watcher: Watcher,
    on_epoch: Callable[[list[EpochRecord]], None] = lambda _: None,
    steering: Steering | None = None,
) -> Outcome:
    """Carries out a plan. The backend ends with the weights of the best epoch of all phases.

    Ctrl-C ends it cleanly: the best weights so far come back and the outcome says so.

    Args:
        steering: decides which phases are trained; None takes all of the plan's.
        on_epoch: called after each epoch with the history so far, to be kept somewhere safe.

    Raises:
        TrainingError: the loss became NaN or infinite before any epoch was finished.
        DataError: a picture can't be read any more.
    """
    run = _Run(plan, backend, feeding, watcher, on_epoch, steering or AsPlanned(plan))
    try:
        run.train()
    except KeyboardInterrupt:
        run.outcome.interrupted = True
        run.outcome.endings.append("interrupted")
        run.restore_best()
    backend.finish()
    return run.outcome


class _Run:
    def __init__(
        self,
        plan: Plan,
        backend: Backend,
        feeding: Feeding,
        watcher: Watcher,
        on_epoch: Callable[[list[EpochRecord]], None],
        steering: Steering,
    ) -> None:
        self.outcome = Outcome()
        self._plan, self._backend, self._feeding, self._watcher = plan, backend, feeding, watcher
        self._on_epoch, self._steering, self._is_search = on_epoch, steering, plan.is_search
        self._best_weights: Snapshot = None
        self._after_first: Snapshot = None
        self._best_of_phase: Validated | None = None
        self._weights_of_phase: Snapshot = None

    def train(self) -> None:
        number = 0
        while (phase := self._steering.next_phase()) is not None:
            number += 1
            if phase.start == "first":
                self._backend.restore(self._after_first)
            self._train_phase(number, phase)
            if number == 1 and any(later.start == "first" for later in self._plan.phases):
                self._after_first = self._best_weights
        self.restore_best()

    def _train_phase(self, number: int, phase: Phase) -> None:
        self._watcher.phase_started(number, phase, self._plan.steps_per_epoch)
        self._backend.start_phase(phase, loss_settings(self._plan), self._plan.accumulate, self._plan.ema)
        feed = self._feeding.feed(number - 1)
        plateau, stopping = Plateau(phase.schedule), EarlyStopping(phase.stopping)
        ending, started = "all epochs done", time.perf_counter()
        before = self._best_weights, self.outcome.best
        self._best_of_phase, epochs_before = None, len(self.outcome.history)
        for epoch in range(phase.epochs):
            record = self._epoch(number, phase, epoch, plateau.scale, feed)
            if record is None:
                ending = NOT_FINITE
                break
            watched = record.watched(self._plan.watch)
            plateau.observe(watched)
            if stopping.observe(watched):
                ending = f"{NO_BETTER} {stopping.waited} epochs"
                break
            if over := self._steering.is_over():
                ending = over
                break
        epochs = len(self.outcome.history) - epochs_before
        self.outcome.endings.append(ending)
        self._watcher.phase_ended(ending)
        if not self._steering.phase_done(Trained(self._best_of_phase, epochs, time.perf_counter() - started, ending)):
            self._best_weights, self.outcome.best = before
        elif self._is_search and self._best_of_phase is not None:
            self._best_weights, self.outcome.best = self._weights_of_phase, self._best_of_phase.record
        self._weights_of_phase = None
        self.restore_best()

    def restore_best(self) -> None:
        if self.outcome.best is not None:
            self._backend.restore(self._best_weights)

    def _epoch(self, number: int, phase: Phase, epoch: int, scale: float, feed: Feed) -> EpochRecord | None:
        """Trains and scores one epoch; None where its loss isn't finite."""
        steps, stages = self._plan.steps_per_epoch, self._backend.network.trainable_stages(phase.boundary)

        def rate(step: int) -> float:
            return scale * rate_at(phase.schedule, phase.rate, phase.epochs, epoch + step / steps, steps)

        def rates(step: int) -> dict[str, float]:
            return stage_rates(phase, stages, epoch + step / steps, scale, steps)

        started = time.perf_counter()
        batches = feed.training(len(self.outcome.history))
        filled = time.perf_counter()
        result = self._backend.train_epoch(batches, rates, self._watcher.step_done)
        trained = time.perf_counter()
        # Validation pictures of an epoch that failed would be computed for nothing.
        unseen = feed.validation() if math.isfinite(result.objective) else None
        filled_again = time.perf_counter()
        answers, scores = self._validate(unseen) if unseen is not None else (None, None)
        if answers is None or scores is None or not math.isfinite(scores.loss):
            self._check_something_was_learned(phase)
            return None
        scored = time.perf_counter()
        record = EpochRecord(
            epoch=len(self.outcome.history) + 1,
            phase=number,
            phase_name=phase.name,
            boundary=phase.boundary,
            rate=rate(steps - 1),
            train_loss=result.loss,
            train_accuracy=result.accuracy,
            val_loss=scores.loss,
            val_accuracy=scores.accuracy,
            val_balanced_accuracy=scores.balanced_accuracy,
            val_macro_f1=scores.macro_f1,
            best=False,
            train_seconds=round(trained - filled, 3),
            val_seconds=round(scored - filled_again, 3),
            pictures_per_second=round(result.pictures / (trained - filled), 2),
            confusion=scores.confusion.tolist(),
            fill_seconds=round(filled - started + filled_again - trained, 3),
            gradient_norm=_finite(result.gradient_norm),
        )
        with self._backend.averaged():
            self._keep(record, answers)
        self._watcher.epoch_done(self.outcome.history[-1])
        return self.outcome.history[-1]

    def _validate(self, batches: Iterator[Any]) -> tuple[NDArray[np.float32], Scores]:
        """What the model as it is now says of the validation pictures, and its scores."""
        with self._backend.averaged():
            answers = self._backend.predict(batches)
        return answers, score(answers, self._feeding.loader.labels("validation"), self._plan.data.classes)

    def _is_better(self, record: EpochRecord, other: EpochRecord) -> bool:
        return record.watched(self._plan.watch) < other.watched(self._plan.watch)

    def _keep(self, record: EpochRecord, answers: NDArray[np.float32]) -> None:
        """Copies of the weights where they are the best so far, of all phases or of this one."""
        if self.outcome.best is None or self._is_better(record, self.outcome.best):
            record = EpochRecord(**{**vars(record), "best": True})
        best_of_phase = self._best_of_phase is None or self._is_better(record, self._best_of_phase.record)
        wanted = record.best or (best_of_phase and self._is_search)
        weights = self._backend.snapshot() if wanted else None
        if best_of_phase:
            self._best_of_phase, self._weights_of_phase = Validated(record, answers), weights
        if record.best:
            # Together, so that Ctrl-C between them can't leave one epoch's name on another's weights.
            self._best_weights, self.outcome.best = weights, record
        self.outcome.history.append(record)
        self._on_epoch(self.outcome.history)

    def _check_something_was_learned(self, phase: Phase) -> None:
        if self.outcome.best is None:
            raise TrainingError(
                f"{NOT_FINITE} in the first epoch of '{phase.name}', at rate {phase.rate:g}: nothing was"
                " learned. Try a rate ten times lower, or precision: float32."
            )


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def loss_settings(plan: Plan) -> LossSettings:
    """What the plan's steps minimise, by the order of its classes."""

    def in_order(values: dict[str, float] | None) -> NDArray[np.float32] | None:
        return None if values is None else np.array([values[name] for name in plan.data.classes], np.float32)

    return LossSettings(
        label_smoothing=plan.label_smoothing,
        class_weights=in_order(plan.class_weights),
        focal_gamma=plan.focal_gamma,
        logit_offsets=in_order(plan.logit_offsets),
    )
