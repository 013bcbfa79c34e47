"""Whether one model is better than another, by value."""

from __future__ import annotations

import math

import numpy as np
import pytest

from unfreeze.diagnosis.better import STANDARD_ERRORS, compare_models
from unfreeze.training.run_folder import Predicted


def predicted(labels: list[int], certain: list[float]) -> Predicted:
    """Of two classes: the probability of the true one."""
    right = np.array(certain)
    rows = np.stack([right, 1 - right], axis=1)
    flipped = np.where(np.array(labels)[:, None] == 0, rows, rows[:, ::-1])
    return Predicted(tuple(map(str, range(len(labels)))), np.array(labels, np.int64), flipped)


def test_the_loss_and_its_standard_error() -> None:
    labels, random = [0, 1] * 100, np.random.default_rng(1)
    first, second = random.uniform(0.2, 0.9, 200), random.uniform(0.3, 0.99, 200)
    gain = compare_models(predicted(labels, list(first)), predicted(labels, list(second)), "val_loss")
    differences = np.log(second) - np.log(first)
    assert (gain.first, gain.second) == (pytest.approx(-np.log(first).mean()), pytest.approx(-np.log(second).mean()))
    assert gain.gain == pytest.approx(differences.mean())
    assert gain.error == pytest.approx(differences.std() / math.sqrt(200), rel=0.1)
    assert gain.is_better
    assert not compare_models(predicted(labels, list(second)), predicted(labels, list(first)), "val_loss").is_as_good


@pytest.mark.parametrize(
    ("measure", "first", "second"),
    # Of six pictures of one class and two of another; the second model also names one of the latter right.
    [
        ("val_accuracy", 6 / 8, 7 / 8),
        ("val_balanced_accuracy", 1 / 2, 3 / 4),
        ("val_macro_f1", (6 / 7) / 2, (12 / 13 + 2 / 3) / 2),
    ],
)
def test_other_measures(measure: str, first: float, second: float) -> None:
    labels = [0] * 6 + [1] * 2
    gain = compare_models(predicted(labels, [0.9] * 6 + [0.1] * 2), predicted(labels, [0.9] * 7 + [0.1]), measure)
    assert (gain.measure, gain.first, gain.second) == (measure, pytest.approx(first), pytest.approx(second))
    assert gain.gain == pytest.approx(second - first)
    assert gain.is_as_good


def test_a_single_picture_is_no_gain() -> None:
    labels, some = [0] * 50, [0.9] * 30 + [0.1] * 20
    gain = compare_models(predicted(labels, some), predicted(labels, [0.9] * 31 + [0.1] * 19), "val_accuracy")
    assert gain.gain == pytest.approx(0.02)
    assert not gain.is_better
    assert compare_models(predicted(labels, some), predicted(labels, [0.9] * 40 + [0.1] * 10), "val_accuracy").is_better


def test_a_model_is_as_good_as_itself_and_not_better() -> None:
    model = predicted([0, 1, 1], [0.8, 0.6, 0.3])
    gain = compare_models(model, model, "val_loss")
    assert (gain.gain, gain.error, gain.is_better, gain.is_as_good) == (0, 0, False, True)


def test_probabilities_of_nothing_cost_much_and_not_everything() -> None:
    gain = compare_models(predicted([0], [0.0]), predicted([0], [1.0]), "val_loss")
    assert gain.first == pytest.approx(-math.log(1e-6))


def test_the_same_answer_every_time() -> None:
    random = np.random.default_rng(0)
    models = [predicted([0, 1] * 20, list(random.uniform(0.1, 0.9, 40))) for _ in range(2)]
    assert compare_models(*models, "val_macro_f1") == compare_models(*models, "val_macro_f1")


def test_other_pictures_are_refused() -> None:
    one, other = predicted([0, 1], [0.5, 0.5]), predicted([0, 1, 1], [0.5] * 3)
    with pytest.raises(ValueError, match="same pictures"):
        compare_models(one, other, "val_loss")


def test_noise_is_seldom_taken_for_a_gain() -> None:
    """Two models of equal worth, whose losses on a picture differ by chance."""
    random, labels = np.random.default_rng(2), [0] * 100
    better = 0
    for _ in range(40):
        hard = random.normal(1, 1, 100)
        one, other = (1 / (1 + np.exp(-hard - random.normal(0, 0.5, 100))) for _ in range(2))
        better += compare_models(predicted(labels, list(one)), predicted(labels, list(other)), "val_loss").is_better
    assert better / 40 <= 2 * 0.5 * math.erfc(STANDARD_ERRORS / math.sqrt(2)) + 0.02
