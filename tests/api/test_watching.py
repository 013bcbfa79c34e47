"""A training diagnosed while it goes on: on made-up epochs."""

from __future__ import annotations

from typing import Any

from support.made_up import epochs, small_plan
from unfreeze.api.watching import Diagnosing
from unfreeze.recipe.plan import Phase, Plan
from unfreeze.recipe.read import read_recipe
from unfreeze.training.history import EpochRecord
from unfreeze.training.loop import NOT_FINITE
from unfreeze.training.watcher import Silent

PLAN = small_plan(read_recipe(None, {"unfrozen.rate": 0.1}))
NAMES = {1: "head only", 2: "last 2 stages"}


class Listener(Silent):
    """Writes down what it is told, a warning by its code."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.words: list[str] = []

    def phase_started(self, number: int, phase: Phase, steps_per_epoch: int) -> None:
        self.told.append(f"start {number} {phase.name} {steps_per_epoch}")

    def cache_filled(self, done: int, total: int, boundary: str) -> None:
        self.told.append(f"filled {done} {total} {boundary}")

    def step_done(self, pictures: int) -> None:
        self.told.append(f"step {pictures}")

    def epoch_done(self, record: EpochRecord) -> None:
        self.told.append(f"epoch {record.epoch}")

    def phase_ended(self, reason: str) -> None:
        self.told.append(f"end {reason}")

    def warned(self, words: str) -> None:
        self.told.append(f"warned {words.partition(':')[0]}")
        self.words.append(words)


def follow(endings: tuple[str, ...] = ("all epochs done",) * 2, plan: Plan = PLAN, **columns: Any) -> Listener:
    """Whoever listens to a training with these curves."""
    phases = columns.get("phase", [1])
    history = epochs(phase_name=[NAMES[phase] for phase in phases], **columns)
    listener = Listener()
    diagnosing = Diagnosing(listener, plan)
    for number, ending in enumerate(endings, start=1):
        diagnosing.phase_started(number, plan.phases[number - 1], 7)
        for record in history:
            if record.phase == number:
                diagnosing.epoch_done(record)
        diagnosing.phase_ended(ending)
    return listener


def test_everything_is_handed_on() -> None:
    listener = Listener()
    diagnosing = Diagnosing(listener, PLAN)
    diagnosing.phase_started(1, PLAN.phases[0], 7)
    diagnosing.cache_filled(3, 9, "head")
    diagnosing.step_done(32)
    diagnosing.epoch_done(epochs(train_loss=[0.5])[0])
    diagnosing.warned("disk: nearly full")
    diagnosing.phase_ended("all epochs done")
    assert listener.told == [
        "start 1 head only 7", "filled 3 9 head", "step 32", "epoch 1", "warned disk", "end all epochs done",
    ]  # fmt: skip
    assert listener.words == ["disk: nearly full"]


def test_a_warning_comes_once_in_a_phase_and_right_after_the_epoch_that_showed_it() -> None:
    loss = [0.8, 0.6, 60.0, 60.0, 60.0, 60.0]
    listener = follow(("all epochs done",), phase=[1] * 6, train_loss=loss, val_loss=loss, train_accuracy=0.3, val_accuracy=0.3)
    assert listener.told.count("warned rate-too-high") == 1
    assert listener.told.index("warned rate-too-high") == listener.told.index("epoch 3") + 1
    assert listener.words[0].startswith("rate-too-high: 'head only' at rate ")


def test_the_next_phase_is_warned_of_what_goes_wrong_in_it() -> None:
    loss = [0.8, 60.0, 60.0]
    known = {"train_accuracy": 0.3, "val_accuracy": 0.3, "phase": [1] * 3 + [2] * 3, "boundary": ["head"] * 3 + ["stage2"] * 3}
    well = follow(**known, train_loss=[*loss, 0.8, 0.7, 0.6], val_loss=[*loss, 0.8, 0.7, 0.6])
    assert [words.partition(" at rate")[0] for words in well.words] == ["rate-too-high: 'head only'"]
    badly = follow(**known, train_loss=loss * 2, val_loss=loss * 2)
    assert [words.partition(" at rate")[0] for words in badly.words] == [
        "rate-too-high: 'head only'", "rate-too-high: 'last 2 stages'",
    ]  # fmt: skip


def test_notes_are_never_said_while_it_goes_on() -> None:
    # Validation loss turned up for four epochs: a note.
    listener = follow(
        ("all epochs done",), phase=[1] * 6, train_loss=[0.9, 0.8, 0.7, 0.6, 0.5, 0.4],
        val_loss=[0.9, 0.5, 0.6, 0.7, 0.8, 0.9], train_accuracy=0.9, val_accuracy=0.9,
    )  # fmt: skip
    assert listener.words == []


def test_a_loss_that_is_no_number_is_said_at_the_end_of_its_phase() -> None:
    columns = {"train_loss": 0.5, "val_loss": 0.5, "val_accuracy": 0.8}
    listener = follow(("all epochs done", NOT_FINITE), phase=[1, 1], **columns)
    assert listener.told[-2:] == [f"end {NOT_FINITE}", "warned not-finite"]
    assert "in 'last 2 stages': the best weights before that are kept" in listener.words[0]
    earlier = follow((NOT_FINITE, "all epochs done"), phase=[1, 2], **columns)
    assert [words.partition(":")[0] for words in earlier.words] == ["not-finite"]
    assert "in 'head only'" in earlier.words[0]
