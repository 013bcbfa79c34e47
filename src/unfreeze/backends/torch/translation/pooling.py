"""Pooling and reductions."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, prod
from typing import Any

from unfreeze.backends.torch.translation.layout import Value
from unfreeze.backends.torch.translation.padding import LOWEST, add_pads, each, padded, same_pads, seen_pads
from unfreeze.backends.torch.translation.shapes import concatenated, sliced
from unfreeze.backends.torch.translation.translator import Handler, Translation, translates


@translates("max_pool2d.default")
def _max_pool(t: Translation, x: Value, kernel_size: Any, stride: Any, padding: Any, dilation: Any, **_: Any) -> Value:
    if set(each(dilation, 2)) != {1}:
        t.refuse("it is dilated")
    size, strides = each(kernel_size, 2), each(stride or kernel_size, 2)
    x, rule = padded(t, t.pictures(x), size, strides, each(padding, 2), LOWEST)
    return t.apply("max_pool", x, t.shape, pool_size=size, strides=strides, padding=rule)


@translates("avg_pool2d.default")
def _average_pool(
    t: Translation,
    x: Value,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    count_include_pad: bool,
    divisor_override: Any,
    **_: Any,
) -> Value:
    x, size, strides, allowed = t.pictures(x), each(kernel_size, 2), each(stride or kernel_size, 2), each(padding, 2)
    pads = seen_pads(t, x, size, strides, allowed)
    rule = "valid"
    if any(map(any, pads)):
        # Beyond PyTorch's padding, where sizes are rounded up, nothing is counted.
        counted = count_include_pad and all(after <= most for (_, after), most in zip(pads, allowed, strict=True))
        if counted:
            x = add_pads(t, x, pads, 0.0)
        elif pads == same_pads(x, size, strides) and not (count_include_pad and any(allowed)):
            rule = "same"
        else:
            t.refuse("there is no translation for how it treats the border")
    if divisor_override is not None:
        t.refuse("it divides by another number")
    return t.apply("average_pool", x, t.shape, pool_size=size, strides=strides, padding=rule)


@translates("adaptive_avg_pool2d.default")
def _adaptive_average_pool(t: Translation, x: Value, output_size: Any) -> Value:
    if list(output_size) == [1, 1]:
        return reduced(t, x, [2, 3], True, "mean")
    for dim, size in zip((2, 3), output_size, strict=True):
        x = _means_of_parts(t, x, dim, size)
    return x


def _means_of_parts(t: Translation, x: Value, dim: int, parts: int) -> Value:
    """The means over nearly equal parts of a dimension, which overlap where its length isn't a multiple."""
    length = x.shape[dim]
    if length == parts:
        return x
    bounds = [(part * length // parts, ceil((part + 1) * length / parts)) for part in range(parts)]
    return concatenated(t, [reduced(t, sliced(t, x, dim, *bound), [dim], True, "mean") for bound in bounds], dim)


def _reduction(function: str) -> Handler:
    def handler(t: Translation, x: Value, dim: Any, keepdim: bool, **options: Any) -> Value:
        if not dim or options.get("dtype") is not None or options.get("ord", 2) != 2:
            t.refuse("there is no translation for it with these options")
        return reduced(t, x, each(dim, 1), keepdim, function)

    return handler


translates("mean.dim")(_reduction("mean"))
translates("sum.dim_IntList")(_reduction("sum"))
translates("amax.default")(_reduction("max"))
translates("amin.default")(_reduction("min"))
translates("linalg_vector_norm.default")(_reduction("norm"))


@translates("var.dim")
def _variance(t: Translation, x: Value, dim: Any, unbiased: bool, keepdim: bool) -> Value:
    count = prod(x.shape[one] for one in each(dim, 1))
    variance = reduced(t, x, each(dim, 1), keepdim, "variance")
    return t.apply("multiply", variance, scalar=count / (count - 1)) if unbiased else variance


def reduced(t: Translation, x: Value, dims: Sequence[int], keepdim: bool, function: str) -> Value:
    """The value with these dimensions reduced to one number each."""
    gone = {dim % len(x.shape) for dim in dims}
    if any(x.axes[dim] == 0 for dim in gone):
        t.refuse("it reduces over the batch")
    node = t.emit("reduce", x, function=function, axes=sorted(x.axes[dim] for dim in gone), keepdims=keepdim)
    if keepdim:
        return Value(node, tuple(1 if dim in gone else size for dim, size in enumerate(x.shape)), x.axes)
    left = [dim for dim in range(len(x.shape)) if dim not in gone]
    places = sorted(x.axes[dim] for dim in left)
    return Value(node, tuple(x.shape[dim] for dim in left), tuple(places.index(x.axes[dim]) for dim in left))
