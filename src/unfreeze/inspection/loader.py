"""The first pictures that a person's own loader gives."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unfreeze.errors import DataError

_COLOURS = 3


def first_pictures(batches: Iterable[Any], count: int, to_array: Callable[[Any], NDArray[Any]]) -> NDArray[np.float32]:
    """The first `count` pictures, of one size, their axes as they come.

    Args:
        batches: tensors or arrays of four axes, or tuples or lists that begin with one, such as (images, labels).
        to_array: from one of the framework's tensors.

    Returns:
        float32 [B, ...]; fewer than `count` where the loader gives no more of the first batch's size.

    Raises:
        DataError: there is no batch, or it isn't of finite pictures in three colours.
    """
    taken: list[NDArray[np.float32]] = []
    for batch in batches:
        images = np.asarray(to_array(batch[0] if isinstance(batch, (tuple, list)) else batch), np.float32)
        _check(images)
        if taken and images.shape[1:] != taken[0].shape[1:]:
            break
        taken.append(images)
        if sum(map(len, taken)) >= count:
            break
    if not taken:
        raise DataError("batches: there is none in it: give what the loader gives, for example `loader` itself")
    return np.concatenate(taken)[:count]


def _check(images: NDArray[np.float32]) -> None:
    if images.ndim != 4 or _COLOURS not in (images.shape[1], images.shape[3]):
        raise DataError(
            f"batches: a batch of pictures in {_COLOURS} colours has 4 axes, for example 32 × 3 × 224 × 224 (PyTorch) or"
            f" 32 × 224 × 224 × 3 (TensorFlow); received {' × '.join(map(str, images.shape)) or 'a single number'}. Give"
            " tensors, or (images, labels) pairs."
        )
    if not np.isfinite(images).all():
        raise DataError("batches: there are values that aren't finite (NaN or infinite) in it: look for a division by zero")
