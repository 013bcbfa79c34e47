"""A training diagnosed while it goes on."""

from __future__ import annotations

from collections.abc import Sequence

from unfreeze.api.diagnoses import evidence_of
from unfreeze.diagnosis.diagnose import LIVE
from unfreeze.diagnosis.finding import Finding
from unfreeze.diagnosis.not_finite import not_finite
from unfreeze.recipe.plan import Phase, Plan
from unfreeze.training.history import EpochRecord
from unfreeze.training.watcher import PassingOn, Watcher


class Diagnosing(PassingOn):
    """Warns another watcher where a phase goes wrong: once of each thing in each phase."""

    def __init__(self, watcher: Watcher, plan: Plan) -> None:
        super().__init__(watcher)
        self._plan = plan
        self._history: list[EpochRecord] = []
        self._phase = 0
        self._said: set[tuple[int, str]] = set()

    def resumed(self, history: Sequence[EpochRecord], steps: int) -> None:
        self._history = list(history)
        super().resumed(history, steps)

    def phase_started(self, number: int, phase: Phase, steps_per_epoch: int) -> None:
        self._phase = number
        super().phase_started(number, phase, steps_per_epoch)

    def epoch_done(self, record: EpochRecord) -> None:
        super().epoch_done(record)
        self._history.append(record)
        # What went wrong in earlier phases was said while they went on.
        evidence = evidence_of(self._plan, [one for one in self._history if one.phase == record.phase])
        for check in LIVE:
            self._warn(check(evidence))

    def phase_ended(self, reason: str) -> None:
        super().phase_ended(reason)
        self._warn(not_finite(evidence_of(self._plan, self._history, (*[""] * (self._phase - 1), reason))))

    def _warn(self, finding: Finding) -> None:
        said = self._phase, finding.code
        if finding.is_found and finding.severity != "note" and said not in self._said:
            self._said.add(said)
            self.warned(f"{finding.code}: {finding.explanation}")
