"""In what order a model calls its layers, and how large the maps are that they give: read off its graph."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras

from unfreeze.errors import ModelError

_GLOBAL_POOLING = (keras.layers.GlobalAveragePooling2D, keras.layers.GlobalMaxPooling2D)
# For models of any side.
_SIDE_PX = 224


@dataclass(frozen=True)
class Call:
    """A call of a layer, or of an operation such as `+`. Layers inside models that are used as layers are called themselves.

    Attributes:
        path: the names of the models it is in and its own, such as `resnet50/conv1_conv`.
        output: the tensor that its graph has for what it gives.
        shape: of that, without the batch; any side that isn't fixed is taken as 224 pixels at the input.
        alone: whether all that follows depends on nothing else that was computed until then.
    """

    path: str
    layer: Any
    output: Any
    shape: tuple[int | None, ...]
    alone: bool

    @property
    def weights(self) -> list[Any]:
        """The layer's weights, of which an operation has none."""
        return getattr(self.layer, "weights", [])

    @property
    def is_map(self) -> bool:
        """Whether it gives maps [H, W, C] that aren't pooled yet."""
        return len(self.shape) == 3 and not isinstance(self.layer, _GLOBAL_POOLING)


def graph_of(model: keras.Model) -> keras.Model:
    """The functional model that a model is, or that a `Sequential` keeps.

    Raises:
        ModelError: it isn't a `keras.Model`, isn't built yet, or is a class with a `call` of its own, which has no graph.
    """
    if not isinstance(model, keras.Model):
        raise ModelError(f"model: a keras.Model is needed, received {type(model).__name__}")
    if isinstance(model, keras.Sequential):
        if not model.built or model._functional is None:
            raise ModelError(f"model: {model.name} isn't built yet: begin it with keras.Input((height, width, 3))")
        return model._functional
    if not hasattr(model, "_nodes_by_depth"):
        raise ModelError(
            f"model: {type(model).__name__} has a call of its own, by which the order of its layers can't be told: make a"
            " functional model of it, keras.Model(inputs, model.call(inputs)), or give the name of a layer, before='...'"
        )
    return model


def calls_of(model: keras.Model) -> list[Call]:
    """All calls in forward order.

    Raises:
        ModelError: as `graph_of`.
    """
    graph = graph_of(model)
    return list(_calls(graph, "", _shapes(graph), alone=True))


def registered(model: keras.Model) -> list[Call]:
    """The layers in the order in which they were made, for models without a graph."""
    inner = [layer for layer in model._flatten_layers(include_self=False) if not layer._layers]
    return [Call(layer.path or layer.name, layer, None, (), alone=True) for layer in inner]


def top_level(graph: keras.Model) -> list[Call]:
    """The calls in forward order, those of models used as layers not taken apart."""
    shapes = _shapes(graph)
    return [
        Call(node.operation.name, node.operation, node.output_tensors[0], shapes[id(node.output_tensors[0])], alone)
        for node, alone in _nodes(graph)
    ]


def is_model(layer: Any) -> bool:
    """Whether a layer is a model with a graph of its own."""
    return hasattr(layer, "_nodes_by_depth") or getattr(layer, "_functional", None) is not None


def _calls(graph: keras.Model, prefix: str, shapes: dict[int, tuple[int | None, ...]], alone: bool) -> Iterator[Call]:
    for node, here_alone in _nodes(graph):
        layer, output = node.operation, node.output_tensors[0]
        path = f"{prefix}{layer.name}"
        if is_model(layer):
            inner = graph_of(layer)
            given = [shapes[id(tensor)] for tensor in node.input_tensors]
            yield from _calls(inner, f"{path}/", _shapes(inner, given), alone and here_alone)
        else:
            yield Call(path, layer, output, shapes[id(output)], alone and here_alone)


def _nodes(graph: keras.Model) -> Iterator[tuple[Any, bool]]:
    """The nodes in forward order, each with whether all that follows depends on nothing but what it gives."""
    # Keras has no public list of nodes; `layer.output` is ambiguous for a layer that two models share.
    depths = sorted(graph._nodes_by_depth, reverse=True)
    nodes = [node for depth in depths for node in graph._nodes_by_depth[depth] if not node.is_input]
    uses = Counter(id(tensor) for node in nodes for tensor in node.input_tensors)
    uses.update(id(tensor) for tensor in graph.outputs)
    live = {id(tensor) for tensor in graph.inputs}
    for node in nodes:
        for tensor in node.input_tensors:
            uses[id(tensor)] -= 1
            if not uses[id(tensor)]:
                live.discard(id(tensor))
        live.update(id(tensor) for tensor in node.output_tensors if uses[id(tensor)])
        yield node, live == {id(node.output_tensors[0])}


def _shapes(graph: keras.Model, given: list[tuple[int | None, ...]] | None = None) -> dict[int, tuple[int | None, ...]]:
    """The shapes of a graph's tensors, without the batch; computed anew where the inputs' sides aren't fixed."""
    known = [tuple(tensor.shape[1:]) for tensor in graph.inputs]
    if given is None:
        given = [tuple(_SIDE_PX if side is None else side for side in shape) for shape in known]
    specs = {
        id(tensor): keras.KerasTensor((None, *shape), dtype=tensor.dtype)
        for tensor, shape in zip(graph.inputs, given, strict=True)
    }
    if given == known:
        return {id(tensor): tuple(tensor.shape[1:]) for tensor in [*graph.inputs, *_tensors(graph)]}
    for node, _ in _nodes(graph):
        arguments, options = node.arguments.fill_in(specs)
        outputs = node.operation.compute_output_spec(*arguments, **options)
        specs |= {id(tensor): spec for tensor, spec in zip(node.output_tensors, keras.tree.flatten(outputs), strict=True)}
    return {key: tuple(spec.shape[1:]) for key, spec in specs.items()}


def _tensors(graph: keras.Model) -> Iterator[Any]:
    for node, _ in _nodes(graph):
        yield from node.output_tensors
