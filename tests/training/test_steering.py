"""A training that is steered: phases left out, weights not kept, steps that start afresh. On scripted losses."""

from __future__ import annotations

from pathlib import Path

from test_loop import counter, scripted

from unfreeze.recipe.plan import Phase
from unfreeze.training.loop import train_plan
from unfreeze.training.steering import Trained
from unfreeze.training.watcher import Silent

# For the tiny network `auto` has two phases: the head, and the whole network from where the head ended.
AUTO = {"strategy": "auto", "head_only.epochs": 2, "unfrozen.epochs": 2}


class Steered:
    """Keeps what it is told to, and ends phases where it is told to."""

    def __init__(self, phases: tuple[Phase, ...], keep: list[bool], over_after: int | None = None) -> None:
        self.trained: list[Trained] = []
        self._phases, self._keep, self._over_after, self._epochs = iter(phases), keep, over_after, 0

    def next_phase(self) -> Phase | None:
        return next(self._phases, None)

    def is_over(self) -> str | None:
        self._epochs += 1
        return "time is up" if self._epochs == self._over_after else None

    def phase_done(self, trained: Trained) -> bool:
        self.trained.append(trained)
        return self._keep[len(self.trained) - 1]


def test_a_step_starts_where_the_first_ended_and_a_worse_one_is_kept_where_that_is_decided(tmp_path: Path) -> None:
    # The first phase sees counters 1 and 2 and is best at 1; the second goes on from there with 2 and 3.
    plan, backend, feeding = scripted(tmp_path, [0.5, 0.6, 0.55], **AUTO)
    assert [phase.start for phase in plan.phases] == ["best", "first"]
    steering = Steered(plan.phases, keep=[True, True])
    outcome = train_plan(plan, backend, feeding, Silent(), steering=steering)
    assert outcome.best is not None
    assert (outcome.best.epoch, counter(backend)) == (4, 3)
    assert [(one.epochs, one.best.record.epoch) for one in steering.trained if one.best] == [(2, 1), (2, 4)]
    assert steering.trained[1].best is not None
    assert steering.trained[1].best.log_probabilities.shape == (len(feeding.loader.labels("validation")), 2)


def test_a_better_step_isnt_kept_where_that_is_decided(tmp_path: Path) -> None:
    plan, backend, feeding = scripted(tmp_path, [0.5, 0.3, 0.2], **AUTO | {"head_only.epochs": 1})
    outcome = train_plan(plan, backend, feeding, Silent(), steering=Steered(plan.phases, keep=[True, False]))
    assert outcome.best is not None
    assert (outcome.best.epoch, counter(backend), len(outcome.history)) == (1, 1, 3)


def test_phases_can_be_left_out_and_ended(tmp_path: Path) -> None:
    plan, backend, feeding = scripted(tmp_path, [0.5, 0.4, 0.3, 0.2], **AUTO | {"head_only.epochs": 4})
    outcome = train_plan(plan, backend, feeding, Silent(), steering=Steered(plan.phases[:1], [True], over_after=2))
    assert outcome.endings == ["time is up"]
    assert len(outcome.history) == 2
