"""The first pictures that a person's own loader gives."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unfreeze.errors import DataError, first_line

_COLOURS = 3
_Array = NDArray[np.float32]


def first_batches(batches: Iterable[Any], pictures: int, to_array: Callable[[Any], NDArray[Any]]) -> list[_Array]:
    """The first batches, as many as hold that many pictures, of one size, their axes as they come.

    Args:
        batches: tensors or arrays of four axes; tuples or lists that begin with one, such as (images, labels); or
            dictionaries that hold one.
        to_array: from one of the framework's tensors.

    Returns:
        float32 [B, ...] each, the last cut to the number asked for; fewer where there are no more of the first batch's size.

    Raises:
        DataError: there is no batch, it isn't of finite pictures in three colours, or the loader fails.
    """
    if pictures < 1:
        raise DataError(f"pictures: {pictures} won't do: give 1 or more, 32 is usual")
    taken: list[_Array] = []
    for images in _arrays(batches, to_array):
        _check(images)
        if taken and images.shape[1:] != taken[0].shape[1:]:
            break
        taken.append(images[: pictures - sum(map(len, taken))])
        if sum(map(len, taken)) == pictures:
            break
    if not taken:
        raise DataError("batches: there is none in it: give what the loader gives, for example `loader` itself")
    return taken


def _arrays(batches: Iterable[Any], to_array: Callable[[Any], NDArray[Any]]) -> Iterator[_Array]:
    try:
        for batch in batches:
            yield np.asarray(to_array(_images(batch)), np.float32)
    except Exception as error:  # of somebody else's loader, or of something that is none
        raise DataError(
            f"batches: the loader fails, or what it gives are no batches of pictures: {first_line(error)}. Give an iterable"
            " of tensors, of (images, labels) or of dictionaries with images."
        ) from error


def _images(batch: Any) -> Any:
    if isinstance(batch, Mapping):
        return next((value for value in batch.values() if np.ndim(value) == 4), ())
    return batch[0] if isinstance(batch, (tuple, list)) else batch


def _check(images: _Array) -> None:
    if images.ndim != 4 or _COLOURS not in (images.shape[1], images.shape[3]) or not images.size:
        raise DataError(
            f"batches: a batch of pictures in {_COLOURS} colours has 4 axes, for example 32 × 3 × 224 × 224 (PyTorch) or"
            f" 32 × 224 × 224 × 3 (TensorFlow); received {' × '.join(map(str, images.shape)) or 'a single number'}. Give"
            " tensors, (images, labels) or dictionaries with images."
        )
    if not np.isfinite(images).all():
        raise DataError("batches: there are values that aren't finite (NaN or infinite) in it: look for a division by zero")
