"""The mathematics of curves, by value."""

from __future__ import annotations

import math

import numpy as np
import pytest

from unfreeze.diagnosis.curves import accuracy_error, level, level_at, noise, trend

NAN, INF = math.nan, math.inf


def curve(*values: float) -> np.ndarray:
    return np.array(values, np.float64)


def test_a_level_is_the_mean_of_the_last_epochs_that_have_a_value() -> None:
    assert level(curve(9, 1, 2, 3)) == 2
    assert level(curve(9, 1, 2, NAN, 3, INF)) == 2
    assert level(curve(9, 1, 2, 4), epochs=2) == 3
    assert level(curve(5)) == 5
    assert math.isnan(level(curve(NAN, INF)))
    assert math.isnan(level(curve()))


@pytest.mark.parametrize(("place", "expected"), [(0, 2), (1, 2), (2, 3), (3, 4), (4, 4)])
def test_a_level_at_a_place_is_the_mean_of_it_and_its_neighbours(place: int, expected: float) -> None:
    assert level_at(curve(1, 2, 3, 4, 5), place) == expected


def test_a_trend_is_the_median_of_all_slopes_and_no_outlier_moves_it() -> None:
    straight = trend(3 - 0.5 * np.arange(10.0))
    assert straight == pytest.approx((-0.5, -0.5, -0.5))
    outlier = 3 - 0.5 * np.arange(10.0)
    outlier[4] = 100
    assert trend(outlier).slope == pytest.approx(-0.5)
    assert trend(outlier).high < 0
    # The slopes between all pairs of 0, 1, 5: 1, 2.5 and 4.
    assert trend(curve(0, 1, 5)).slope == 2.5


def test_a_trend_knows_where_a_missing_epoch_was() -> None:
    assert trend(curve(0, 1, NAN, 3, INF, 5)).slope == pytest.approx(1)


def test_a_trend_is_clear_only_beyond_its_noise() -> None:
    random = np.random.default_rng(0)
    falling = [trend(random.normal(0, 1, 12) - 1.0 * np.arange(12)).high < 0 for _ in range(50)]
    level_ones = [trend(random.normal(0, 1, 12)).high < 0 for _ in range(200)]
    assert all(falling)
    assert np.mean(level_ones) < 0.10  # of a 90 % interval one side is 5 %


@pytest.mark.parametrize("values", [(), (1.0,), (1.0, 2.0), (1.0, NAN, 2.0, INF)])
def test_two_values_have_no_trend(values: tuple[float, ...]) -> None:
    slope, low, high = trend(curve(*values))
    assert math.isnan(slope)
    assert (low, high) == (-INF, INF)


def test_noise_is_the_standard_deviation_about_the_curve_and_not_the_curve() -> None:
    random, epochs = np.random.default_rng(0), np.arange(2000.0)
    assert noise(random.normal(0, 0.2, 2000)) == pytest.approx(0.2, rel=0.1)
    assert noise(2 * np.exp(-epochs / 500) + random.normal(0, 0.2, 2000)) == pytest.approx(0.2, rel=0.1)
    assert noise(3 - 0.1 * epochs) == pytest.approx(0, abs=1e-9)
    assert noise(epochs[:30] ** 2) == pytest.approx(0, abs=1e-9)  # a steady bend is no noise
    assert noise(curve(1, 5, 1)) == 0
    assert noise(curve(1, NAN, 5, 1)) == 0


@pytest.mark.parametrize(
    ("accuracy", "pictures", "expected"),
    [
        (0.5, 100, 0.05),
        (0.9, 900, 0.01),
        (1.0, 99, math.sqrt(0.99 * 0.01 / 99)),
        (0.0, 99, math.sqrt(0.99 * 0.01 / 99)),
        (0.5, None, 0.0),
        (0.5, 0, 0.0),
        (NAN, 100, 0.0),
    ],
)
def test_the_standard_error_of_an_accuracy(accuracy: float, pictures: int | None, expected: float) -> None:
    assert accuracy_error(accuracy, pictures) == pytest.approx(expected)
