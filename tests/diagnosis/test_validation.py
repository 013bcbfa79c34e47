"""Whether validation can be judged by: easier than training, too small, leaked. And pictures that reach a network wrongly."""

from __future__ import annotations

import math
from typing import Any

import pytest

from support.made_up import epochs, evidence, small_plan
from unfreeze.diagnosis import leaked_validation as leaked
from unfreeze.diagnosis import validation_easier as easier
from unfreeze.diagnosis import validation_too_small as small
from unfreeze.diagnosis.finding import Finding
from unfreeze.diagnosis.inputs_too_small import inputs_too_small
from unfreeze.diagnosis.wrong_inputs import wrong_inputs
from unfreeze.recipe.read import read_recipe
from unfreeze.recipe.recipe import Augment, Head


def of_both(train: list[Any], validation: Any, **known: Any) -> Finding:
    return easier.validation_easier(evidence(epochs(train_accuracy=train, val_accuracy=validation), **known))


HARD = small_plan(head=Head(dropout=easier.DROPOUT + 0.2), augment=Augment(crop_min_area=easier.CROP / 3))
# More than usual is none of these.
USUAL = small_plan(head=Head(dropout=easier.USUAL_DROPOUT), augment=Augment(crop_min_area=easier.USUAL_CROP))


def test_validation_easier_because_training_is_made_hard() -> None:
    finding = of_both([0.5, 0.5, 0.5, 0.5], [0.9, 0.9, 0.9, 0.9], plan=HARD, sample_accuracy=0.92)
    assert (finding.code, finding.outcome, finding.epoch) == ("validation-easier", "found", 4)
    assert finding.measured == pytest.approx(
        {"train_accuracy": 0.5, "val_accuracy": 0.9, "gap": 0.4, "val_standard_error": 0.09**0.5 / 1000**0.5,
         "plain_train_accuracy": 0.92}
    )  # fmt: skip
    assert finding.thresholds == easier.THRESHOLDS
    assert finding.explanation.endswith("but 92.0% without augmentation and dropout: those make training harder")
    recipe = read_recipe(None, finding.remedy)
    assert (recipe.head.dropout, recipe.augment.crop_min_area) == (easier.USUAL_DROPOUT, easier.USUAL_CROP)


def test_mixing_is_named_where_it_made_training_hard() -> None:
    mixed = small_plan(augment=Augment(cutmix=1.0))
    finding = of_both([0.5] * 4, 0.9, plan=mixed, sample_accuracy=0.92)
    assert finding.explanation.endswith("without mixing, augmentation and dropout: those make training harder")


def test_where_they_are_as_usual_there_is_nothing_to_change() -> None:
    finding = of_both([0.5] * 4, 0.9, plan=USUAL, sample_accuracy=0.92)
    assert (finding.outcome, finding.severity, finding.remedy) == ("found", "note", {})


def test_validation_pictures_that_really_are_easier() -> None:
    finding = of_both([0.5] * 4, 0.9, plan=HARD, sample_accuracy=0.55)
    assert (finding.outcome, finding.severity, finding.remedy) == ("found", "warning", {})
    assert "validation pictures are easier than those trained on" in finding.explanation


def test_where_nobody_measured_both_may_be() -> None:
    finding = of_both([0.5] * 4, 0.9)
    assert (finding.outcome, finding.severity, finding.remedy) == ("found", "note", {})
    assert "plain_train_accuracy" not in finding.measured


def test_not_easier() -> None:
    assert of_both([0.9] * 4, 0.9).outcome == "not found"
    assert of_both([0.9] * 4, 0.6).outcome == "not found"
    assert of_both([0.6] * 4, 0.9, val_pictures=5).outcome != "found"  # may be chance
    # One lucky epoch decides nothing.
    assert of_both([0.8] * 4, [0.8, 0.8, 0.8, 0.8 + 1.2 * easier.GAP], val_pictures=100_000).outcome == "not found"
    assert of_both([math.nan] * 4, 0.9).outcome == "could not tell"


def of_size(pictures: int | None, accuracy: float = 0.8, **known: Any) -> Finding:
    return small.validation_too_small(evidence(epochs(val_accuracy=[accuracy] * 4), val_pictures=pictures, **known))


def test_validation_too_small() -> None:
    finding = of_size(12)
    assert (finding.code, finding.outcome, finding.severity) == ("validation-too-small", "found", "warning")
    assert finding.measured == pytest.approx({"standard_error": (0.16 / 12) ** 0.5, "pictures": 12})
    assert finding.thresholds == small.THRESHOLDS
    assert finding.explanation.startswith("12 validation pictures: an accuracy is known to ±23.1%.")
    between = int(0.16 / ((small.ERROR + small.GREAT_ERROR) / 2) ** 2)
    assert of_size(between).severity == ("note" if between >= small.PICTURES else "warning")


def test_few_pictures_are_too_few_however_many_are_named_right() -> None:
    assert of_size(small.PICTURES - 1, accuracy=1.0).outcome == "found"


def test_large_enough_or_not_known() -> None:
    assert of_size(1000).outcome == "not found"
    assert of_size(None).outcome == "could not tell"
    assert of_size(0).outcome == "could not tell"
    assert of_size(12, accuracy=math.nan).outcome == "could not tell"


def test_the_remedy_is_a_larger_part_where_it_is_small() -> None:
    def plan(validation: int) -> Any:
        data = small_plan().data
        counts = {"train": {"cat": 100, "dog": 100}, "validation": {"cat": validation, "dog": validation}}
        return small_plan(data=data.model_copy(update={"counts": counts}))

    remedy = of_size(12, plan=plan(6)).remedy
    assert read_recipe(None, remedy).data.validation_fraction == small.LARGER_FRACTION
    assert of_size(12, plan=plan(100)).remedy == {}
    assert of_size(12).remedy == {}


def of_part(part: float | None) -> Finding:
    return leaked.leaked_validation(evidence(epochs(phase=[1]), leaked_part=part))


def test_leaked_validation() -> None:
    finding = of_part(0.4)
    assert (finding.code, finding.outcome, finding.severity) == ("leaked-validation", "found", "warning")
    assert (finding.measured, finding.thresholds) == ({"part": 0.4}, leaked.THRESHOLDS)
    assert finding.explanation.startswith("40.0% of the validation pictures are among the training pictures")
    assert read_recipe(None, finding.remedy).data.resplit is True


def test_none_leaked_few_leaked_and_nobody_looked() -> None:
    assert [of_part(part).outcome for part in (0.0, leaked.PART / 5, None)] == ["not found", "not found", "could not tell"]
    assert all(of_part(part).remedy == {} for part in (0.0, leaked.PART / 5, None))


@pytest.mark.parametrize(
    ("mismatch", "mistakes", "wrong", "too_small"),
    [
        (None, (), "could not tell", "could not tell"),
        ("", (), "not found", "not found"),
        ("probably: the layout.", ("layout",), "found", "not found"),
        ("probably: swapped.", ("channels-swapped",), "found", "not found"),
        ("probably: small.", ("too-small",), "not found", "found"),
        ("probably: the layout, and small.", ("layout", "too-small"), "found", "found"),
    ],
    ids=["nobody looked", "nothing", "wrong", "maybe the pictures' own", "small", "both"],
)
def test_how_pictures_reach_the_network(mismatch: str | None, mistakes: tuple[str, ...], wrong: str, too_small: str) -> None:
    known = evidence(epochs(phase=[1]), inputs_mismatch=mismatch, inputs_mistakes=frozenset(mistakes))
    findings = [check(known) for check in (wrong_inputs, inputs_too_small)]
    assert [finding.code for finding in findings] == ["wrong-inputs", "inputs-too-small"]
    assert [finding.outcome for finding in findings] == [wrong, too_small]
    if findings[0].is_found:
        assert findings[0].severity == ("error" if "layout" in mistakes else "note")
        assert findings[0].explanation.startswith(str(mismatch))
    if findings[1].is_found:
        assert (findings[1].severity, findings[1].explanation) == ("note", mismatch)
        assert read_recipe(None, findings[1].remedy).input.side_px == "auto"
