"""The loop: phases, best weights back, stopping, plateau, Ctrl-C, NaN. On the NumPy backend or on made-up numbers."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support import numpy_backend
from support.folders import class_folder
from unfreeze.data.load import Loader
from unfreeze.data.scan import scan_for_training
from unfreeze.errors import TrainingError
from unfreeze.recipe.plan import Phase, Plan
from unfreeze.recipe.read import read_recipe
from unfreeze.training.activations import Place
from unfreeze.training.backend import EpochResult
from unfreeze.training.checkpoint import Checkpoints
from unfreeze.training.feeding import Feeding
from unfreeze.training.history import EpochRecord
from unfreeze.training.loop import Keeping, train_plan
from unfreeze.training.memory import OutOfMemory
from unfreeze.training.planning import make_plan
from unfreeze.training.watcher import Silent


class Scripted(numpy_backend.NumpyBackend):
    """Trains on nothing: each epoch adds one to a counter, and the validation loss follows a script."""

    script: list[float]
    train_losses: list[float] | None = None
    norms: list[float | None] | None = None
    interrupt_in: int | None = None
    nan_once_at: int | None = None
    memory_for_parts: int = 1
    fails_at: int = 0
    parts: int = 1

    def start_phase(self, *arguments: Any, **named: Any) -> None:
        super().start_phase(*arguments, **named)
        self.parts = named.get("parts", 1)

    def train_epoch(self, batches: Any, rates: Any, on_step: Any, done: int = 0) -> EpochResult:
        epoch = int(self.weights["stem"][0, 0])
        if self.parts < self.memory_for_parts and epoch == self.fails_at:
            self.weights["stem"] = self.weights["stem"] + np.float32(0.5)  # half a step
            raise OutOfMemory(MemoryError())
        self.rates = [*getattr(self, "rates", []), rates(0)["head"]]
        self.weights["stem"] = self.weights["stem"] + np.float32(1)
        if self.interrupt_in == epoch:
            raise KeyboardInterrupt
        if self.nan_once_at == epoch:
            self.nan_once_at = None
            return EpochResult(math.nan, 1.0, 0.5, 10)
        objective, norm = (values[epoch] if values else None for values in (self.train_losses, self.norms))
        return EpochResult(1.0 if objective is None else objective, 1.0, 0.5, 10, norm)

    def predict(self, batches: Any) -> Any:
        pictures = sum(len(batch.labels) for batch in batches)
        loss = self.script[int(self.weights["stem"][0, 0]) - 1]
        right, wrong = -loss, math.log(max(1e-9, 1 - math.exp(-loss))) if not math.isnan(loss) else math.nan
        labels = self.loader_labels
        rows = np.full((pictures, 2), wrong, np.float32)
        rows[np.arange(pictures), labels] = right
        return rows


class Listener(Silent):
    def __init__(self) -> None:
        self.said: list[str] = []
        self.warnings: list[str] = []

    def warned(self, words: str) -> None:
        self.warnings.append(words)

    def phase_started(self, number: int, phase: Phase, steps_per_epoch: int) -> None:
        self.said.append(f"start {number} {phase.name}")

    def epoch_done(self, record: EpochRecord) -> None:
        self.said.append(f"epoch {record.epoch}{' best' if record.best else ''}")

    def phase_ended(self, reason: str) -> None:
        self.said.append(f"end: {reason}")


def scripted(tmp_path: Path, script: list[float], **changes: Any) -> tuple[Plan, Scripted, Feeding]:
    class_folder(tmp_path / "photos", {"cat": 8, "dog": 8})
    recipe = read_recipe(None, {"model": "tiny", **changes})
    dataset = scan_for_training(tmp_path / "photos", recipe.data, recipe.seed)
    opened = numpy_backend.open_network(recipe, dataset.classes)
    opened.weights["stem"][:] = 0
    backend = Scripted(opened.weights, "tiny", dataset.classes, 0.0, 0)
    backend.script = script
    plan = make_plan(recipe, dataset, backend)
    loader = Loader(dataset, plan.network.contract, plan.batch_size, plan.augment)
    backend.loader_labels = loader.labels("validation")
    return plan, backend, Feeding(loader, backend, plan, Place(tmp_path, 0))


def counter(backend: Scripted) -> int:
    """How many epochs the weights have seen."""
    return int(backend.weights["stem"][0, 0])


FEATURES = {"strategy": "feature-extraction", "head_only.schedule.name": "constant"}


def test_a_gradient_norm_is_kept_where_it_is_finite(tmp_path: Path) -> None:
    plan, backend, feeding = scripted(tmp_path, [0.9] * 4, **FEATURES, **{"head_only.epochs": 4})
    backend.norms = [2.5, math.inf, math.nan, None]
    outcome = train_plan(plan, backend, feeding, Silent())
    assert [record.gradient_norm for record in outcome.history] == [2.5, None, None, None]


def test_the_run_ends_on_its_best_epoch(tmp_path: Path) -> None:
    plan, backend, feeding = scripted(tmp_path, [0.9, 0.4, 0.6, 0.5], **FEATURES, **{"head_only.epochs": 4})
    outcome = train_plan(plan, backend, feeding, Listener())
    assert outcome.best is not None
    assert (outcome.best.epoch, counter(backend)) == (2, 2)
    assert [record.best for record in outcome.history] == [True, True, False, False]
    assert [record.val_loss for record in outcome.history] == pytest.approx([0.9, 0.4, 0.6, 0.5], abs=1e-6)


def test_a_phase_stops_after_its_patience_and_the_next_starts_from_the_best(tmp_path: Path) -> None:
    plan, backend, feeding = scripted(
        tmp_path,
        # Phase 1 sees counters 1-4 and goes back to 2; phase 2 then goes on with 3, 4.
        [0.9, 0.4, 0.6, 0.5],
        strategy="fine-tune-top",
        **{"head_only.epochs": 9, "head_only.stopping.patience_epochs": 2, "unfrozen.epochs": 2},
    )
    listener = Listener()
    outcome = train_plan(plan, backend, feeding, listener)
    assert listener.said == [
        "start 1 head only", "epoch 1 best", "epoch 2 best", "epoch 3", "epoch 4", "end: no better for 2 epochs",
        "start 2 last 2 stages", "epoch 5", "epoch 6", "end: all epochs done",
    ]  # fmt: skip
    assert [round(record.val_loss, 3) for record in outcome.history[4:]] == [0.6, 0.5]
    assert outcome.best is not None and outcome.best.epoch == 2
    assert counter(backend) == 2


@pytest.mark.parametrize("watch", ["val_accuracy", "val_balanced_accuracy", "val_macro_f1"])
def test_accuracies_can_be_watched_instead_of_loss(tmp_path: Path, watch: str) -> None:
    # A validation loss above ln 2 means every answer is wrong, below it that every answer is right.
    plan, backend, feeding = scripted(tmp_path, [0.9, 0.6, 0.1], watch=watch, **FEATURES, **{"head_only.epochs": 3})
    outcome = train_plan(plan, backend, feeding, Listener())
    assert outcome.best is not None and outcome.best.epoch == 2


def test_the_history_has_the_means_over_classes(tmp_path: Path) -> None:
    plan, backend, feeding = scripted(tmp_path, [0.9, 0.1], **FEATURES, **{"head_only.epochs": 2})
    history = train_plan(plan, backend, feeding, Listener()).history
    assert [(record.val_balanced_accuracy, record.val_macro_f1) for record in history] == [(0.0, 0.0), (1.0, 1.0)]


def test_the_plan_s_loss_reaches_the_backend_in_the_order_of_the_classes(tmp_path: Path) -> None:
    changes = {"imbalance.loss": "focal", "imbalance.class_weights": {"dog": 3.0, "cat": 0.5}, "head_only.epochs": 1}
    plan, backend, feeding = scripted(tmp_path, [0.9], **FEATURES, **changes)
    plan = plan.model_copy(update={"logit_offsets": {"cat": -1.0, "dog": -2.0}})
    train_plan(plan, backend, feeding, Listener())
    assert backend._loss.class_weights.tolist() == [0.5, 3.0]
    assert (backend._loss.focal_gamma, backend._loss.logit_offsets.tolist()) == (2.0, [-1.0, -2.0])


def test_plateau_lowers_the_rate(tmp_path: Path) -> None:
    plan, backend, feeding = scripted(
        tmp_path,
        [0.5, 0.6, 0.6, 0.6, 0.6, 0.6],
        **FEATURES
        | {
            "head_only.schedule.name": "plateau",
            "head_only.schedule.warmup_epochs": 0,
            "head_only.schedule.factor": 0.5,
            "head_only.schedule.patience_epochs": 1,
            "head_only.epochs": 6,
            "head_only.rate": 0.01,
            "head_only.stopping.patience_epochs": None,
        },
    )
    train_plan(plan, backend, feeding, Listener())
    assert backend.rates == [0.01, 0.01, 0.01, 0.005, 0.005, 0.0025]


def test_ctrl_c_brings_the_best_weights_back(tmp_path: Path) -> None:
    plan, backend, feeding = scripted(tmp_path, [0.4, 0.9, 0.9], **FEATURES, **{"head_only.epochs": 5})
    backend.interrupt_in = 2
    outcome = train_plan(plan, backend, feeding, Listener())
    assert outcome.interrupted
    assert (len(outcome.history), counter(backend)) == (2, 1)


def test_ctrl_c_in_the_epoch_after_the_best_undoes_that_epoch(tmp_path: Path) -> None:
    plan, backend, feeding = scripted(tmp_path, [0.9, 0.4, 0.9], **FEATURES, **{"head_only.epochs": 5})
    backend.interrupt_in = 2
    train_plan(plan, backend, feeding, Listener())
    assert counter(backend) == 2


def test_nan_ends_the_phase_with_the_best_weights(tmp_path: Path) -> None:
    plan, backend, feeding = scripted(tmp_path, [0.4, 0.5], **FEATURES, **{"head_only.epochs": 5})
    backend.train_losses = [1.0, math.nan]
    listener = Listener()
    outcome = train_plan(plan, backend, feeding, listener)
    assert outcome.endings == ["the loss became NaN or infinite"]
    assert (len(outcome.history), counter(backend)) == (1, 1)


def test_nan_at_once_is_an_error_with_a_way_out(tmp_path: Path) -> None:
    plan, backend, feeding = scripted(tmp_path, [0.4], **FEATURES)
    backend.train_losses = [math.inf]
    with pytest.raises(
        TrainingError, match=r"NaN or infinite in the first epoch of 'head only', at rate 0\.003.*ten times lower"
    ):
        train_plan(plan, backend, feeding, Listener())


def test_the_history_is_given_after_every_epoch(tmp_path: Path) -> None:
    plan, backend, feeding = scripted(tmp_path, [0.9, 0.4], **FEATURES, **{"head_only.epochs": 2})
    lengths: list[int] = []
    train_plan(plan, backend, feeding, Listener(), lambda history: lengths.append(len(history)))
    assert lengths == [1, 2]


# Kept safe: what happens then where the loss isn't a number, and where memory doesn't suffice


def kept(tmp_path: Path, backend: Scripted) -> Keeping:
    return Keeping(Checkpoints(tmp_path / "run", backend.snapshot()), math.inf)


def test_nan_begins_the_phase_again_from_the_best_weights_at_a_tenth_of_the_rate(tmp_path: Path) -> None:
    changes = {"head_only.epochs": 2, "head_only.rate": 0.5, "head_only.schedule.warmup_epochs": 0}
    plan, backend, feeding = scripted(tmp_path, [0.4, 0.3, 0.2], **FEATURES, **changes)
    # By the epochs that the weights have seen: after the first, one time NaN.
    backend.nan_once_at = 1
    listener = Listener()
    outcome = train_plan(plan, backend, feeding, listener, keeping=kept(tmp_path, backend))
    assert backend.rates == pytest.approx([0.5, 0.5, 0.05, 0.05])
    assert outcome.endings == ["all epochs done; begun 2 times, because the loss became NaN or infinite"]
    assert [record.val_loss for record in outcome.history] == pytest.approx([0.4, 0.3, 0.2], abs=1e-4)
    assert (counter(backend), listener.warnings) == (
        3,
        ["the loss became NaN or infinite at rate 0.5: 'head only' begins again at 0.05"],
    )


def test_where_it_is_nan_again_and_again_the_training_ends_with_the_best_weights(tmp_path: Path) -> None:
    changes = {"head_only.epochs": 2, "head_only.rate": 0.5, "head_only.schedule.warmup_epochs": 0}
    plan, backend, feeding = scripted(tmp_path, [0.4], **changes)
    assert len(plan.phases) == 2
    backend.train_losses = [1.0, math.nan]
    outcome = train_plan(plan, backend, feeding, Listener(), keeping=kept(tmp_path, backend))
    assert outcome.endings == ["the loss became NaN or infinite"]
    assert (len(outcome.history), counter(backend)) == (1, 1)
    assert [backend.rates[place] for place in (0, 2, 3)] == pytest.approx([0.5, 0.05, 0.005])


def test_nan_from_the_start_is_tried_at_lower_rates_and_then_an_error(tmp_path: Path) -> None:
    plan, backend, feeding = scripted(tmp_path, [0.4], **FEATURES)
    backend.train_losses = [math.inf]
    with pytest.raises(TrainingError, match=r"at rate 0\.003: nothing was learned, nor at 0\.1 and 0\.01 of its rate"):
        train_plan(plan, backend, feeding, Listener(), keeping=kept(tmp_path, backend))
    assert len(backend.rates) == 3


def test_out_of_memory_each_batch_is_computed_in_parts_from_the_last_checkpoint_on(tmp_path: Path) -> None:
    changes = {"head_only.epochs": 3, "input.batch_size": 8}
    plan, backend, feeding = scripted(tmp_path, [0.4, 0.3, 0.2], **FEATURES, **changes)
    backend.memory_for_parts, backend.fails_at = 4, 1
    listener = Listener()
    outcome = train_plan(plan, backend, feeding, listener, keeping=kept(tmp_path, backend))
    assert [record.epoch for record in outcome.history] == [1, 2, 3]
    assert counter(backend) == 3
    assert [words.split(":")[1].split(";")[0] for words in listener.warnings] == [
        f" each batch of {plan.batch_size} is computed in {parts} parts from here on" for parts in (2, 4)
    ]


def test_where_no_parts_are_small_enough_that_is_an_error(tmp_path: Path) -> None:
    plan, backend, feeding = scripted(tmp_path, [0.4], **FEATURES)
    backend.memory_for_parts, backend.fails_at = 1000, 0
    with pytest.raises(OutOfMemory, match=r"in 'head only', each batch of 4 in 2 parts.*smaller input\.batch_size"):
        train_plan(plan, backend, feeding, Listener(), keeping=kept(tmp_path, backend))
