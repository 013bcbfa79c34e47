"""What the kept model's answers for validation pictures say: dead heads, guesses, forgotten, rare and confused classes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from support.made_up import epochs, evidence, predicted, small_network, small_plan
from unfreeze.diagnosis import class_never_predicted as never
from unfreeze.diagnosis import confused_classes as confused
from unfreeze.diagnosis import miscalibrated as calibration
from unfreeze.diagnosis import no_better_than_guessing as guessing
from unfreeze.diagnosis import one_class_for_all as dead
from unfreeze.diagnosis import rare_classes_neglected as rare
from unfreeze.diagnosis.evidence import Evidence
from unfreeze.diagnosis.finding import Finding
from unfreeze.recipe.read import read_recipe

Check = Callable[[Evidence], Finding]
CHECKS: tuple[Check, ...] = (
    dead.one_class_for_all, guessing.no_better_than_guessing, never.class_never_predicted, rare.rare_classes_neglected,
    confused.confused_classes, calibration.miscalibrated,
)  # fmt: skip
BALANCED = {"imbalance.class_weights": "balanced"}
WEIGHTED = small_plan(class_weights={"cat": 1.0, "dog": 1.0, "owl": 1.0})
GOOD = [[95, 3, 2], [2, 96, 2], [3, 2, 95]]


def ask(check: Check, confusion: list[list[int]], confidence: float = 0.95, **known: Any) -> Finding:
    """What a check says of predictions with this confusion matrix (row: true, column: predicted)."""
    return check(evidence(epochs(phase=[1] * 4), **{"predicted": predicted(confusion, confidence)} | known))


@pytest.mark.parametrize("check", CHECKS)
def test_a_good_model_has_nothing(check: Check) -> None:
    finding = ask(check, GOOD, plan=small_plan())
    assert (finding.outcome, finding.severity, finding.remedy) == ("not found", "note", {})


@pytest.mark.parametrize("check", CHECKS)
def test_could_not_tell_without_predictions(check: Check) -> None:
    for known in ({}, {"classes": (), "train_counts": {}, "val_pictures": None}):  # of another tool even less is known
        finding = check(evidence(epochs(phase=[1] * 4), **known))
        assert (finding.outcome, finding.severity, finding.remedy) == ("could not tell", "note", {})


def test_one_class_for_all() -> None:
    finding = ask(dead.one_class_for_all, [[0, 50, 0], [1, 49, 0], [0, 50, 0]], plan=small_plan(), best_epoch=3)
    assert (finding.code, finding.outcome, finding.severity, finding.epoch) == ("one-class-for-all", "found", "error", 3)
    assert finding.measured == pytest.approx({"part": 149 / 150, "others": 2 / 3})
    assert finding.thresholds == dead.THRESHOLDS
    assert finding.explanation.startswith("99% of the validation pictures are named 'dog', 33% are: the head says the same")
    assert read_recipe(None, finding.remedy).head_only.rate < small_plan().phases[0].rate
    assert ask(dead.one_class_for_all, [[0, 50, 0], [0, 50, 0], [0, 50, 0]]).remedy == {}


def test_where_the_one_class_is_simply_the_largest_weights_are_the_remedy() -> None:
    classes = tuple("abcdef")
    confusion = [[60, 0, 0, 0, 0, 0], *[[10, 0, 0, 0, 0, 0]] * 5]
    known = {"classes": classes, "train_counts": {name: 300 if name == "a" else 50 for name in classes}}
    plan = small_plan(classes=classes)
    assert ask(dead.one_class_for_all, confusion, plan=plan, **known).remedy == BALANCED
    weighted = small_plan(classes=classes, class_weights=dict.fromkeys(classes, 1.0))
    assert list(ask(dead.one_class_for_all, confusion, plan=weighted, **known).remedy) == ["head_only.rate"]


def test_one_class_that_most_pictures_are_of_is_no_dead_head() -> None:
    assert ask(dead.one_class_for_all, [[96, 0, 0], [2, 0, 0], [2, 0, 0]]).outcome == "not found"
    assert ask(dead.one_class_for_all, [[2, 0, 0], [2, 0, 0], [2, 0, 0]]).outcome == "could not tell"  # six pictures


def test_no_better_than_guessing() -> None:
    finding = ask(guessing.no_better_than_guessing, [[33, 33, 34], [34, 33, 33], [33, 34, 33]], best_epoch=2)
    assert (finding.code, finding.outcome, finding.severity, finding.epoch) == ("no-better-than-guessing", "found", "error", 2)
    # The guess's standard error is that of 1/3 of 100 pictures in each of three classes.
    assert finding.measured == pytest.approx({"mean_recall": 0.33, "guess": 1 / 3, "standard_error": (2 / 900 / 3) ** 0.5})
    assert finding.thresholds == guessing.THRESHOLDS
    assert read_recipe(None, finding.remedy).data.inspect == "full"


def test_a_guess_is_told_by_recall_and_not_by_accuracy() -> None:
    # Right about 96 of 111 pictures, and about the smaller classes as well.
    assert ask(guessing.no_better_than_guessing, [[90, 5, 5], [3, 3, 0], [2, 0, 3]]).outcome == "not found"
    # Another finding says so, and this one must not say it again.
    assert ask(guessing.no_better_than_guessing, [[50, 0, 0], [50, 0, 0], [50, 0, 0]]).outcome == "not found"
    # Nothing can be guessed wrong where validation has one class only.
    assert ask(guessing.no_better_than_guessing, [[20, 20, 20], [0, 0, 0], [0, 0, 0]]).outcome == "not found"


def test_what_was_still_learning_or_had_nothing_to_learn_with() -> None:
    guess = predicted([[33, 33, 34], [34, 33, 33], [33, 34, 33]])
    falling = epochs(train_loss=[1.0, 0.9, 0.8, 0.7, 0.6, 0.5], val_loss=[1.0, 0.9, 0.8, 0.7, 0.6, 0.5], val_accuracy=0.3)
    assert guessing.no_better_than_guessing(evidence(falling, predicted=guess)).outcome == "could not tell"
    random = small_plan(network=small_network(pretrained=False))
    flat = epochs(phase=[1] * 6)
    assert guessing.no_better_than_guessing(evidence(flat, predicted=guess, plan=random)).severity == "note"
    assert guessing.no_better_than_guessing(evidence(flat, predicted=guess, plan=small_plan())).severity == "error"


def test_a_class_never_predicted() -> None:
    finding = ask(never.class_never_predicted, [[95, 5, 0], [5, 95, 0], [5, 5, 0]], best_epoch=2)
    assert (finding.code, finding.outcome, finding.severity, finding.epoch) == ("class-never-predicted", "found", "warning", 2)
    assert finding.measured == {"classes": 1, "pictures": 10}
    assert finding.thresholds == never.THRESHOLDS
    assert finding.explanation == "no picture is named 'owl', though validation has 10 of them"
    assert finding.remedy == BALANCED
    read_recipe(None, finding.remedy)
    assert ask(never.class_never_predicted, [[95, 5, 0], [5, 95, 0], [5, 5, 0]], plan=WEIGHTED).remedy == {}


def test_of_a_model_that_knows_little_it_is_a_note() -> None:
    assert ask(never.class_never_predicted, [[10, 90, 0], [90, 10, 0], [5, 5, 0]]).severity == "note"


def test_of_few_pictures_it_may_be_chance() -> None:
    finding = ask(never.class_never_predicted, [[95, 5, 0], [5, 95, 0], [1, never.PICTURES - 2, 0]])
    assert (finding.outcome, finding.remedy) == ("could not tell", {})
    assert finding.explanation == "too few validation pictures of 'owl'"
    assert ask(never.class_never_predicted, [[95, 5, 0], [5, 95, 0], [0, 0, 0]]).outcome == "not found"


UNEQUAL = {"cat": 1000, "dog": 900, "owl": 30}


def test_rare_classes_neglected() -> None:
    neglected = [[95, 5, 0], [5, 95, 0], [20, 15, 5]]
    finding = ask(rare.rare_classes_neglected, neglected, train_counts=UNEQUAL, best_epoch=2)
    assert (finding.code, finding.outcome, finding.severity, finding.epoch) == ("rare-classes-neglected", "found", "warning", 2)
    assert finding.measured["recall_of_rare"] == pytest.approx(5 / 40)
    assert finding.measured["recall_of_others"] == pytest.approx(0.95)
    assert finding.measured["chance"] < 1e-6
    assert finding.thresholds == rare.THRESHOLDS
    assert "of the rare classes 'owl' (30) 12% are named right, of the others 95%, and nothing is done" in finding.explanation
    assert finding.remedy == BALANCED
    done = ask(rare.rare_classes_neglected, neglected, train_counts=UNEQUAL, plan=WEIGHTED)
    assert (done.outcome, done.severity, done.remedy) == ("found", "note", {})


@pytest.mark.parametrize(
    ("confusion", "counts"),
    [
        ([[95, 5, 0], [5, 95, 0], [1, 1, 38]], UNEQUAL),
        ([[95, 5, 0], [5, 95, 0], [1, 0, 1]], UNEQUAL),
        ([[95, 5, 0], [5, 95, 0], [20, 15, 5]], {"cat": 70, "dog": 70, "owl": 70}),
        ([[95, 5, 0], [5, 95, 0], [0, 0, 0]], UNEQUAL),
    ],
    ids=["named right", "may be chance", "not rare", "not in validation"],
)
def test_rare_classes_that_are_not_neglected(confusion: list[list[int]], counts: dict[str, int]) -> None:
    finding = ask(rare.rare_classes_neglected, confusion, train_counts=counts)
    assert (finding.outcome, finding.remedy) == ("not found", {})


def test_confused_classes() -> None:
    finding = ask(confused.confused_classes, [[110, 90, 0], [95, 105, 0], [2, 1, 197]], best_epoch=2)
    assert (finding.code, finding.outcome, finding.severity, finding.epoch) == ("confused-classes", "found", "warning", 2)
    assert finding.measured["rate"] == pytest.approx(185 / 400)
    assert finding.measured["usual"] == pytest.approx(2 / 400)
    assert finding.measured["each_way"] == pytest.approx(90 / 200)
    assert 0.40 < finding.measured["at_least"] < 185 / 400
    assert finding.thresholds == confused.THRESHOLDS
    assert finding.explanation.startswith("185 of 400 pictures of 'cat' and 'dog' are taken for the other")
    assert read_recipe(None, finding.remedy).data.inspect == "full"


@pytest.mark.parametrize(
    "confusion",
    [
        [[3, 1, 0], [1, 3, 0], [0, 0, 4]],
        [[60, 70, 70], [70, 60, 70], [70, 70, 60]],
        [[200, 0, 0], [190, 10, 0], [0, 0, 200]],
    ],
    ids=["may be chance", "as all others are", "one swallows the other"],
)
def test_classes_that_are_not_confused(confusion: list[list[int]]) -> None:
    finding = ask(confused.confused_classes, confusion)
    assert (finding.outcome, finding.remedy) == ("not found", {})


def test_of_two_classes_each_can_only_be_taken_for_the_other() -> None:
    assert ask(confused.confused_classes, [[50, 50], [50, 50]], classes=("cat", "dog")).outcome == "not found"


def test_miscalibrated() -> None:
    sure = ask(calibration.miscalibrated, [[60, 20, 20], [20, 60, 20], [20, 20, 60]], 0.99, best_epoch=2)
    assert (sure.code, sure.outcome, sure.severity, sure.epoch) == ("miscalibrated", "found", "warning", 2)
    assert sure.measured["calibration_error"] == pytest.approx(0.39)
    assert sure.measured["apart"] == pytest.approx(0.39)
    assert sure.measured["by_chance"] < sure.measured["by_chance_at_most"] < 0.1
    assert sure.thresholds == calibration.THRESHOLDS
    assert "mean confidence 99.0%, accuracy 60.0%" in sure.explanation
    assert "surer than it is right" in sure.explanation
    unsure = ask(calibration.miscalibrated, [[100, 0, 0], [0, 100, 0], [0, 0, 100]], 0.5)
    assert "right more often than it is sure" in unsure.explanation


def test_a_temperature_is_the_remedy_where_there_is_none() -> None:
    wrong = [[60, 20, 20], [20, 60, 20], [20, 20, 60]]
    remedy = ask(calibration.miscalibrated, wrong, 0.99, plan=small_plan(calibrate=False)).remedy
    assert read_recipe(None, remedy).calibrate is True
    assert remedy == {"calibrate": True}
    assert ask(calibration.miscalibrated, wrong, 0.99, plan=small_plan(calibrate=True)).remedy == {}
    assert ask(calibration.miscalibrated, wrong, 0.99).remedy == {}


def test_of_few_pictures_calibration_cannot_be_told() -> None:
    few = [[calibration.PICTURES // 3 - 1, 0, 0], [0, 1, 0], [0, 0, 1]]
    assert ask(calibration.miscalibrated, few, 0.5).outcome == "could not tell"


def test_many_classes_of_few_pictures_each() -> None:
    names = tuple(map(str, range(40)))
    confusion = np.eye(40, dtype=int) * 5
    for check in CHECKS:
        assert ask(check, confusion.tolist(), 0.99, classes=names, train_counts=dict.fromkeys(names, 5)).outcome == "not found"
