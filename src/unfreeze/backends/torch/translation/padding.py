"""Windows that slide over pictures, and what is around the border."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Any

import torch

from unfreeze.backends.torch.translation.layout import Value, inverse
from unfreeze.backends.torch.translation.translator import Translation

Pads = list[tuple[int, int]]
# Takes the place of −∞, which JSON hasn't.
LOWEST = torch.finfo(torch.float32).min


def padded(
    t: Translation, x: Value, span: Sequence[int], strides: Sequence[int], padding: Sequence[int], value: float
) -> tuple[Value, str]:
    """The value and the padding rule with which a window of `span` gives what it gives with PyTorch's `padding`."""
    pads = seen_pads(t, x, span, strides, padding)
    if not any(map(any, pads)):
        return x, "valid"
    if pads == same_pads(x, span, strides):
        return x, "same"
    return add_pads(t, x, pads, value), "valid"


def seen_pads(t: Translation, x: Value, span: Sequence[int], strides: Sequence[int], padding: Sequence[int]) -> Pads:
    """What windows see before and after each of the spatial dimensions, in the operation at hand."""
    sizes = zip(x.shape[2:], t.shape[2:], span, strides, padding, strict=True)
    return [(pad, max((after - 1) * step + reach - before - pad, 0)) for before, after, reach, step, pad in sizes]


def same_pads(x: Value, span: Sequence[int], strides: Sequence[int]) -> Pads:
    """What TensorFlow's padding `same` adds."""
    sizes = zip(x.shape[2:], span, strides, strict=True)
    totals = [max((ceil(length / step) - 1) * step + reach - length, 0) for length, reach, step in sizes]
    return [(total // 2, total - total // 2) for total in totals]


def add_pads(t: Translation, x: Value, pads: Pads, value: float) -> Value:
    """Pads the spatial dimensions by (before, after)."""
    return padded_by(t, x, dict(enumerate(pads, start=2)), value)


def padded_by(t: Translation, x: Value, amounts: dict[int, tuple[int, int]], value: float, mode: str = "constant") -> Value:
    """Pads PyTorch's dimensions, each by (before, after)."""
    if not any(map(any, amounts.values())):
        return x
    by_dim = [amounts.get(dim, (0, 0)) for dim in range(len(x.shape))]
    by_axis = [by_dim[dim] for dim in inverse(x.axes)]
    if any(by_axis[0]):
        t.refuse("it makes the batch longer")
    shape = [size + sum(amount) for size, amount in zip(x.shape, by_dim, strict=True)]
    return t.apply("pad", x, shape, amounts=by_axis, mode=mode, value=max(value, LOWEST))


def each(given: Any, count: int) -> tuple[int, ...]:
    """A number for each dimension, where PyTorch takes one for all as well."""
    values = tuple(given) if isinstance(given, (list, tuple)) else (given,)
    return values * count if len(values) == 1 else values
