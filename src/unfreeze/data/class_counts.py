"""Class weights from labels or counts of a person's own, in the order of the classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from pydantic import ValidationError

from unfreeze.data import balance
from unfreeze.errors import DataError, RecipeError, did_you_mean
from unfreeze.recipe.recipe import Imbalance

HOW = ("balanced", "inverse-sqrt", "effective")


def class_weights(counts: list[int], how: str, beta: float) -> list[float]:
    """See `data.balance.class_weights`; in the order of the counts.

    Raises:
        RecipeError: an unknown `how`, or `beta` out of [0, 1).
    """
    if how not in HOW:
        raise RecipeError(f"how: there is no '{how}'.{did_you_mean(how, HOW)} It can be {', '.join(HOW)}.")
    try:
        settings = Imbalance.model_validate({"class_weights": how, **({"beta": beta} if how == "effective" else {})})
    except ValidationError:
        raise RecipeError(f"beta: {beta:g} won't do: give a number from 0 to below 1, such as 0.999") from None
    weights = balance.class_weights({str(number): count for number, count in enumerate(counts)}, settings)
    return list((weights or {}).values())


def count(labels: Any, counts: Mapping[Any, int] | Any, classes: int | None) -> list[int]:
    """The training pictures of each class.

    Raises:
        DataError: both labels and counts or neither, labels that aren't whole numbers from 0, or a class without pictures.
    """
    if (labels is None) == (counts is None):
        raise DataError("class_weights: give either labels, the class of each picture, or counts=, the pictures of each class")
    found = _counted(labels, classes) if counts is None else _given(counts)
    empty = [str(number) for number, pictures in enumerate(found) if pictures < 1]
    if empty or not found:
        raise DataError(
            f"class_weights: there is no picture of class {', '.join(empty) or '0'}: a weight can't be told;"
            " leave the class out of the network, or give it pictures"
        )
    return found


def _counted(labels: Any, classes: int | None) -> list[int]:
    numbers = np.asarray(labels).reshape(-1)
    if numbers.dtype.kind not in "iub" or (numbers.size and int(numbers.min()) < 0):
        raise DataError(
            f"labels: class numbers from 0 are needed, received {numbers.dtype} {str(numbers[:3].tolist())[:60]}:"
            " give each picture's class by number, or counts= by name"
        )
    if classes is not None and numbers.size and int(numbers.max()) >= classes:
        raise DataError(f"labels: class {int(numbers.max())} is beyond classes={classes}: the last is {classes - 1}")
    return [int(pictures) for pictures in np.bincount(numbers.astype(np.int64), minlength=classes or 0)]


def _given(counts: Mapping[Any, int] | Any) -> list[int]:
    values = np.asarray(list(counts.values()) if isinstance(counts, Mapping) else counts).reshape(-1)
    if values.size and values.dtype.kind not in "iu":
        raise DataError(f"counts: whole numbers are needed, received {values.dtype} {str(values[:3].tolist())[:60]}")
    return [int(value) for value in values]
