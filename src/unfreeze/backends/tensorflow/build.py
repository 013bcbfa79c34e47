"""A neutral graph as a functional Keras model of built-in layers, so that its file loads anywhere without custom code."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import keras
from keras import layers, ops

from unfreeze.backends.tensorflow.stochastic_depth import drop
from unfreeze.exchange.graph import Graph, Node

# The equation of a layer that multiplies the last axis by a parameter of PyTorch's shape [C], and of one of [C, 1, 1]: the
# letters are what tells them apart when the parameter goes back.
SCALE_LETTERS = {1: "abcdefg", 3: "uvwxyz"}
# Below its square root nothing changes the result; it keeps the gradient of a norm finite where all numbers are zero.
_TINY = 1e-30


def build(graph: Graph) -> keras.Model:
    """The model, with freshly initialised weights.

    Takes float32 [B, S, S, 3], gives [B, F]. A layer with weights has its node's name: timm's module path, and for a scale the
    path of its parameter. BatchNormalization keeps PyTorch's epsilon and one minus its momentum.
    """
    tensors: dict[str, Any] = {}
    for node in graph.nodes:
        tensors[node.name] = _BUILDERS[node.op](node, *(tensors[name] for name in node.inputs))
    return keras.Model(tensors[graph.nodes[0].name], tensors[graph.output])


def _input(node: Node) -> Any:
    return layers.Input(shape=tuple(node.attributes["shape"]), dtype="float32", name=node.name)


def _conv(node: Node, x: Any) -> Any:
    a = node.attributes
    made = {1: layers.Conv1D, 2: layers.Conv2D}[len(a["kernel_size"])]
    return made(
        a["filters"], a["kernel_size"], strides=a["strides"], padding=a["padding"], dilation_rate=a["dilation"],
        groups=a["groups"], use_bias="bias" in node.weights, name=node.name,
    )(x)  # fmt: skip


def _depthwise_conv(node: Node, x: Any) -> Any:
    a = node.attributes
    return layers.DepthwiseConv2D(
        a["kernel_size"], strides=a["strides"], padding=a["padding"], depth_multiplier=a["multiplier"],
        dilation_rate=a["dilation"], use_bias="bias" in node.weights, name=node.name,
    )(x)  # fmt: skip


def _dense(node: Node, x: Any) -> Any:
    return layers.Dense(node.attributes["units"], use_bias="bias" in node.weights, name=node.name)(x)


def _batch_norm(node: Node, x: Any) -> Any:
    a = node.attributes
    return layers.BatchNormalization(
        momentum=a["momentum"],
        epsilon=a["epsilon"],
        center="beta" in node.weights,
        scale="gamma" in node.weights,
        name=node.name,
    )(x)


def _layer_norm(node: Node, x: Any) -> Any:
    a = node.attributes
    return layers.LayerNormalization(
        axis=a["axis"], epsilon=a["epsilon"], center="beta" in node.weights, scale="gamma" in node.weights, name=node.name
    )(x)


def _group_norm(node: Node, x: Any) -> Any:
    a = node.attributes
    return layers.GroupNormalization(
        groups=a["groups"], epsilon=a["epsilon"], center="beta" in node.weights, scale="gamma" in node.weights, name=node.name
    )(x)


def _scale(node: Node, x: Any) -> Any:
    axis = node.attributes["axis"]
    letters = SCALE_LETTERS[len(node.attributes["shape"])][: len(x.shape)]
    equation = f"{letters},{letters[axis]}->{letters}"
    bias = letters[axis] if "bias" in node.weights else None
    return layers.EinsumDense(equation, output_shape=x.shape[1:], bias_axes=bias, name=node.name)(x)


def _drop_path(node: Node, x: Any) -> Any:
    return drop(node.attributes["rate"], len(x.shape), node.name)(x)


def _activation(node: Node, x: Any) -> Any:
    function = node.attributes["function"]
    if function == "leaky_relu":
        return layers.LeakyReLU(negative_slope=node.attributes["slope"], name=node.name)(x)
    if function == "softmax":
        return layers.Softmax(axis=node.attributes["axis"], name=node.name)(x)
    if function == "gelu_tanh":
        return ops.gelu(x, approximate=True)
    return layers.Activation(function, name=node.name)(x)


def _unary(node: Node, x: Any) -> Any:
    return getattr(ops, node.attributes["function"])(x)


def _power(node: Node, x: Any) -> Any:
    return ops.power(x, node.attributes["exponent"])


_MERGING = {"add": layers.Add, "subtract": layers.Subtract, "multiply": layers.Multiply}


def _arithmetic(node: Node, *inputs: Any) -> Any:
    if len(inputs) == 1:
        return getattr(ops, node.op)(inputs[0], node.attributes["scalar"])
    if node.op in _MERGING:
        return _MERGING[node.op](name=node.name)(list(inputs))
    return getattr(ops, node.op)(*inputs)


def _matmul(node: Node, x: Any, other: Any) -> Any:
    if node.attributes["transpose"]:
        rank = len(other.shape)
        other = ops.transpose(other, (*range(rank - 2), rank - 1, rank - 2))
    return ops.matmul(x, other)


def _concat(node: Node, *inputs: Any) -> Any:
    return layers.Concatenate(axis=node.attributes["axis"], name=node.name)(list(inputs))


def _pad(node: Node, x: Any) -> Any:
    amounts, value = [tuple(amount) for amount in node.attributes["amounts"]], node.attributes["value"]
    if node.attributes["mode"] == "reflect":
        return ops.pad(x, amounts, mode="reflect")
    if len(amounts) == 4 and amounts[0] == amounts[3] == (0, 0) and value == 0:
        return layers.ZeroPadding2D(amounts[1:3], name=node.name)(x)
    return ops.pad(x, amounts, constant_values=value)


def _max_pool(node: Node, x: Any) -> Any:
    a = node.attributes
    return layers.MaxPooling2D(a["pool_size"], strides=a["strides"], padding=a["padding"], name=node.name)(x)


def _average_pool(node: Node, x: Any) -> Any:
    a = node.attributes
    return layers.AveragePooling2D(a["pool_size"], strides=a["strides"], padding=a["padding"], name=node.name)(x)


def _reduce(node: Node, x: Any) -> Any:
    function, axes, keepdims = (node.attributes[key] for key in ("function", "axes", "keepdims"))
    if len(x.shape) == 4 and list(axes) == [1, 2] and function in ("mean", "max"):
        made = {"mean": layers.GlobalAveragePooling2D, "max": layers.GlobalMaxPooling2D}[function]
        return made(keepdims=keepdims, name=node.name)(x)
    if function == "norm":
        return ops.sqrt(ops.maximum(ops.sum(ops.square(x), axis=tuple(axes), keepdims=keepdims), _TINY))
    return getattr(ops, {"variance": "var"}.get(function, function))(x, axis=tuple(axes), keepdims=keepdims)


def _resize(node: Node, x: Any) -> Any:
    size, interpolation = tuple(node.attributes["size"]), node.attributes["interpolation"]
    before = x.shape[1:3]
    if all(new % old == 0 for new, old in zip(size, before, strict=True)):
        factors = tuple(new // old for new, old in zip(size, before, strict=True))
        return x if prod(factors) == 1 else layers.UpSampling2D(factors, interpolation=interpolation, name=node.name)(x)
    if interpolation == "bilinear":
        return layers.Resizing(*size, interpolation="bilinear", name=node.name)(x)
    for axis, old, new in zip((1, 2), before, size, strict=True):
        x = ops.take(x, [index * old // new for index in range(new)], axis=axis)
    return x


def _reshape(node: Node, x: Any) -> Any:
    return layers.Reshape(tuple(node.attributes["shape"]), name=node.name)(x)


def _transpose(node: Node, x: Any) -> Any:
    return layers.Permute(tuple(node.attributes["axes"][1:]), name=node.name)(x)


def _slice(node: Node, x: Any) -> Any:
    a = node.attributes
    return x[(slice(None),) * a["axis"] + (slice(a["start"], a["stop"], a["step"]),)]


_BUILDERS: dict[str, Callable[..., Any]] = {
    "input": _input,
    "conv": _conv,
    "depthwise_conv": _depthwise_conv,
    "dense": _dense,
    "batch_norm": _batch_norm,
    "layer_norm": _layer_norm,
    "group_norm": _group_norm,
    "scale": _scale,
    "drop_path": _drop_path,
    "activation": _activation,
    "unary": _unary,
    "power": _power,
    **dict.fromkeys(("add", "subtract", "multiply", "divide"), _arithmetic),
    "matmul": _matmul,
    "concat": _concat,
    "pad": _pad,
    "max_pool": _max_pool,
    "average_pool": _average_pool,
    "reduce": _reduce,
    "resize": _resize,
    "reshape": _reshape,
    "transpose": _transpose,
    "slice": _slice,
}
