"""A network's operations, free of any framework: what one framework writes and another builds from.

Every tensor is channels-last and its axis 0 is the batch: pictures are [B, H, W, C]. A node names its inputs, which come
before it. What a layer learned isn't in the graph but in a file of tensors beside it, under timm's names and in PyTorch's
layout; a node's `weights` say which are whose.

The vocabulary, each with its attributes (weights in brackets; `?` may be missing):

    input             shape: without the batch
    conv              filters, kernel_size, strides, dilation, groups, padding: `same` or `valid` [kernel, bias?]; over the
                      one or two axes between batch and channels. `same` is TensorFlow's rule, `valid` adds nothing
    depthwise_conv    multiplier, kernel_size, strides, dilation, padding [kernel, bias?]; over two axes
    dense             units [kernel, bias?]; over the last axis
    batch_norm        epsilon, momentum: the part that the old statistics keep (1 − PyTorch's) [gamma?, beta?, mean, variance]
    layer_norm        axis, epsilon [gamma?, beta?]
    group_norm        groups, epsilon [gamma?, beta?]; over the last axis
    scale             axis, shape: PyTorch's, [C] or [C, 1, 1] [kernel, bias?]; times a learned number for each index of an
                      axis, plus one
    drop_path         rate: in training, all of a picture's numbers are zero with this probability, else divided by 1 − rate
    activation        function: one of `ACTIVATIONS`; slope for leaky_relu; axis for softmax
    unary             function: square, sqrt, rsqrt, exp, abs or negative
    power             exponent
    add, subtract, multiply, divide
                      two inputs, which broadcast; or one input and scalar, the right-hand side
    matmul            two inputs; transpose: whether the last two axes of the second are swapped
    concat            axis; any number of inputs
    pad               amounts: [before, after] for each axis; mode: constant, with value, or reflect
    max_pool, average_pool
                      pool_size, strides, padding; `same` leaves what is outside out of the mean
    reduce            function: mean, sum, max, min, variance (divided by N) or norm (Euclidean); axes, keepdims
    resize            size, interpolation: nearest or bilinear, both with pixel centres at ½
    reshape           shape: without the batch
    transpose         axes: the input's axis for each of the output's; the batch stays first
    slice             axis, start, stop, step
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from unfreeze.errors import ModelError
from unfreeze.files import write_text

Op = Literal[
    "input", "conv", "depthwise_conv", "dense", "batch_norm", "layer_norm", "group_norm", "scale", "drop_path", "activation",
    "unary", "power", "add", "subtract", "multiply", "divide", "matmul", "concat", "pad", "max_pool", "average_pool", "reduce",
    "resize", "reshape", "transpose", "slice",
]  # fmt: skip
# `gelu` is exact, by the error function; `gelu_tanh` its approximation; `hard_sigmoid` is relu6(x + 3) / 6.
ACTIVATIONS = (
    "relu", "relu6", "leaky_relu", "elu", "silu", "gelu", "gelu_tanh", "mish", "softplus", "sigmoid", "tanh", "hard_sigmoid",
    "hard_silu", "softmax",
)  # fmt: skip


class Node(BaseModel):
    """One operation.

    Attributes:
        name: unique in the graph; for a layer with weights its path in timm's network, for example `blocks.3.1.conv_pw`,
            and for a scale that of its parameter, `stages.0.blocks.0.gamma`.
        inputs: names of earlier nodes.
        weights: from the role to the tensor's name, `{"kernel": "blocks.3.1.conv_pw.weight"}`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    op: Op
    inputs: tuple[str, ...] = ()
    attributes: dict[str, Any] = {}
    weights: dict[str, str] = {}


class Graph(BaseModel):
    """A network from one picture to its pooled features.

    Attributes:
        nodes: in an order in which they can be computed; the first is the input.
        output: the name of the node that holds the features, [B, F].
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    nodes: tuple[Node, ...]
    output: str

    @property
    def weights(self) -> tuple[str, ...]:
        """The names of all tensors that the nodes need."""
        return tuple(name for node in self.nodes for name in node.weights.values())

    def without_unused(self) -> Graph:
        """The same graph without the nodes on which the output doesn't depend; the input stays."""
        needed = {self.output, self.nodes[0].name}
        for node in reversed(self.nodes):
            if node.name in needed:
                needed.update(node.inputs)
        return Graph(nodes=tuple(node for node in self.nodes if node.name in needed), output=self.output)


def write(graph: Graph, path: Path) -> None:
    """Writes a graph as JSON.

    Raises:
        ValueError: an attribute is infinite or no number, which JSON can't hold.
    """
    write_text(path, json.dumps(graph.model_dump(exclude_defaults=True), indent=1, allow_nan=False) + "\n")


def read(path: Path) -> Graph:
    """Reads what `write` wrote.

    Raises:
        ModelError: the file is missing or doesn't hold a graph.
    """
    try:
        return Graph.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValidationError) as error:
        raise ModelError(f"{path}: holds no graph of a network ({error})") from None
