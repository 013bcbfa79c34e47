"""Layers with weights."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, NoReturn

import torch

from unfreeze.backends.torch.translation.layout import Value
from unfreeze.backends.torch.translation.padding import add_pads, each, padded, seen_pads
from unfreeze.backends.torch.translation.shapes import sliced
from unfreeze.backends.torch.translation.translator import Translation, Weight, translates

_COMPUTED_KERNEL = "its kernel isn't a parameter, so it couldn't be trained"


@translates("conv1d.default", "conv2d.default", "conv1d.padding", "conv2d.padding")
def _convolution(
    t: Translation, input: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: int
) -> Value:
    if not isinstance(input, Value):
        t.refuse("it works on a constant")
    x, dims = t.pictures(input), len(input.shape) - 2
    strides, dilations = each(stride, dims), each(dilation, dims)
    if isinstance(weight, torch.Tensor):
        return _blur(t, x, weight, strides, padding)
    if not isinstance(weight, Weight) or weight.shape != weight.original:
        t.refuse(_COMPUTED_KERNEL)
    filters, per_group, *kernel = weight.shape
    span = [gap * (size - 1) + 1 for size, gap in zip(kernel, dilations, strict=True)]
    pads = _pads_in_words(padding, span) if isinstance(padding, str) else each(padding, dims)
    if max(strides) > 1 and max(dilations) > 1:
        x = _thinned(t, x, span, strides, dilations, pads)
        strides = dilations = (1,) * dims
        rule = "valid"
    else:
        x, rule = padded(t, x, span, strides, pads, 0.0)
    window = {"kernel_size": kernel, "strides": strides, "dilation": dilations, "padding": rule}
    weights = {"kernel": weight, "bias": bias}
    if groups > 1 and per_group == 1 and dims == 2:
        multiplier = filters // groups
        return t.apply("depthwise_conv", x, t.shape, weights=weights, name=weight.module, multiplier=multiplier, **window)
    return t.apply("conv", x, t.shape, weights=weights, name=weight.module, filters=filters, groups=groups, **window)


def _pads_in_words(padding: str, span: Sequence[int]) -> tuple[int, ...]:
    return tuple((size - 1) // 2 if padding == "same" else 0 for size in span)


def _thinned(
    t: Translation, x: Value, span: Sequence[int], strides: Sequence[int], dilations: Sequence[int], padding: Sequence[int]
) -> Value:
    """What a convolution whose stride is its dilation sees: every so many-th pixel. TensorFlow doesn't have both at once."""
    if list(strides) != list(dilations):
        t.refuse("it has a stride and another dilation")
    x = add_pads(t, x, seen_pads(t, x, span, strides, padding), 0.0)
    for dim, step in enumerate(strides, start=2):
        x = sliced(t, x, dim, 0, x.shape[dim], step)
    return x


def _blur(t: Translation, x: Value, kernel: torch.Tensor, strides: tuple[int, ...], padding: Any) -> Value:
    """The fixed binomial filter of anti-aliased networks, as that many means over 2 × 2 pixels."""
    means = kernel.shape[-1] - 1
    line = torch.ones(1)
    for _ in range(means):
        line = (torch.nn.functional.pad(line, (0, 1)) + torch.nn.functional.pad(line, (1, 0))) / 2
    binomial = kernel.shape[1:] == (1, means + 1, means + 1) and torch.allclose(kernel, torch.outer(line, line))
    if not binomial or any(each(padding, 2)):
        t.refuse(_COMPUTED_KERNEL)
    for number in range(1, means + 1):
        step = strides if number == means else (1, 1)
        shape = t.shape if number == means else (*x.shape[:2], x.shape[2] - 1, x.shape[3] - 1)
        x = t.apply("average_pool", x, shape, pool_size=(2, 2), strides=step, padding="valid")
    return x


@translates("linear.default")
def _dense(t: Translation, input: Any, weight: Any, bias: Any) -> Value:
    if not isinstance(weight, Weight) or not isinstance(input, Value):
        t.refuse(_COMPUTED_KERNEL)
    last = len(input.shape) - 1
    x = input if input.axes[-1] == last else t.arranged(input, tuple(range(last + 1)))
    return t.apply("dense", x, t.shape, weights={"kernel": weight, "bias": bias}, name=weight.module, units=t.shape[-1])


@translates("_native_batch_norm_legit_no_training.default")
def _batch_norm(
    t: Translation, input: Any, weight: Any, bias: Any, running_mean: Any, running_var: Any, momentum: float, eps: float
) -> tuple[Value]:
    if not isinstance(input, Value) or not isinstance(running_mean, Weight):
        t.refuse("it has no statistics of its own")
    weights = {"gamma": weight, "beta": bias, "mean": running_mean, "variance": running_var}
    name = running_mean.module
    return (t.apply("batch_norm", t.pictures(input), weights=weights, name=name, epsilon=eps, momentum=1 - momentum),)


@translates("_native_batch_norm_legit.no_stats")
def _standardised(t: Translation, **_: Any) -> NoReturn:
    t.refuse("it standardises its kernels in each step, for which Keras has no layer")


@translates("layer_norm.default")
def _layer_norm(t: Translation, input: Value, normalized_shape: Any, weight: Any, bias: Any, eps: float, **_: Any) -> Value:
    if len(normalized_shape) != 1:
        t.refuse("it goes over several dimensions")
    name = weight.module if weight else ""
    return t.apply("layer_norm", input, weights={"gamma": weight, "beta": bias}, name=name, axis=input.axes[-1], epsilon=eps)


@translates("group_norm.default")
def _group_norm(t: Translation, input: Value, num_groups: int, weight: Any, bias: Any, eps: float, **_: Any) -> Value:
    name = weight.module if weight else ""
    weights = {"gamma": weight, "beta": bias}
    return t.apply("group_norm", t.pictures(input), weights=weights, name=name, groups=num_groups, epsilon=eps)


def scaled(t: Translation, x: Value, weight: Weight, bias: Weight | None = None) -> Value:
    """`x · weight + bias` for parameters with one number for each index of one dimension, or one number for all."""
    if bias is not None and (bias.module, bias.shape) != (weight.module, weight.shape):
        t.refuse(f"{bias.name} doesn't go with {weight.name}")
    if weight.original == (1,):  # as that of a further dimension of length 1
        lifted = t.reshaped(x, (*x.shape, 1))
        return t.reshaped(_scaled_along(t, lifted, len(x.shape), weight, bias), x.shape)
    aligned = (1,) * (len(x.shape) - len(weight.shape)) + weight.shape
    dims = [dim for dim, size in enumerate(aligned) if size != 1]
    count = prod(weight.shape)
    if len(dims) != 1 or count != x.shape[dims[0]] or weight.original not in ((count,), (count, 1, 1)):
        t.refuse(f"the parameter {weight.name} of shape {list(weight.original)} isn't one number per channel")
    return _scaled_along(t, x, dims[0], weight, bias)


def shifted(t: Translation, x: Value, bias: Weight) -> Value:
    """`x + bias` where x is what a scale of the same module gave: both become one layer."""
    scale = t.node(x.node)
    if bias.original == (1,) and scale.op == "reshape":
        scale = t.node(scale.inputs[0])
    if scale.op != "scale" or "bias" in scale.weights or bias.name != f"{bias.module}.bias":
        t.refuse(f"there is no translation for it with the parameter {bias.name}")
    source = scale.inputs[0] if bias.original != (1,) else t.node(scale.inputs[0]).inputs[0]
    kernel = Weight(scale.weights["kernel"], bias.shape, tuple(scale.attributes["shape"]))
    t.forget(scale.name)
    return scaled(t, Value(source, x.shape, x.axes), kernel, bias)


def _scaled_along(t: Translation, x: Value, dim: int, weight: Weight, bias: Weight | None) -> Value:
    weights = {"kernel": weight, "bias": bias}
    return t.apply("scale", x, weights=weights, name=weight.name, axis=x.axes[dim], shape=weight.original)
