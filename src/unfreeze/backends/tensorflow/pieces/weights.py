"""Class weights for Keras's `fit`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from unfreeze.data import class_counts


def class_weights(
    labels: Any = None,
    *,
    counts: Mapping[Any, int] | Any = None,
    how: str = "balanced",
    beta: float = 0.999,
    classes: int | None = None,
) -> dict[int, float]:
    """The weight of each class, for `model.fit(class_weight=...)`.

    The mean weight of a training picture is 1. Keras divides a batch's weighted loss by the number of pictures, so that a batch
    of rare classes has a larger loss and takes a larger step (PyTorch's `CrossEntropyLoss(weight=...)` divides by the sum of
    weights; so does a Keras loss with `reduction="mean_with_sample_weight"`). `compile` knows no class weights.

    Args:
        labels: the class of each training picture, int [N] of 0 … K-1: a list, an array or a tensor.
        counts: instead of labels, the training pictures of each class: K numbers, or a dictionary of them in the order of the
            network's outputs.
        how: with n the pictures of a class, `balanced` is in proportion to 1 / n (scikit-learn's `compute_class_weight`),
            `inverse-sqrt` to 1 / √n (as Mahajan et al. 2018 resample), `effective` to (1 - β) / (1 - β^n) (Cui et al. 2019).
        beta: β of `effective`, in [0, 1).
        classes: K, where labels could lack the last classes.

    Returns:
        From each class's number to its weight.

    Raises:
        DataError: both labels and counts or neither, labels that aren't whole numbers from 0, or a class without pictures.
        RecipeError: an unknown `how`, or `beta` out of range.
    """
    return dict(enumerate(class_counts.class_weights(class_counts.count(labels, counts, classes), how, beta)))
