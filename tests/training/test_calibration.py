"""Calibration and abstention against what is known by construction, by hand, or by scikit-learn and SciPy."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from scipy.stats import beta
from sklearn.metrics import log_loss

from unfreeze.errors import RunError
from unfreeze.training.calibration import (
    Bin,
    Calibration,
    abstention_threshold,
    best_precision,
    calibrated,
    copy_calibration,
    expected_calibration_error,
    expected_error_by_chance,
    fit_temperature,
    read_calibration,
    reliability,
    with_temperature,
    write_calibration,
)


def log_softmax(logits):
    return (logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)).astype(np.float32)


def made_at(temperature, pictures, classes=10, seed=0):
    """Log-probabilities whose temperature is known, and labels drawn with the probabilities that they have at it."""
    generator = np.random.default_rng(seed)
    logits = 3 * generator.standard_normal((pictures, classes))
    labels = (log_softmax(logits) + generator.gumbel(size=logits.shape)).argmax(axis=1)
    return log_softmax(temperature * logits), labels


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_a_known_temperature_is_recovered(temperature):
    log_probabilities, labels = made_at(temperature, 5000)
    assert fit_temperature(log_probabilities, labels).temperature == pytest.approx(temperature, rel=0.05)


def loss_of(log_probabilities, labels):
    probabilities = np.exp(log_probabilities.astype(np.float64))
    return log_loss(labels, probabilities / probabilities.sum(axis=1, keepdims=True))


def test_no_temperature_of_a_grid_is_better():
    log_probabilities, labels = made_at(2.0, 3000, classes=4)
    calibration = fit_temperature(log_probabilities, labels)
    grid = np.linspace(1, 4, 31)
    losses = [loss_of(log_probabilities / each, labels) for each in grid]
    assert calibration.temperature == pytest.approx(grid[int(np.argmin(losses))], abs=0.1)
    assert calibration.loss_after == pytest.approx(min(losses), abs=1e-3)
    assert calibration.loss_before == pytest.approx(loss_of(log_probabilities, labels), abs=1e-6)
    assert calibration.pictures == 3000


def test_a_calibrated_model_is_calibrated():
    log_probabilities, labels = made_at(2.5, 4000)
    fitted, fresh = slice(0, 2000), slice(2000, None)
    calibration = fit_temperature(log_probabilities[fitted], labels[fitted])

    def error(rows):
        confidences = np.exp(rows.max(axis=1).astype(np.float64))
        bins = reliability(confidences, rows.argmax(axis=1) == labels[fresh])
        return expected_calibration_error(bins), expected_error_by_chance(confidences)

    before, (_, chance) = error(log_probabilities[fresh])
    after, (_, chance_after) = error(with_temperature(log_probabilities[fresh], calibration.temperature))
    assert before > 3 * chance
    assert after < chance_after


def test_without_mistakes_the_temperature_stays_above_its_bound():
    """Where all are right a lower temperature is always better, but for the one picture more that belongs to all classes."""
    labels = np.arange(60) % 3
    log_probabilities = log_softmax(2.0 * np.eye(3)[labels])
    calibration = fit_temperature(log_probabilities, labels)
    # By symmetry a picture's class gets p and each other (1 - p) / 2; best is p = 1 - 2/3 of one picture in 61.
    likeliest = np.exp(with_temperature(log_probabilities, calibration.temperature)).max(axis=1)
    assert likeliest == pytest.approx(np.full(60, 1 - 2 / 3 / 61), abs=1e-4)


def test_too_few_pictures_are_left_alone():
    log_probabilities, labels = made_at(3.0, 49)
    calibration = fit_temperature(log_probabilities, labels)
    assert (calibration.temperature, calibration.pictures) == (1.0, 49)
    assert calibration.reason == "49 validation pictures are too few to fit a temperature, which takes 50"
    assert calibration.loss_after == calibration.loss_before == pytest.approx(loss_of(log_probabilities, labels), 1e-5)
    assert fit_temperature(log_probabilities[:0], labels[:0]).temperature == 1


def test_outputs_that_are_not_finite_are_left_alone():
    log_probabilities, labels = made_at(3.0, 60)
    log_probabilities[7, 2] = np.nan
    assert fit_temperature(log_probabilities, labels).reason == "the model's outputs aren't all finite numbers"


def test_the_loss_never_gets_worse():
    for seed in range(20):
        calibration = fit_temperature(*made_at(1.0, 50, seed=seed))
        assert calibration.loss_after <= calibration.loss_before
        assert (calibration.temperature == 1) == (calibration.loss_after == calibration.loss_before)


@pytest.mark.parametrize("temperature", [0.05, 0.3, 1.7, 20.0])
def test_the_named_class_never_changes(temperature):
    """Also where two classes are a last bit apart, which float32 can't tell at a higher temperature."""
    log_probabilities, _ = made_at(1.0, 500)
    near = np.full((40, 4), -1.5, np.float32)
    near[np.arange(40), np.arange(40) % 4] = np.nextafter(np.float32(-1.5), np.float32(0))
    for rows in (log_probabilities, near):
        scaled = with_temperature(rows, temperature)
        assert scaled.dtype == np.float32
        np.testing.assert_array_equal(scaled.argmax(axis=1), rows.argmax(axis=1))
        np.testing.assert_allclose(scaled, log_softmax(rows.astype(np.float64) / temperature), atol=1e-5)


def test_a_temperature_of_one_changes_no_byte():
    log_probabilities, _ = made_at(1.3, 50)
    assert with_temperature(log_probabilities, 1.0).tobytes() == log_probabilities.tobytes()


def test_a_calibration_is_kept_beside_the_model(tmp_path):
    log_probabilities, labels = made_at(2.0, 100)
    calibration = fit_temperature(log_probabilities, labels)
    (tmp_path / "other").mkdir()
    assert read_calibration(tmp_path) is None
    assert calibrated(log_probabilities, tmp_path) is log_probabilities
    copy_calibration(tmp_path, tmp_path / "other")
    assert read_calibration(tmp_path / "other") is None
    write_calibration(calibration, tmp_path)
    copy_calibration(tmp_path, tmp_path / "other")
    assert read_calibration(tmp_path / "other") == calibration
    expected = with_temperature(log_probabilities, calibration.temperature)
    np.testing.assert_array_equal(calibrated(log_probabilities, tmp_path / "other"), expected)


@pytest.mark.parametrize("text", ["", "[]", "{}", json.dumps(vars(Calibration(0.0, 60, 1.0, 0.9, "fitted")))])
def test_a_damaged_calibration_is_refused(tmp_path, text):
    (tmp_path / "calibration.json").write_text(text, encoding="utf-8")
    with pytest.raises(RunError, match=r"calibration\.json: isn't a model's calibration"):
        read_calibration(tmp_path)


def test_reliability_by_hand():
    confidences = np.array([0.25, 0.5, 0.55, 0.65, 0.9, 1.0])
    right = np.array([False, True, True, False, True, True])
    bins = reliability(confidences, right, bins=4)
    # Closed above: 0.25 and 0.5 are the last of their bins.
    assert bins == [
        Bin(0.0, 0.25, 0.25, 0.0, 1),
        Bin(0.25, 0.5, 0.5, 1.0, 1),
        Bin(0.5, 0.75, pytest.approx(0.6), 0.5, 2),
        Bin(0.75, 1.0, pytest.approx(0.95), 1.0, 2),
    ]
    assert expected_calibration_error(bins) == pytest.approx((0.25 + 0.5 + 2 * 0.1 + 2 * 0.05) / 6)
    assert reliability(np.zeros(1), np.ones(1, bool)) == [Bin(0.0, pytest.approx(1 / 15), 0.0, 1.0, 1)]
    assert expected_calibration_error([]) == 0


def test_the_error_by_chance_is_that_of_a_binomial():
    """One bin of n pictures, all with confidence p: the error is |right / n - p|, √(2 p (1 - p) / (π n)) on the mean."""
    mean, high = expected_error_by_chance(np.full(400, 0.7), resamples=4000)
    deviation = math.sqrt(0.7 * 0.3 / 400)
    assert mean == pytest.approx(deviation * math.sqrt(2 / math.pi), rel=0.05)
    assert high == pytest.approx(deviation * 1.96, rel=0.06)
    assert expected_error_by_chance(np.ones(10)) == (0.0, 0.0)
    assert expected_error_by_chance(np.full(50, 0.6), seed=3) == expected_error_by_chance(np.full(50, 0.6), seed=3)


def in_hundreds(*wrong):
    """Ten hundreds of pictures, each less sure than the one before, with as many wrong ones as given."""
    confidences = np.repeat(np.linspace(0.95, 0.5, 10), 100)
    right = np.concatenate([np.arange(100) >= count for count in wrong])
    shuffled = np.random.default_rng(0).permutation(1000)
    return confidences[shuffled], right[shuffled]


def test_the_lowest_threshold_with_the_wanted_precision():
    confidences, right = in_hundreds(0, 0, 1, 1, 2, 3, 10, 30, 40, 60)
    found = abstention_threshold(confidences, right, 0.95)
    # 17 wrong of 700 have a lower bound of 96.4 %, 47 of 800 one of 92.5 %.
    assert found is not None
    assert (found.threshold, found.kept, found.pictures) == (pytest.approx(0.65), 0.7, 1000)
    assert found.precision == pytest.approx(683 / 700)
    assert found.lower_bound == pytest.approx(beta.ppf(0.05, 683, 18))
    assert (confidences >= found.threshold).sum() == 700
    everything = abstention_threshold(confidences, right, 0.8)
    assert everything is not None
    assert (everything.threshold, everything.kept) == (0.5, 1.0)


def test_a_precision_that_cannot_be_promised():
    confidences, right = in_hundreds(10, 10, 10, 10, 10, 10, 10, 10, 10, 10)
    assert abstention_threshold(confidences, right, 0.95) is None
    best = best_precision(confidences, right)
    assert abstention_threshold(confidences, right, best) is not None
    assert abstention_threshold(confidences, right, best + 0.001) is None
    # Fewer pictures than could prove it, were they all right.
    assert abstention_threshold(np.ones(58), np.ones(58, bool), 0.95) is None
    assert abstention_threshold(np.ones(59), np.ones(59, bool), 0.95) is not None
    assert (abstention_threshold(np.ones(0), np.ones(0, bool), 0.5), best_precision(np.ones(0), np.ones(0, bool))) == (
        None,
        0.0,
    )
    assert abstention_threshold(np.ones(100), np.zeros(100, bool), 0.5) is None


def test_the_first_threshold_that_fails_ends_the_search():
    """All of them together would reach 90 %, but who looks on after a failure finds by chance what isn't so."""
    confidences, right = in_hundreds(20, 20, 20, 0, 0, 0, 0, 0, 0, 0)
    assert beta.ppf(0.05, 940, 61) > 0.9
    assert abstention_threshold(confidences, right, 0.9) is None


def test_the_promise_holds_as_often_as_it_says():
    """Confidences that say nothing, of a model that is right with exactly the wanted precision: any threshold is a mistake."""
    generator = np.random.default_rng(0)
    broken = 0
    for _ in range(400):
        right = generator.random(300) < 0.8
        broken += abstention_threshold(generator.random(300), right, 0.8) is not None
    assert broken / 400 <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / 400)
