"""The loop: phases, epochs, validation, stopping, and the best weights back at the end. It knows no framework.

for phase:                        watcher.phase_started, checkpoint
    for epoch:
        activations not kept yet  watcher.cache_filled, after each batch of them
        train on every batch      watcher.step_done, after each; now and then a checkpoint
        score on validation       watcher.epoch_done
        best so far? keep a copy
        stop early?               checkpoint
    the best weights come back    watcher.phase_ended

A training that goes on from a checkpoint enters this where it was left.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unfreeze.errors import RunError, TrainingError, first_line
from unfreeze.recipe.plan import Phase, Plan
from unfreeze.training.backend import Backend, LossSettings
from unfreeze.training.checkpoint import Checkpoint, Checkpoints
from unfreeze.training.feeding import Feed, Feeding
from unfreeze.training.history import EpochRecord
from unfreeze.training.interruption import Interruption
from unfreeze.training.memory import OutOfMemory
from unfreeze.training.schedules import rate_at, stage_rates
from unfreeze.training.scores import Scores, score
from unfreeze.training.standing import Best, InPhase, Standing, checkpoint_of, standing_in
from unfreeze.training.steering import AsPlanned, Steering, Trained, Validated
from unfreeze.training.watcher import Watcher

# How a phase ends whose loss isn't a number any more.
NOT_FINITE = "the loss became NaN or infinite"
# How one begins that early stopping ended.
NO_BETTER = "no better for"
_ALL_DONE = "all epochs done"
# How often a phase is begun whose loss isn't a number, and what its rate is multiplied by each time.
_TRIES, _LOWER = 3, 0.1


@dataclass
class Outcome:
    """What a training came to.

    Attributes:
        history: one record per finished epoch.
        best: the record of the epoch whose weights the backend now holds; None when no epoch was finished.
        interrupted: by what it was ended: Ctrl-C or SIGTERM; None where it came to its end.
        endings: why each phase ended, in words.
    """

    history: list[EpochRecord] = field(default_factory=list)
    best: EpochRecord | None = None
    interrupted: KeyboardInterrupt | None = None
    endings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Keeping:
    """How a training is kept safe.

    Attributes:
        checkpoints: where it is kept.
        every_seconds: how often within an epoch; each epoch and each phase is kept in any case.
        resumed: where to go on from; None starts it.
    """

    checkpoints: Checkpoints
    every_seconds: float
    resumed: Checkpoint | None = None


def train_plan(
    plan: Plan,
    backend: Backend,
    feeding: Feeding,
    watcher: Watcher,
    on_epoch: Callable[[list[EpochRecord]], None] = lambda _: None,
    steering: Steering | None = None,
    keeping: Keeping | None = None,
    interruption: Interruption | None = None,
) -> Outcome:
    """Carries out a plan. The backend ends with the weights of the best epoch of all phases.

    Ctrl-C and SIGTERM end it cleanly: the best weights so far come back and the outcome says so.

    Where memory doesn't suffice each batch is computed in 2, 4 … parts, from the last checkpoint on. A phase whose loss becomes
    NaN or infinite begins again at a tenth of its rate, from the best weights so far, twice at most.

    Args:
        backend: newly opened.
        on_epoch: called after each epoch with the history so far, to be kept somewhere safe.
        steering: decides which phases are trained; None takes all of the plan's.
        keeping: None keeps nothing, and begins no phase again.
        interruption: listening, so that what is under way is kept first; None leaves Ctrl-C to Python.

    Raises:
        TrainingError: the loss became NaN or infinite before any epoch was finished.
        OutOfMemory: it doesn't suffice for the smallest parts.
        DataError: a picture can't be read any more.
        StorageError: a checkpoint can't be written.
        RunError: the checkpoint to go on from isn't one of this plan.
    """
    run = _Run(plan, backend, feeding, watcher, on_epoch, steering or AsPlanned(plan), keeping, interruption or Interruption())
    interrupted = None
    try:
        run.train()
    except KeyboardInterrupt as error:
        interrupted = error
        run.restore_best()
    backend.finish()
    return run.outcome(interrupted)


class _Run:
    def __init__(
        self,
        plan: Plan,
        backend: Backend,
        feeding: Feeding,
        watcher: Watcher,
        on_epoch: Callable[[list[EpochRecord]], None],
        steering: Steering,
        keeping: Keeping | None,
        interruption: Interruption,
    ) -> None:
        self._standing = Standing()
        self._plan, self._backend, self._feeding, self._watcher = plan, backend, feeding, watcher
        # What every phase is begun with.
        self._settings = loss_settings(plan), plan.accumulate, plan.ema
        self._on_epoch, self._steering, self._is_search = on_epoch, steering, plan.is_search
        self._keeping, self._interruption = keeping, interruption
        self._kept_at = self._epoch_began = time.perf_counter()
        self._gave_up = False

    def outcome(self, interrupted: KeyboardInterrupt | None) -> Outcome:
        at, endings = self._standing, list(self._standing.endings)
        if interrupted is not None:
            endings.append("interrupted")
        return Outcome(at.history, at.best.record if at.best is not None else None, interrupted, endings)

    def train(self) -> None:
        if self._keeping is not None and self._keeping.resumed is not None:
            self._resume(self._keeping.resumed)
        while (phase := self._standing.phase or self._begin_next()) is not None:
            if self._train_phase(phase):
                self._end_phase(phase)
            else:
                self._halve_parts(phase)
        self.restore_best()

    def _resume(self, checkpoint: Checkpoint) -> None:
        try:
            steering = self._enter(checkpoint)
            self._steering.go_on(steering, self._standing.history)
        except (KeyError, TypeError, ValueError, IndexError, AttributeError, RuntimeError) as error:
            raise RunError(
                f"{checkpoint.path}: isn't as it was written ({first_line(error)}): it was edited, or is of another version of"
                " unfreeze. Train anew with: unfreeze train"
            ) from None
        phase = self._standing.phase
        self._watcher.resumed(self._standing.history, phase.steps if phase is not None else 0)
        if phase is not None:
            self._watcher.phase_started(phase.number, phase.phase, self._plan.steps_per_epoch)

    def _enter(self, checkpoint: Checkpoint, parts: int | None = None) -> Checkpoint:
        """Goes to where a checkpoint stands; what decides on the way stood there so."""
        self._standing, steering = standing_in(checkpoint)
        self._standing.parts = parts or self._standing.parts
        if (at := self._standing.phase) is not None:
            self._backend.resume_phase(at.phase, *self._settings, state=checkpoint.arrays, parts=self._standing.parts)
        return steering

    def _begin_next(self) -> InPhase | None:
        phase = None if self._gave_up else self._steering.next_phase()
        if phase is None:
            return None
        at = self._standing
        at.phase = InPhase.at_start(len(at.endings) + 1, phase, at.best)
        if phase.start == "first" and at.after_first is not None:
            self._backend.restore(at.after_first)
        self._watcher.phase_started(at.phase.number, phase, self._plan.steps_per_epoch)
        self._start(phase, afresh=phase.start == "first")
        return at.phase

    def _start(self, phase: Phase, afresh: bool) -> None:
        self._backend.start_phase(phase, *self._settings, afresh=afresh, parts=self._standing.parts)
        self._keep_safe()

    def _train_phase(self, at: InPhase) -> bool:
        """Trains a phase to its end; False where memory doesn't suffice."""
        feed = self._feeding.feed(at.number - 1)
        while at.ending is None:
            began = time.perf_counter()
            try:
                record = self._epoch(at, feed)
            except OutOfMemory:
                return False
            at.seconds += at.epoch_seconds + time.perf_counter() - began
            if record is None:
                self._begin_again(at)
                continue
            at.epochs, at.steps, at.epoch_seconds = at.epochs + 1, 0, 0.0
            at.ending = self._ending(at, record)
            self._keep_safe()
        return True

    def _halve_parts(self, at: InPhase) -> None:
        """Goes back to the last checkpoint, to compute each batch in twice as many parts from there on."""
        parts, last = 2 * self._standing.parts, self._keeping.checkpoints.newest().checkpoint if self._keeping else None
        if last is None or parts > self._plan.batch_size // 2:
            raise OutOfMemory(MemoryError(f"in '{at.phase.name}', each batch of {self._plan.batch_size} in {parts // 2} parts"))
        self._watcher.warned(
            f"out of memory: each batch of {self._plan.batch_size} is computed in {parts} parts from here on; the step stays"
            " that of all its pictures"
        )
        self._enter(last, parts)

    def _ending(self, at: InPhase, record: EpochRecord) -> str | None:
        """Why the phase ends with this epoch, if it does."""
        watched = record.watched(self._plan.watch)
        at.plateau.observe(watched)
        if at.stopping.observe(watched):
            return f"{NO_BETTER} {at.stopping.waited} epochs{_lowered(at)}"
        over = self._steering.is_over()
        return over or (f"{_ALL_DONE}{_lowered(at)}" if at.epochs == at.phase.epochs else None)

    def _begin_again(self, at: InPhase) -> None:
        """What is done where the loss isn't finite: the phase once more at a lower rate, or no more."""
        if self._keeping is None or at.tries == _TRIES:
            self._check_something_was_learned(at)
            # A search itself leaves out what would come after.
            at.ending, self._gave_up = NOT_FINITE, self._keeping is not None and not self._is_search
            return
        rate = at.phase.rate * _LOWER
        self._watcher.warned(f"{NOT_FINITE} at rate {at.phase.rate:g}: '{at.phase.name}' begins again at {rate:g}")
        if at.phase.start == "first" and self._standing.after_first is not None:
            self._backend.restore(self._standing.after_first)
        elif self._standing.best is not None:
            self.restore_best()
        else:
            self._backend.restore(self._keeping.checkpoints.opened)
        at.begin_again(at.phase.model_copy(update={"rate": rate}))
        self._start(at.phase, afresh=True)

    def _end_phase(self, at: InPhase) -> None:
        standing, ending = self._standing, at.ending or _ALL_DONE
        standing.endings.append(ending)
        self._watcher.phase_ended(ending)
        if not self._steering.phase_done(Trained(at.best, at.epochs, at.seconds, ending)):
            standing.best = at.before
        elif self._is_search and at.best is not None:
            standing.best = Best(at.best.record, at.weights)
        if at.number == 1 and standing.best is not None and any(phase.start == "first" for phase in self._plan.phases):
            standing.after_first = standing.best.weights
        standing.phase = None
        self.restore_best()

    def restore_best(self) -> None:
        best = self._standing.best
        if best is not None and best.weights is not None:
            self._backend.restore(best.weights)

    def _epoch(self, at: InPhase, feed: Feed) -> EpochRecord | None:
        """Trains and scores one epoch, or what is left of it; None where its loss isn't finite."""
        phase, scale, number = at.phase, at.plateau.scale, len(self._standing.history) + 1
        steps, stages = self._plan.steps_per_epoch, self._backend.network.trainable_stages(phase.boundary)

        def rate(step: int) -> float:
            return scale * rate_at(phase.schedule, phase.rate, phase.epochs, at.epochs + step / steps, steps)

        def rates(step: int) -> dict[str, float]:
            return stage_rates(phase, stages, at.epochs + step / steps, scale, steps)

        started = time.perf_counter()
        batches = feed.training(number - 1, at.steps * self._plan.accumulate)
        filled = self._epoch_began = self._kept_at = time.perf_counter()
        with self._interruption.held():
            result = self._backend.train_epoch(batches, rates, partial(self._step_done, at), at.steps)
        trained = time.perf_counter()
        # Validation pictures of an epoch that failed would be computed for nothing.
        unseen = feed.validation() if math.isfinite(result.objective) else None
        filled_again = time.perf_counter()
        answers, scores = self._validate(unseen) if unseen is not None else (None, None)
        if answers is None or scores is None or not math.isfinite(scores.loss):
            return None
        scored = time.perf_counter()
        training = at.epoch_seconds + trained - filled
        record = EpochRecord(
            epoch=number,
            phase=at.number,
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
            train_seconds=round(training, 3),
            val_seconds=round(scored - filled_again, 3),
            pictures_per_second=round(result.pictures / training, 2),
            confusion=scores.confusion.tolist(),
            fill_seconds=round(filled - started + filled_again - trained, 3),
            gradient_norm=_finite(result.gradient_norm),
        )
        with self._backend.averaged():
            record = self._keep_best(at, record, answers)
        self._watcher.epoch_done(record)
        return record

    def _step_done(self, at: InPhase, pictures: int) -> None:
        at.steps += 1
        self._watcher.step_done(pictures)
        every = self._keeping.every_seconds if self._keeping is not None else math.inf
        if self._interruption.is_asked or time.perf_counter() - self._kept_at > every:
            self._keep_safe()
        self._interruption.check()

    def _keep_safe(self) -> None:
        """Writes a checkpoint."""
        if self._keeping is None:
            return
        now, standing, at = time.perf_counter(), self._standing, self._standing.phase
        if at is not None and at.steps > 0:
            standing = replace(standing, phase=replace(at, epoch_seconds=at.epoch_seconds + now - self._epoch_began))
        self._keeping.checkpoints.write(checkpoint_of(standing, self._backend.state(), self._steering.state()))
        self._kept_at = time.perf_counter()

    def _validate(self, batches: Iterator[Any]) -> tuple[NDArray[np.float32], Scores]:
        """What the model as it is now says of the validation pictures, and its scores."""
        with self._backend.averaged():
            answers = self._backend.predict(batches)
        return answers, score(answers, self._feeding.loader.labels("validation"), self._plan.data.classes)

    def _is_better(self, record: EpochRecord, other: EpochRecord) -> bool:
        return record.watched(self._plan.watch) < other.watched(self._plan.watch)

    def _keep_best(self, at: InPhase, record: EpochRecord, answers: NDArray[np.float32]) -> EpochRecord:
        """Copies of the weights where they are the best so far, of all phases or of this one; the record, saying so."""
        standing = self._standing
        best = standing.best is None or self._is_better(record, standing.best.record)
        best_of_phase = at.best is None or self._is_better(record, at.best.record)
        weights = self._backend.snapshot() if best or (best_of_phase and self._is_search) else None
        record = replace(record, best=best)
        if best_of_phase:
            at.best, at.weights = Validated(record, answers), weights
        if best:
            # Together, so that Ctrl-C between them can't leave one epoch's name on another's weights.
            standing.best = Best(record, weights)
        standing.history.append(record)
        self._on_epoch(standing.history)
        return record

    def _check_something_was_learned(self, at: InPhase) -> None:
        if self._standing.best is not None:
            return
        tried = f", nor at {_LOWER:g} and {_LOWER**2:g} of its rate" if at.tries > 1 else ""
        rate = at.phase.rate / _LOWER ** (at.tries - 1)
        raise TrainingError(
            f"{NOT_FINITE} in the first epoch of '{at.phase.name}', at rate {rate:g}: nothing was learned{tried}. Try a rate"
            f" {'a thousand' if tried else 'ten'} times lower, or precision: float32."
        )


def _lowered(at: InPhase) -> str:
    return f"; begun {at.tries} times, because {NOT_FINITE}" if at.tries > 1 else ""


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
