"""Unequal classes and small ones, from counts made up."""

from __future__ import annotations

import math

import pytest

from support.made_up import dataset_of
from unfreeze.inspection.classes import effective_classes, find_in_classes


def test_equal_classes_give_nothing() -> None:
    assert find_in_classes(dataset_of(train={"a": 50, "b": 40, "c": 20}, validation={"a": 10, "b": 10, "c": 5})) == []


@pytest.mark.parametrize(
    ("counts", "severity", "remedy"),
    [({"a": 90, "b": 30}, "note", {}), ({"a": 300, "b": 30, "c": 30}, "warning", {"imbalance.class_weights": "balanced"})],
)
def test_imbalance_is_the_largest_class_over_the_smallest(counts: dict[str, int], severity: str, remedy: object) -> None:
    (found,) = find_in_classes(dataset_of(all=counts))
    assert (found.code, found.severity, found.remedy) == ("imbalance", severity, remedy)
    assert found.measured["ratio"] == counts["a"] / counts["b"]
    assert found.measured["effective_classes"] == effective_classes(counts)


def test_what_weights_and_oversampling_would_do_is_said_in_numbers() -> None:
    (found,) = find_in_classes(dataset_of(all={"common": 90, "rare": 10}))
    for number in ("5.00 times", "0.56 times", "180 pictures an epoch instead of 100", "about 9 times"):
        assert number in found.explanation


def test_effective_classes_are_as_many_as_there_are_where_they_are_equal() -> None:
    assert effective_classes({"a": 7, "b": 7, "c": 7, "none": 0}) == pytest.approx(3)
    parts = (0.9, 0.1)
    assert effective_classes({"a": 90, "b": 10}) == pytest.approx(math.exp(-sum(p * math.log(p) for p in parts)))
    assert effective_classes({"a": 0}) == 0


def test_small_classes_are_named_with_their_split() -> None:
    found = find_in_classes(dataset_of(train={"a": 20, "b": 9, "c": 21}, validation={"a": 5, "b": 5, "c": 4}))
    assert [(finding.code, finding.details) for finding in found] == [
        ("few-to-learn", {"b": "9 in train"}),
        ("few-to-validate", {"c": "4 in validation"}),
    ]
