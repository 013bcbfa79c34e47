"""Unequal classes: weights by number, repeats by property."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from sklearn.utils.class_weight import compute_class_weight

from unfreeze.data.balance import class_weights, epoch_items, pictures_per_epoch
from unfreeze.errors import RecipeError
from unfreeze.recipe.recipe import Imbalance

steady = settings(max_examples=150, deadline=None, derandomize=True)
labels_of_pictures = some.lists(some.integers(0, 5), min_size=1, max_size=80)


def test_no_weights() -> None:
    assert class_weights({"cat": 1, "dog": 9}, Imbalance()) is None


def test_balanced_weights() -> None:
    assert class_weights({"cat": 10, "dog": 30, "cow": 20}, Imbalance(class_weights="balanced")) == {
        "cat": 2.0,
        "dog": 60 / 90,
        "cow": 1.0,
    }


@given(some.dictionaries(some.text(max_size=3), some.integers(1, 1000), min_size=1, max_size=8))
@steady
def test_balanced_weights_are_those_of_scikit_learn(counts: dict[str, int]) -> None:
    labels = np.repeat(np.arange(len(counts)), list(counts.values()))
    expected = compute_class_weight("balanced", classes=np.arange(len(counts)), y=labels)
    weights = class_weights(counts, Imbalance(class_weights="balanced"))
    assert weights is not None
    assert list(weights) == list(counts)
    np.testing.assert_allclose(list(weights.values()), expected, rtol=1e-12)


def test_weights_by_name_in_the_order_of_the_classes() -> None:
    weights = class_weights({"cat": 1, "dog": 9}, Imbalance(class_weights={"dog": 0.5, "cat": 3}))
    assert weights is not None
    assert list(weights.items()) == [("cat", 3.0), ("dog", 0.5)]


def test_every_wrong_name_is_listed() -> None:
    with pytest.raises(RecipeError) as caught:
        class_weights({"cat": 1, "dog": 9}, Imbalance(class_weights={"dgo": 1, "zebra": 1, "cat": 1}))
    assert str(caught.value) == (
        "imbalance.class_weights: there is no class 'dgo'. Did you mean 'dog'?; there is no class 'zebra'.; no weight is"
        " given for class 'dog'"
    )


@given(labels_of_pictures, some.integers(0, 99), some.integers(0, 99))
@steady
def test_every_picture_once_without_oversampling(labels: list[int], seed: int, epoch: int) -> None:
    assert epoch_items(labels, False, seed, epoch) == [(index, 0) for index in range(len(labels))]


@given(labels_of_pictures, some.integers(0, 99), some.integers(0, 99))
@steady
def test_oversampling_makes_every_class_as_large_as_the_largest(labels: list[int], seed: int, epoch: int) -> None:
    items = epoch_items(labels, True, seed, epoch)
    sizes = Counter(labels)
    largest = max(sizes.values())
    assert Counter(labels[index] for index, _ in items) == dict.fromkeys(sizes, largest)
    assert len(set(items)) == len(items), "a repeat of a picture is another view"
    repeats = Counter(index for index, _ in items)
    assert set(repeats) == set(range(len(labels))), "none is left out"
    for index, count in repeats.items():
        assert count in (largest // sizes[labels[index]], -(-largest // sizes[labels[index]]))
        assert {repeat for item, repeat in items if item == index} == set(range(count))
    assert len(items) == pictures_per_epoch({str(label): count for label, count in sizes.items()}, True)


@given(labels_of_pictures, some.integers(0, 99), some.integers(0, 99))
@steady
def test_oversampling_is_a_value(labels: list[int], seed: int, epoch: int) -> None:
    assert epoch_items(labels, True, seed, epoch) == epoch_items(labels, True, seed, epoch)


def test_other_pictures_are_repeated_in_other_epochs() -> None:
    labels = [0] * 15 + [1] * 10
    repeated = [frozenset(index for index, repeat in epoch_items(labels, True, 0, epoch) if repeat) for epoch in range(9)]
    assert all(len(indices) == 5 for indices in repeated)
    assert len(set(repeated)) > 5


def test_pictures_per_epoch() -> None:
    assert pictures_per_epoch({"cat": 3, "dog": 10, "cow": 1}, oversample=False) == 14
    assert pictures_per_epoch({"cat": 3, "dog": 10, "cow": 1}, oversample=True) == 30
