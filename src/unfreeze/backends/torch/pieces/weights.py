"""Class weights for PyTorch's loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from unfreeze.data import class_counts


def class_weights(
    labels: Any = None,
    *,
    counts: Mapping[Any, int] | Any = None,
    how: str = "balanced",
    beta: float = 0.999,
    classes: int | None = None,
) -> Tensor:
    """The weight of each class, for `torch.nn.CrossEntropyLoss(weight=...)`.

    The mean weight of a training picture is 1. PyTorch divides a batch's weighted loss by the sum of its weights, so that
    weights change emphasis and not the size of the loss (Keras's `fit(class_weight=...)` divides by the number of pictures).
    With `label_smoothing`, PyTorch weighs each part of the smoothed target instead of the picture.

    Args:
        labels: the class of each training picture, int [N] of 0 … K-1: a list, an array or a tensor.
        counts: instead of labels, the training pictures of each class: K numbers, or a dictionary of them in the order of the
            network's outputs.
        how: with n the pictures of a class, `balanced` is in proportion to 1 / n (scikit-learn's `compute_class_weight`),
            `inverse-sqrt` to 1 / √n (as Mahajan et al. 2018 resample), `effective` to (1 - β) / (1 - β^n) (Cui et al. 2019).
        beta: β of `effective`, in [0, 1).
        classes: K, where labels could lack the last classes.

    Returns:
        float32 [K], in the order of the classes.

    Raises:
        DataError: both labels and counts or neither, labels that aren't whole numbers from 0, or a class without pictures.
        RecipeError: an unknown `how`, or `beta` out of range.
    """
    if isinstance(labels, Tensor):
        labels = labels.detach().cpu().numpy()
    weights = class_counts.class_weights(class_counts.count(labels, counts, classes), how, beta)
    return torch.tensor(weights, dtype=torch.float32)
