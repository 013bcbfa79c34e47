"""Overfitting on made-up curves."""

from __future__ import annotations

import math
from typing import Any

import pytest

from support.made_up import epochs, evidence, predicted, small_plan
from unfreeze.diagnosis.finding import Finding
from unfreeze.diagnosis.overfitting import CROP, DROPOUT, GAP, GREAT_GAP, NOISE_FACTOR, ROTATION, THRESHOLDS, overfitting
from unfreeze.recipe.read import read_recipe
from unfreeze.recipe.recipe import Augment, Head


def of(train: list[Any], validation: Any, train_loss: Any = 0.1, boundary: str = "head", **known: Any) -> Finding:
    history = epochs(train_accuracy=train, val_accuracy=validation, train_loss=train_loss, boundary=boundary)
    return overfitting(evidence(history, **known))


def regularised(strategy: str, **changes: Any) -> Any:
    """A plan that has all that the remedy could ask for but the strategy."""
    recipe = read_recipe(None, {"strategy": strategy})
    augment = Augment(crop_min_area=CROP, rotation_degrees=ROTATION)
    return small_plan(recipe, **{"head": Head(dropout=DROPOUT), "augment": augment} | changes)


def test_found() -> None:
    finding = of([0.9, 0.97, 0.98, 0.99], [0.76, 0.75, 0.75, 0.75])
    assert (finding.code, finding.outcome, finding.severity, finding.epoch) == ("overfitting", "found", "warning", 4)
    # Of the last three epochs, and the standard error of 750 of 1,000 pictures.
    assert finding.measured == pytest.approx(
        {"train_accuracy": 0.98, "val_accuracy": 0.75, "gap": 0.23, "val_standard_error": (0.75 * 0.25 / 1000) ** 0.5}
    )
    assert finding.thresholds == THRESHOLDS
    assert finding.explanation.startswith("training accuracy 98.0%, validation accuracy 75.0%: the network knows")


def test_a_smaller_gap_is_a_note() -> None:
    between = of([0.99] * 4, 0.99 - (GAP + GREAT_GAP) / 2, val_pictures=100_000)
    assert (between.outcome, between.severity) == ("found", "note")
    assert of([0.99] * 4, 0.99 - 2 * GREAT_GAP, val_pictures=100_000).severity == "warning"


@pytest.mark.parametrize(
    ("train", "validation"),
    [(0.9, 0.87), (0.9, 0.9), (0.6, 0.9), (0.3, 0.1), (1.0, 1.0), (0.0, 0.0)],
    ids=["small gap", "none", "validation better", "both low", "both perfect", "both nothing"],
)
def test_not_found(train: float, validation: float) -> None:
    finding = of([train] * 5, validation)
    assert (finding.outcome, finding.severity, finding.remedy) == ("not found", "note", {})


def test_a_training_loss_near_that_of_a_guess_is_not_knowing_by_heart() -> None:
    assert of([0.9] * 5, 0.6, train_loss=1.05).outcome == "not found"
    assert of([0.9] * 5, 0.6, train_loss=0.1).outcome == "found"
    assert of([0.9] * 5, 0.6, train_loss=1.05, classes=()).outcome == "found"  # what a guess would cost isn't known


def test_could_not_tell_with_few_validation_pictures() -> None:
    gap, accuracy = 0.25, 0.7
    pictures = int(accuracy * (1 - accuracy) / (1.5 * gap / NOISE_FACTOR) ** 2)
    finding = of([accuracy + gap] * 3, accuracy, val_pictures=pictures)
    assert (finding.outcome, finding.severity, finding.remedy) == ("could not tell", "note", {})
    assert "so few validation pictures that the gap may be chance" in finding.explanation
    assert finding.measured["gap"] < NOISE_FACTOR * finding.measured["val_standard_error"]
    assert of([accuracy + gap] * 3, accuracy, val_pictures=100 * pictures).outcome == "found"


def test_one_lucky_epoch_decides_nothing() -> None:
    once, often = [0.8, 0.8, 0.8, 0.8 + 1.2 * GAP], [0.8, *[0.8 + 1.2 * GAP] * 3]
    assert of(once, 0.8, val_pictures=100_000).outcome == "not found"
    assert of(often, 0.8, val_pictures=100_000).outcome == "found"


def test_the_kept_epoch_counts_as_well_as_the_end() -> None:
    train, validation = [0.99, 0.99, 0.99, 0.99, 0.6, 0.6, 0.6], [0.6] * 7
    assert of(train, validation, best_epoch=7).outcome == "not found"
    finding = of(train, validation, best_epoch=2)
    assert (finding.outcome, finding.epoch) == ("found", 2)
    assert finding.measured["gap"] == pytest.approx(0.39)


def test_every_phase_that_counts() -> None:
    history = epochs(
        phase=[1, 1, 1, 2, 2, 2], train_accuracy=[0.99] * 3 + [0.7] * 3, val_accuracy=[0.6] * 3 + [0.7] * 3, train_loss=0.1
    )
    assert overfitting(evidence(history, best_epoch=6)).outcome == "not found"
    kept_first = overfitting(evidence(history, best_epoch=2))
    assert (kept_first.outcome, kept_first.measured["train_accuracy"]) == ("found", pytest.approx(0.99))


def test_an_epoch_without_a_value_is_passed_over() -> None:
    finding = of([0.98, None, 0.98, 0.98], [0.7, 0.7, float("nan"), 0.7])
    assert finding.outcome == "found"
    assert finding.measured["gap"] == pytest.approx(0.28)
    assert of([0.98], 0.7).outcome == "found"


def test_a_class_that_is_rare_in_training_alone_is_no_overfitting() -> None:
    # 90 of 200 dogs are named cats; in training one picture of a hundred is a dog.
    known = {"classes": ("cat", "dog"), "train_counts": {"cat": 990, "dog": 10}}
    answers = predicted([[200, 0], [90, 110]])
    plan = small_plan(classes=("cat", "dog"))
    assert of([0.99] * 4, 0.775, plan=plan, predicted=answers, **known).outcome == "not found"
    as_many = known | {"train_counts": {"cat": 500, "dog": 500}}
    assert of([0.99] * 4, 0.775, plan=plan, predicted=answers, **as_many).outcome == "found"


def test_with_losses_only() -> None:
    def by_loss(train: list[float], validation: list[float]) -> Finding:
        history = epochs(train_accuracy=None, val_accuracy=None, train_loss=train, val_loss=validation)
        return overfitting(evidence(history, val_pictures=None, classes=()))

    finding = by_loss([1.0, 0.5, 0.02, 0.02, 0.02], [1.0, 0.8, 0.8, 0.8, 0.8])
    assert (finding.outcome, finding.severity, finding.epoch) == ("found", "warning", 5)
    assert finding.measured == pytest.approx({"train_loss": 0.02, "val_loss": 0.8, "times": 40})
    assert by_loss([1.0, 0.9, 0.8, 0.7, 0.6], [1.0, 0.9, 0.8, 0.75, 0.7]).outcome == "not found"
    still_falling = by_loss([0.1, 0.08, 0.06, 0.04, 0.02, 0.01], [5.0, 4.0, 3.0, 2.0, 1.0, 0.5])
    assert still_falling.outcome == "not found"


@pytest.mark.parametrize("missing", [("val_accuracy", "val_loss"), ("train_accuracy", "train_loss")])
def test_could_not_tell_without_either(missing: tuple[str, str]) -> None:
    finding = overfitting(evidence(epochs(rate=[0.1] * 4, **dict.fromkeys(missing, math.nan))))
    assert (finding.outcome, finding.remedy, finding.thresholds) == ("could not tell", {}, THRESHOLDS)


def test_the_remedy_regularises() -> None:
    for plan in (None, small_plan(head=Head(dropout=DROPOUT / 2))):
        assert read_recipe(None, of([1.0] * 3, 0.5, plan=plan).remedy).head.dropout == DROPOUT


def test_after_dropout_harder_pictures_and_the_epochs_they_take() -> None:
    easy = regularised("fine-tune-top", augment=Augment(crop_min_area=1, rotation_degrees=0))
    recipe = read_recipe(None, of([1.0] * 3, 0.5, plan=easy).remedy)
    assert (recipe.augment.crop_min_area, recipe.augment.rotation_degrees) == (CROP, ROTATION)
    assert recipe.head_only.epochs == 2 * easy.phases[0].epochs
    assert "head.dropout" not in of([1.0] * 3, 0.5, plan=easy).remedy
    crops = regularised("fine-tune-top", augment=Augment(crop_min_area=CROP / 2, rotation_degrees=0))
    harder = read_recipe(None, of([1.0] * 3, 0.5, plan=crops).remedy)
    assert (harder.augment.crop_min_area, harder.augment.rotation_degrees) == (CROP / 2, ROTATION)  # never easier


def test_where_all_of_it_is_done_less_is_trained() -> None:
    assert of([1.0] * 3, 0.5, plan=regularised("full")).remedy == {"strategy": "fine-tune-top"}
    assert of([1.0] * 3, 0.5, plan=regularised("fine-tune-top")).remedy == {"strategy": "feature-extraction"}
    assert of([1.0] * 3, 0.5, plan=regularised("auto")).remedy == {}
    assert of([1.0] * 3, 0.5, plan=regularised("feature-extraction")).remedy == {}


def test_where_the_whole_network_trained_less_of_it_is_trained() -> None:
    plan = small_plan(read_recipe(None, {"strategy": "full"}))
    remedy = of([1.0] * 3, 0.5, boundary="stem", plan=plan).remedy
    assert read_recipe(None, remedy).strategy == "fine-tune-top"
    assert "head.dropout" in remedy
