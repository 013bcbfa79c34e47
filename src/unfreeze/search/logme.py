"""LogME: how well features explain labels, without training anything on them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# The authors stop after 11; some need more until nothing changes.
_ITERATIONS, _CLOSE = 200, 1e-4


def logme(features: NDArray[np.floating], labels: NDArray[np.int64]) -> float:
    """The logarithm of the maximum evidence (You et al. 2021, "LogME: practical assessment of pre-trained models").

    For each class: how likely its 0-1 labels are under linear regression on the features, all weights integrated out, with the
    prior precision α and the noise precision β that make them most likely; per picture, and the mean over the classes. Higher
    is better. It has no unit: hold it against that of other features of the same pictures.

    Args:
        features: float [N, D].
        labels: int64 [N], of at least two classes.
    """
    left, singular, _ = np.linalg.svd(np.asarray(features, np.float64), full_matrices=False)
    squares = singular**2
    kept = squares > squares.max(initial=0) * 1e-12
    classes = np.unique(labels)
    return float(np.mean([_evidence(left[:, kept], squares[kept], features.shape[1], labels == one) for one in classes]))


def _evidence(left: NDArray[np.float64], squares: NDArray[np.float64], width: int, members: NDArray[np.bool_]) -> float:
    """Of one class. `left` and `squares`: the features' left singular vectors [N, R] and squared singular values [R]."""
    target = members.astype(np.float64)
    pictures = len(target)
    seen = (left.T @ target) ** 2
    unseen = max(float(target @ target - seen.sum()), 0.0)  # of the target, outside what the features span
    alpha = beta = 1.0
    for _ in range(_ITERATIONS):
        ratio = alpha / beta
        weights = float((squares * seen / (ratio + squares) ** 2).sum())
        residual = float((seen / (1 + squares / ratio) ** 2).sum()) + unseen
        effective = float((squares / (ratio + squares)).sum())
        alpha, beta = effective / max(weights, 1e-12), (pictures - effective) / max(residual, 1e-12)
        if abs(alpha / beta - ratio) <= _CLOSE * ratio:
            break
    determinant = np.log(alpha + beta * squares).sum() + (width - len(squares)) * np.log(alpha)
    likely = pictures * np.log(beta) + width * np.log(alpha) - beta * residual - alpha * weights - determinant
    return float(likely / pictures - np.log(2 * np.pi)) / 2
