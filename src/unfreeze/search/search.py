"""The strategy `auto` at work: steers a training from step to step, and writes down by what."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from unfreeze.diagnosis.better import compare_models
from unfreeze.recipe.plan import Evidence, Phase, Plan
from unfreeze.search.budget import Budget, Estimates, fitted
from unfreeze.search.decide import decide
from unfreeze.search.features import distance_in_words, is_far
from unfreeze.search.probe import Probe
from unfreeze.training.checkpoint import Checkpoint
from unfreeze.training.history import EpochRecord
from unfreeze.training.run_folder import Predicted
from unfreeze.training.scores import accuracy_interval
from unfreeze.training.standing import epoch_of, validated_in
from unfreeze.training.steering import Trained, Validated

# What is decided after a step.
KEPT, LEFT, NOT_TAKEN = "kept", "not kept", "not taken"
_ANSWERS = "answers"
_SPENT, _TOO_LITTLE_LEFT = "the budget is spent", "too little of the budget is left"


class Search:
    """A `training.steering.Steering` that trains the head, then as many stages as pays, and stops.

    Args:
        plan: of the strategy `auto`: its phases are the steps that may be taken.
        labels: int64 [N], of the validation pictures.
        probes: of the frozen features; none where they couldn't be had.
        estimates: of the time that steps take.
        budget: the most they may take together, from here on.
        tell: is given the plan with its evidence, whenever that grows.
        seconds: that the probes took.
    """

    def __init__(
        self,
        plan: Plan,
        labels: NDArray[np.int64],
        probes: Sequence[Probe],
        estimates: Estimates,
        budget: Budget,
        tell: Callable[[Plan], None],
        seconds: float = 0.0,
    ) -> None:
        self.plan = plan.model_copy(update={"evidence": tuple(_of_probes(probes, seconds))})
        self._labels, self._far = labels, is_far(probes)
        self._estimates, self._budget, self._tell = estimates, budget, tell
        self._began = time.perf_counter()
        self._asked_epochs = [phase.epochs for phase in plan.phases]
        self._first_seconds: float | None = None
        self._place = 0
        self._ended: str | None = None
        self._best: Validated | None = None

    def next_phase(self) -> Phase | None:
        if self._ended is None and self._place < len(self.plan.phases):
            phase = self._within_budget(self.plan.phases[self._place])
            if phase is not None:
                return phase
            self._ended = _TOO_LITTLE_LEFT
        self._leave_out_the_rest()
        return None

    def is_over(self) -> str | None:
        limit = self._limit()
        return _SPENT if limit is not None and self._elapsed() > limit else None

    def phase_done(self, trained: Trained) -> bool:
        """Whether its weights are kept."""
        phase, before = self.plan.phases[self._place], self._best
        self._place += 1
        if self._first_seconds is None:
            self._first_seconds = trained.seconds
        expected = phase.epochs * self._estimates.epoch(phase.boundary)
        if trained.best is None:
            self._ended = "a step whose loss isn't finite"
            self._note(_taken(phase, trained, expected, LEFT, trained.ending, self.plan.watch))
            return False
        self._estimates.learn(phase.boundary, trained.seconds, trained.epochs)
        if before is None:
            self._best = trained.best
            self._note(_taken(phase, trained, expected, KEPT, "what the steps below are held against", self.plan.watch))
            return True
        gain = compare_models(self._answers(before), self._answers(trained.best), self.plan.watch)
        decision = decide(gain, first=self._place == 2, far=self._far)
        if decision.keep:
            self._best = trained.best
        if not decision.go_on:
            self._ended = f"what '{phase.name}' gave was {decision.reason.partition(':')[0]}"
        reason, asked = decision.reason, self._asked_epochs[self._place - 1]
        if phase.epochs < asked:
            reason += f"; {phase.epochs} epochs instead of {asked}, for the budget"
        self._note(_taken(phase, trained, expected, KEPT if decision.keep else LEFT, reason, self.plan.watch))
        return decision.keep

    def state(self) -> Checkpoint:
        facts = {
            "place": self._place,
            "ended": self._ended,
            "far": self._far,
            "elapsed": self._elapsed(),
            "first_seconds": self._first_seconds,
            "corrections": self._estimates.corrections,
            "asked_epochs": self._asked_epochs,
            "phases": [phase.model_dump(mode="json") for phase in self.plan.phases],
            "evidence": [row.model_dump(mode="json") for row in self.plan.evidence],
            "best": epoch_of(self._best),
        }
        return Checkpoint(facts, {_ANSWERS: self._best.log_probabilities} if self._best is not None else {})

    def go_on(self, state: Checkpoint, history: Sequence[EpochRecord]) -> None:
        facts = state.facts
        self._place, self._ended, self._far = int(facts["place"]), facts["ended"], bool(facts["far"])
        self._began = time.perf_counter() - facts["elapsed"]
        self._first_seconds = facts["first_seconds"]
        # Those of a run's plan may be of steps that were shortened since.
        self._asked_epochs = [int(epochs) for epochs in facts["asked_epochs"]]
        self._estimates.corrections = {str(kind): float(factor) for kind, factor in facts["corrections"].items()}
        phases = tuple(Phase.model_validate(phase) for phase in facts["phases"])
        evidence = tuple(Evidence.model_validate(row) for row in facts["evidence"])
        self.plan = self.plan.model_copy(update={"phases": phases, "evidence": evidence})
        self._best = validated_in(history, facts["best"], state.arrays.get(_ANSWERS))
        self._tell(self.plan)

    def _within_budget(self, phase: Phase) -> Phase | None:
        """The phase, shortened where the time left asks for it; None where there isn't enough."""
        limit = self._limit()
        left = None if limit is None or self._place == 0 else limit - self._elapsed()
        short = fitted(phase, self._estimates.epoch(phase.boundary), left)
        if short is not None and short is not phase:
            phases = [*self.plan.phases[: self._place], short, *self.plan.phases[self._place + 1 :]]
            self.plan = self.plan.model_copy(update={"phases": tuple(phases)})
        return short

    def _limit(self) -> float | None:
        first = self._first_seconds
        if first is None and self._budget.times is not None:
            return None  # the head phase is what is counted in
        return self._budget.limit(first or 0.0)

    def _elapsed(self) -> float:
        return time.perf_counter() - self._began

    def _answers(self, validated: Validated) -> Predicted:
        names = tuple(str(place) for place in range(len(self._labels)))
        return Predicted(names, self._labels, np.exp(validated.log_probabilities.astype(np.float64)))

    def _leave_out_the_rest(self) -> None:
        rest, self._place = self.plan.phases[self._place :], len(self.plan.phases)
        for phase in rest:
            expected = phase.epochs * self._estimates.epoch(phase.boundary)
            self._note(_step(phase, expected, NOT_TAKEN, self._ended or ""))

    def _note(self, row: Evidence) -> None:
        self.plan = self.plan.model_copy(update={"evidence": (*self.plan.evidence, row)})
        self._tell(self.plan)


def expected_steps(plan: Plan, estimates: Estimates) -> tuple[Evidence, ...]:
    """The steps that may be taken, before any is, with the time that each is expected to take."""
    return tuple(
        _step(phase, phase.epochs * estimates.epoch(phase.boundary), "may be taken", "not yet") for phase in plan.phases
    )


def _step(phase: Phase, seconds: float, decision: str, reason: str) -> Evidence:
    return Evidence(
        step=phase.name,
        boundary=phase.boundary,
        trainable_parameters=phase.trainable_parameters,
        estimated_seconds=round(seconds, 1),
        decision=decision,
        reason=reason,
    )


def _taken(phase: Phase, trained: Trained, expected: float, decision: str, reason: str, watch: str) -> Evidence:
    row = _step(phase, expected, decision, reason).model_dump() | {"seconds": round(trained.seconds, 1)}
    if trained.best is not None:
        record = trained.best.record
        right, pictures = np.trace(record.confusion), int(np.sum(record.confusion))
        interval = accuracy_interval(int(right), pictures)
        row |= {"score": record.val_accuracy, "interval": interval, "watched": getattr(record, watch)}
    return Evidence(**row)


def _of_probes(probes: Sequence[Probe], seconds: float) -> list[Evidence]:
    rows = [
        Evidence(
            step=f"probe before {one.boundary}",
            boundary=one.boundary,
            score=one.accuracy,
            interval=(max(one.accuracy - 1.96 * one.error, 0.0), min(one.accuracy + 1.96 * one.error, 1.0)),
            logme=one.logme,
            decision="looked at",
            reason=f"{one.pictures} training pictures",
        )
        for one in probes
    ]
    if rows:
        said = {"seconds": round(seconds, 1), "reason": distance_in_words(probes)}
        rows[-1] = rows[-1].model_copy(update=said)
    return rows
