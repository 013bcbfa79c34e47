"""A linear probe: how far frozen features alone would come, by cross-validation on the training pictures."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unfreeze.search.logme import logme

FOLDS = 5
# Features of an early stage are as many, pictures are few: without a penalty every probe would learn its pictures by heart.
_INVERSE_PENALTY = 0.1


@dataclass(frozen=True)
class Probe:
    """What the features before one stage know of the classes.

    Attributes:
        boundary: the stage whose inputs they are; `head` for the pooled features of the whole base.
        accuracy: of pictures left out, the mean over the folds, in 0–1.
        error: its standard error: √(p (1 - p) / N), with two right and two wrong answers added (Agresti & Coull 1998), because
            a probe that is always right has an error, too.
        logme: see `search.logme`.
        pictures: how many were looked at.
    """

    boundary: str
    accuracy: float
    error: float
    logme: float
    pictures: int


def probe(boundary: str, features: NDArray[np.float32], labels: NDArray[np.int64], seed: int) -> Probe | None:
    """Logistic regression on standardised features, scored by stratified cross-validation (Kohavi 1995).

    Linear probes of each layer: Alain & Bengio 2016, "Understanding intermediate layers using linear classifier probes".

    Args:
        features: float32 [N, D].
        labels: int64 [N].

    Returns:
        None where no class, or only one, has pictures enough to leave some out.
    """
    # Late: scikit-learn takes a second to import.
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    classes, counts = np.unique(labels, return_counts=True)
    enough = np.isin(labels, classes[counts >= 2])
    features, labels = features[enough], labels[enough]
    if len(np.unique(labels)) < 2:
        return None
    folds = StratifiedKFold(min(FOLDS, int(np.unique(labels, return_counts=True)[1].min())), shuffle=True, random_state=seed)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=_INVERSE_PENALTY, max_iter=200, tol=1e-2))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        accuracy = float(cross_val_score(model, features, labels, cv=folds).mean())
    pictures = len(labels)
    likely = (accuracy * pictures + 2) / (pictures + 4)
    error = float(np.sqrt(likely * (1 - likely) / (pictures + 4)))
    return Probe(boundary, accuracy, error, logme(features, labels), pictures)
