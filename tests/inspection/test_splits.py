"""Splits against each other, from counts made up."""

from __future__ import annotations

from support.made_up import dataset_of
from unfreeze.inspection.splits import find_in_splits, pictures_needed

ALIKE = {"train": {"a": 1400, "b": 700}, "validation": {"a": 200, "b": 100}}


def test_splits_alike_give_nothing_and_no_splits_neither() -> None:
    assert find_in_splits(dataset_of(**ALIKE)) == []
    assert find_in_splits(dataset_of(all={"a": 3, "b": 1})) == []


def test_a_class_missing_from_a_split_is_named() -> None:
    (found,) = find_in_splits(dataset_of(train={"a": 900, "b": 20}, validation={"a": 200, "b": 0}))
    assert (found.code, found.severity, found.details) == (
        "class-missing-from-split", "warning", {"b": "missing from validation"},
    )  # fmt: skip
    counts = {"train": {"a": 9, "b": 0}, "validation": {"a": 2, "b": 3}, "test": {"a": 2, "b": 0}}
    codes = {finding.code: finding for finding in find_in_splits(dataset_of(**counts))}
    assert codes["class-missing-from-split"].severity == "error"
    assert codes["class-missing-from-split"].explanation == "no picture of 'b' in train and test"


def test_other_proportions_are_found_where_chance_hardly_makes_them() -> None:
    (found,) = find_in_splits(dataset_of(train={"a": 500, "b": 500}, validation={"a": 180, "b": 20}))
    assert found.code == "splits-differ"
    assert "50.0% of train, 90.0% of validation" in found.explanation
    # χ² of this table by hand: N (ad - bc)² / (row and column sums multiplied).
    n, ad_bc = 1200, 500 * 20 - 500 * 180
    chi2 = n * ad_bc**2 / (1000 * 200 * 680 * 520)
    assert abs(found.measured["cramers_v"] - (chi2 / n) ** 0.5) < 1e-9
    # The same proportions, of few pictures: it may be chance.
    assert "splits-differ" not in codes(train={"a": 50, "b": 50}, validation={"a": 6, "b": 4})


def test_too_few_pictures_to_tell_five_points() -> None:
    assert (pictures_needed(), pictures_needed(accuracy=0.5)) == (139, 385)
    assert "too-few-to-compare" not in codes(train={"a": 700, "b": 700}, validation={"a": 70, "b": 69})
    (found,) = find_in_splits(dataset_of(train={"a": 700, "b": 700}, validation={"a": 18, "b": 18}, test={"a": 80, "b": 80}))
    assert found.code == "too-few-to-compare"
    assert found.explanation.startswith("36 validation pictures tell an accuracy of 90% to ±10 points. For ±5 points 139")


def codes(**counts: dict[str, int]) -> set[str]:
    return {finding.code for finding in find_in_splits(dataset_of(**counts))}
