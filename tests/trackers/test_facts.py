"""What trackers are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.made_up import epoch_record, small_plan
from support.tracked import ENDINGS, EPOCHS, FINAL, HISTORY, OVERFITS, PHASES, PLAN, result
from unfreeze.trackers.facts import endings_in_words, epoch_numbers, final_numbers, found, parameters, phase_in_words


def test_numbers_by_epoch_and_in_the_end() -> None:
    assert [epoch_numbers(record) for record in HISTORY] == EPOCHS
    assert final_numbers(result(Path("run"))) == FINAL
    assert "gradient_norm" not in epoch_numbers(epoch_record())


def test_words() -> None:
    told = result(Path("run"))
    assert [phase_in_words(number, phase) for number, phase in enumerate(PLAN.phases, start=1)] == PHASES
    assert endings_in_words(told.endings) == ENDINGS
    assert found(told.findings) == {"overfitting": OVERFITS}


def test_parameters_are_plain_few_and_the_main_ones() -> None:
    plan = small_plan(class_weights={"cat": 0.5, "dog": 1.0, "owl": 2.0})
    plan = plan.model_copy(update={"data": plan.data.model_copy(update={"root": "caf\udce9"})})
    given = parameters(plan)
    assert all(isinstance(value, (str, int, float, bool)) for value in given.values())
    assert len(given) < 64
    expected = {
        "framework": "torch", "network": "tiny", "strategy": "fine-tune-top", "seed": 0, "batch_size": 32, "side_px": 32,
        "head.hidden": "16", "head.dropout": 0.4, "weighted_classes": True, "augment.views": 8, "watch": "val_loss",
        "data.root": r"caf\udce9", "data.classes": 3, "data.train": 210, "data.test": 45, "phases.1.boundary": "head",
        "phases.2.rate": 5e-4, "phases.2.optimizer": "adamw", "phases.2.trainable_parameters": 1453, "unfreeze": "0.1.0",
    }  # fmt: skip
    assert {name: given[name] for name in expected} == expected
    assert pytest.approx(0.02) == given["phases.1.weight_decay"]
