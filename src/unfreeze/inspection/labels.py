"""Labels that the frozen network's features dispute: confident learning on cross-validated probabilities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FOLDS = 5
# Inverse strength of L2, for features of unit length on average: however many they are.
_INVERSE_STRENGTH = 10.0
# More training pictures make the classifier of a fold hardly better and much slower.
_MOST_FITTED = 20_000


@dataclass(frozen=True)
class Dispute:
    """A picture whose label is in doubt.

    Attributes:
        picture: its number.
        given: the number of the class it is labelled as, `suggested` that of the class it looks like.
        margin: probability of the suggested class less that of the given one, in 0–1; the surest first.
    """

    picture: int
    given: int
    suggested: int
    margin: float


def out_of_sample_probabilities(
    features: NDArray[np.float32], labels: NDArray[np.int64], groups: NDArray[np.int64], seed: int = 0
) -> NDArray[np.float32]:
    """What a classifier that hasn't seen a picture, nor another one of its group, says of it.

    Logistic regression on standardised features, in `FOLDS` stratified folds that keep groups together.

    Args:
        features: float32 [N, C], of the frozen network.
        labels: int64 [N], each in 0 … K-1; every class has at least 2 pictures.
        groups: int64 [N]; pictures that are copies of each other have the same number.

    Returns:
        float32 [N, K]; a class that a fold had nothing to learn of has probability 0 there.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedGroupKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    probabilities = np.zeros((len(labels), int(labels.max()) + 1), np.float32)
    folds = StratifiedGroupKFold(min(FOLDS, int(np.unique(groups).size)), shuffle=True, random_state=seed)
    generator = np.random.default_rng(seed)
    strength = _INVERSE_STRENGTH / features.shape[1]
    for fitted, held_out in folds.split(features, labels, groups):
        if len(fitted) > _MOST_FITTED:
            fitted = generator.choice(fitted, _MOST_FITTED, replace=False)
        classifier = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=200))
        classifier.fit(features[fitted], labels[fitted])
        probabilities[np.ix_(held_out, classifier.classes_)] = classifier.predict_proba(features[held_out])
    return probabilities


def find_disputes(probabilities: NDArray[np.float32], labels: NDArray[np.int64]) -> list[Dispute]:
    """The pictures off the diagonal of the confident joint (Northcutt, Jiang & Chuang 2021), the surest first.

    A picture counts as class j where its probability of j is at least the mean of that probability over all pictures labelled
    j; of several such classes as the most probable one.

    Args:
        probabilities: float32 [N, K], out of sample; rows sum to about 1.
        labels: int64 [N], each in 0 … K-1.
    """
    counts = np.bincount(labels, minlength=probabilities.shape[1])
    sums = np.bincount(labels, probabilities[np.arange(len(labels)), labels], probabilities.shape[1])
    thresholds = np.where(counts > 0, sums / np.maximum(counts, 1), np.inf)
    confident = np.where(probabilities >= thresholds, probabilities, -1.0)
    suggested = confident.argmax(axis=1)
    disputed = np.flatnonzero((confident.max(axis=1) >= 0) & (suggested != labels))
    margins = probabilities[disputed, suggested[disputed]] - probabilities[disputed, labels[disputed]]
    order = np.argsort(-margins, kind="stable")
    return [
        Dispute(int(disputed[k]), int(labels[disputed[k]]), int(suggested[disputed[k]]), float(margins[k]))
        for k in order
        if margins[k] > 0
    ]
