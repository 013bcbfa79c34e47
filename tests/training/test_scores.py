"""Scores against numbers worked out by hand and by scikit-learn."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    confusion_matrix,
    f1_score,
    log_loss,
    precision_recall_fscore_support,
)

from unfreeze.training.scores import Scores, accuracy_interval, score


def log_of(probabilities):
    return np.log(np.array(probabilities, np.float32))


BY_HAND = score(
    log_of([[0.7, 0.2, 0.1], [0.6, 0.3, 0.1], [0.1, 0.8, 0.1], [0.2, 0.5, 0.3], [0.25, 0.25, 0.5]]),
    np.array([0, 1, 1, 2, 2]),
    ("cat", "dog", "owl"),
)


def test_by_hand():
    assert BY_HAND.pictures == 5
    assert BY_HAND.accuracy == 0.6
    assert BY_HAND.loss == pytest.approx(-sum(map(math.log, [0.7, 0.3, 0.8, 0.3, 0.5])) / 5, rel=1e-6)
    assert BY_HAND.confusion.tolist() == [[1, 0, 0], [1, 1, 0], [0, 1, 1]]
    assert BY_HAND.confusion.dtype == np.int64
    assert [vars(of_class) for of_class in BY_HAND.per_class.values()] == [
        pytest.approx({"precision": 1 / 2, "recall": 1.0, "f1": 2 / 3, "pictures": 1}),
        pytest.approx({"precision": 1 / 2, "recall": 1 / 2, "f1": 1 / 2, "pictures": 2}),
        pytest.approx({"precision": 1.0, "recall": 1 / 2, "f1": 2 / 3, "pictures": 2}),
    ]
    assert list(BY_HAND.per_class) == ["cat", "dog", "owl"]
    assert BY_HAND.balanced_accuracy == pytest.approx((1 + 1 / 2 + 1 / 2) / 3)
    assert BY_HAND.macro_f1 == pytest.approx((2 / 3 + 1 / 2 + 2 / 3) / 3)


@pytest.mark.parametrize("seed", range(5))
def test_against_scikit_learn(seed):
    random = np.random.default_rng(seed)
    probabilities = random.dirichlet(np.ones(6), 200).astype(np.float32)
    labels = random.integers(0, 6, 200)
    scores = score(np.log(probabilities), labels, tuple("abcdef"))
    predicted = probabilities.argmax(axis=1)
    assert scores.accuracy == accuracy_score(labels, predicted)
    assert scores.loss == pytest.approx(log_loss(labels, probabilities, labels=range(6)), rel=1e-4)
    assert scores.balanced_accuracy == pytest.approx(balanced_accuracy_score(labels, predicted))
    assert scores.macro_f1 == pytest.approx(f1_score(labels, predicted, average="macro"))
    assert (scores.confusion == confusion_matrix(labels, predicted)).all()
    expected = np.transpose(precision_recall_fscore_support(labels, predicted))
    ours = [[one.precision, one.recall, one.f1, one.pictures] for one in scores.per_class.values()]
    np.testing.assert_allclose(ours, expected)


@pytest.mark.filterwarnings("error")
def test_a_class_never_predicted_and_a_class_without_pictures():
    scores = score(log_of([[0.9, 0.05, 0.05], [0.8, 0.1, 0.1]]), np.array([0, 1]), ("cat", "dog", "owl"))
    assert vars(scores.per_class["dog"]) == {"precision": 0, "recall": 0, "f1": 0, "pictures": 1}
    assert vars(scores.per_class["owl"]) == {"precision": 0, "recall": 0, "f1": 0, "pictures": 0}
    assert scores.confusion.tolist() == [[1, 0, 0], [1, 0, 0], [0, 0, 0]]


@pytest.mark.filterwarnings("error")
def test_a_class_without_pictures_is_in_no_mean_and_one_never_predicted_counts_as_nothing():
    # owl has no pictures and is named twice; dog has one and is never named.
    rows = [[0.9, 0.05, 0.05], [0.1, 0.1, 0.8], [0.1, 0.1, 0.8]]
    scores = score(log_of(rows), np.array([0, 0, 1]), ("cat", "dog", "owl"))
    assert scores.balanced_accuracy == pytest.approx((1 / 2 + 0) / 2)
    assert scores.macro_f1 == pytest.approx((2 / 3 + 0) / 2)
    present = f1_score([0, 0, 1], [0, 2, 2], labels=[0, 1], average="macro", zero_division=0)
    assert scores.macro_f1 == pytest.approx(present)


def test_accuracy_hides_what_the_means_over_classes_show():
    scores = score(log_of([[0.9, 0.1]] * 10), np.array([0] * 9 + [1]), ("cat", "dog"))
    assert (scores.accuracy, scores.balanced_accuracy) == (0.9, 0.5)
    assert scores.macro_f1 == pytest.approx(2 * 9 / 19 / 2)


@pytest.mark.filterwarnings("error")
def test_one_picture():
    scores = score(log_of([[0.5, 0.5]]), np.array([1]), ("cat", "dog"))
    assert (scores.accuracy, scores.pictures) == (0.0, 1)  # of equal probabilities the first class is named
    assert scores.loss == pytest.approx(math.log(2))


def test_a_true_class_given_no_probability_at_all():
    assert score(np.array([[0, -np.inf]], np.float32), np.array([1]), ("cat", "dog")).loss == math.inf


def wilson(right, pictures, z=1.959963984540054):
    part = right / pictures
    centre = part + z * z / (2 * pictures)
    spread = z * math.sqrt(part * (1 - part) / pictures + z * z / (4 * pictures**2))
    return (centre - spread) / (1 + z * z / pictures), (centre + spread) / (1 + z * z / pictures)


@pytest.mark.parametrize(
    ("right", "pictures", "low", "high"),
    [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (340, 372, 0.8811, 0.9384), (5, 10, 0.2366, 0.7634), (1, 1, 0.2065, 1)],
)
def test_known_intervals(right, pictures, low, high):
    assert accuracy_interval(right, pictures) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))


@settings(deadline=None)
@given(st.integers(1, 2000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_interval_is_wilsons_and_holds_the_accuracy(counts):
    right, pictures = counts
    low, high = accuracy_interval(right, pictures)
    assert (low, high) == pytest.approx(wilson(right, pictures), abs=1e-9)
    assert 0 <= low <= right / pictures <= high <= 1


def test_the_interval_of_scores_is_of_their_accuracy():
    assert BY_HAND.interval == accuracy_interval(3, 5)


def test_round_trip_through_json():
    values = BY_HAND.as_dict()
    again = Scores.from_dict(json.loads(json.dumps(values)))
    assert again.as_dict() == values
    assert (again.per_class, again.interval) == (BY_HAND.per_class, BY_HAND.interval)
    assert (again.confusion == BY_HAND.confusion).all()
    assert again.confusion.dtype == np.int64
    assert values["interval_method"] == "Wilson, 95 %"
    assert values["pictures"] == 5
    assert (values["balanced_accuracy"], values["macro_f1"]) == (BY_HAND.balanced_accuracy, BY_HAND.macro_f1)


def test_scores_of_an_earlier_version_have_the_means_too():
    values = {name: value for name, value in BY_HAND.as_dict().items() if name not in ("balanced_accuracy", "macro_f1")}
    assert Scores.from_dict(values).macro_f1 == BY_HAND.macro_f1


def test_as_dict_is_a_copy():
    BY_HAND.as_dict()["per_class"]["cat"]["recall"] = 0.0
    assert BY_HAND.per_class["cat"].recall == 1.0
