"""LogME against the evidence maximised directly, and what it is for."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import multivariate_normal

from unfreeze.search.logme import logme


def maximised(features: np.ndarray, labels: np.ndarray) -> float:
    """The log evidence per picture of Bayesian linear regression, by Nelder-Mead over both precisions."""
    found = []
    for one in np.unique(labels):
        target = (labels == one).astype(float)

        def negative(logs: np.ndarray, target: np.ndarray = target) -> float:
            noise = np.exp(-logs[1]) * np.eye(len(target))
            covariance = noise + np.exp(-logs[0]) * features @ features.T
            return float(-multivariate_normal.logpdf(target, np.zeros(len(target)), covariance) / len(target))

        options = {"maxiter": 2000, "xatol": 1e-6, "fatol": 1e-9}
        found.append(-minimize(negative, [2.0, 2.0], method="Nelder-Mead", options=options).fun)
    return float(np.mean(found))


@pytest.mark.parametrize(("pictures", "width"), [(60, 5), (24, 40)])
def test_it_is_the_maximum_evidence(pictures: int, width: int) -> None:
    random = np.random.default_rng(0)
    labels = random.integers(0, 3, pictures)
    features = random.standard_normal((pictures, width))
    features[:, 0] += labels
    assert logme(features, labels) == pytest.approx(maximised(features, labels), abs=1e-4)


def test_features_that_tell_classes_apart_have_more_of_it() -> None:
    random = np.random.default_rng(1)
    labels = np.repeat(np.arange(4), 25)
    noise = random.standard_normal((100, 16))
    told_apart = noise + 3 * np.eye(16)[labels]
    assert logme(told_apart, labels) > logme(noise, labels) + 0.3


def test_features_that_say_nothing_at_all_have_a_finite_one() -> None:
    assert np.isfinite(logme(np.ones((20, 3)), np.repeat([0, 1], 10)))
