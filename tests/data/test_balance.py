"""Unequal classes: weights by number, repeats by property."""

from __future__ import annotations

import itertools
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from sklearn.utils.class_weight import compute_class_weight

from unfreeze.data.balance import class_weights, epoch_items, logit_offsets, pictures_per_epoch, repeats
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


def test_inverse_square_roots_have_the_ratio_of_roots_and_a_mean_of_one() -> None:
    counts = {"cat": 100, "dog": 4}
    weights = class_weights(counts, Imbalance(class_weights="inverse-sqrt"))
    assert weights is not None
    assert weights["dog"] / weights["cat"] == pytest.approx(10 / 2)
    assert weights == pytest.approx({"cat": 104 / 120, "dog": 104 / 24})


def test_the_effective_number_of_samples() -> None:
    # Cui et al. 2019, equation 2: 0.9 of a picture is new where there is one, 0.9² of the next.
    counts, settings = {"cat": 3, "dog": 1}, Imbalance(class_weights="effective", beta=0.9)
    weights = class_weights(counts, settings)
    assert weights is not None
    assert weights["dog"] / weights["cat"] == pytest.approx(1 + 0.9 + 0.81)
    assert sum(weights[label] * counts[label] for label in counts) == pytest.approx(4)


@given(some.dictionaries(some.text(max_size=3), some.integers(1, 10**6), min_size=1, max_size=8), some.data())
@steady
def test_all_kinds_weigh_rare_classes_more_and_the_mean_picture_by_one(counts: dict[str, int], data: some.DataObject) -> None:
    kind = data.draw(some.sampled_from(["balanced", "inverse-sqrt", "effective"]))
    beta = data.draw(some.sampled_from([0.0, 0.9, 0.999, 0.999999])) if kind == "effective" else 0.999
    settings = Imbalance(class_weights=kind, beta=beta)
    weights = class_weights(counts, settings)
    assert weights is not None
    assert sum(weights[label] * counts[label] for label in counts) == pytest.approx(sum(counts.values()))
    by_size = sorted(counts, key=counts.__getitem__)
    assert all(weights[rare] >= weights[common] * (1 - 1e-12) for rare, common in itertools.pairwise(by_size))


def test_effective_lies_between_equal_and_balanced() -> None:
    counts = {"cat": 20, "dog": 1000}
    ends = [class_weights(counts, Imbalance(class_weights="effective", beta=beta)) for beta in (0.0, 1 - 1e-9)]
    assert ends[0] == pytest.approx({"cat": 1, "dog": 1})
    assert ends[1] == pytest.approx(class_weights(counts, Imbalance(class_weights="balanced")), rel=1e-5)


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


def test_logit_offsets_are_the_logs_of_the_priors() -> None:
    counts = {"cat": 75, "dog": 25}
    offsets = logit_offsets(counts, Imbalance(loss="logit-adjusted", tau=2.0))
    assert offsets == pytest.approx({"cat": 2 * math.log(0.75), "dog": 2 * math.log(0.25)})
    assert logit_offsets(counts, Imbalance(loss="focal")) is None


def test_repeats_are_what_an_epoch_shows() -> None:
    labels = [0] * 10 + [1] * 4 + [2]
    shown = Counter(labels[index] for index, _ in epoch_items(labels, True, 0, 0))
    assert repeats({"cat": 10, "dog": 4, "cow": 1}) == {"cat": 1.0, "dog": 2.5, "cow": 10.0}
    assert [shown[label] / labels.count(label) for label in (0, 1, 2)] == [1.0, 2.5, 10.0]


def test_pictures_per_epoch() -> None:
    assert pictures_per_epoch({"cat": 3, "dog": 10, "cow": 1}, oversample=False) == 14
    assert pictures_per_epoch({"cat": 3, "dog": 10, "cow": 1}, oversample=True) == 30
