"""The stages of any Keras model, in forward order: `keras.applications` by name, others by where the resolution falls."""

from __future__ import annotations

from collections.abc import Iterable

import keras

from unfreeze.backends.tensorflow.pieces.order import Call, calls_of, graph_of, is_model, registered
from unfreeze.backends.tensorflow.stages import stages_of
from unfreeze.errors import ModelError
from unfreeze.recipe.network import STEM, Layer, Stage
from unfreeze.training.blocks import Block, named, stages_of_blocks

# Weights of at least so many dimensions are convolutions or dense layers; vectors are norms, scales, biases.
_MATRIX = 2
# With fewer, a model only has the name of a network of keras.applications.
_FEWEST_GROUPS = 3


def stages(model: keras.Model) -> list[Stage]:
    """The stages of a model in forward order: `stem`, `stage1` … `stageN`, `head`.

    Networks of `keras.applications`, also used as a layer, have the stages that `unfreeze train` gives them; what is put on top
    of them is the head. In any other model they are told by its graph, models used as layers taken apart:

    - A block is a layer, or several with ways around them, as in residual blocks. Stages are made of whole blocks.
    - The stem ends before the first block of several convolutions, or where the resolution halves, but holds one block.
    - From there each halving of the resolution begins a stage.
    - The head is what comes after the last map: dense layers; or a last 1 × 1 convolution. A model without has no stage `head`.

    Args:
        model: a functional `keras.Model` or a `Sequential` that is built.

    Returns:
        Each with its `name`, its `layers` (those that hold weights, with `path`, the names of the models it is in and its own,
        such as `resnet50/conv1_conv`) and its number of `parameters`.

    Raises:
        ModelError: it isn't such a model, or it holds no weights.
    """
    return stages_of_calls(model, calls_of(model))


def stages_of_calls(model: keras.Model, calls: list[Call]) -> list[Stage]:
    """`stages`, where the calls are known."""
    calls = first_calls(calls)
    if not any(call.weights for call in calls):
        raise ModelError(f"model: {model.name} holds no weights")
    begins = _head_begins(calls)
    known = _of_applications(model)
    if known is not None:
        prefix, group_of = known
        groups: list[list[Layer]] = [[] for _ in range(max(group_of.values()) + 1)]
        head: list[Layer] = []
        inside = [place for place, call in enumerate(calls) if call.path.startswith(prefix)]
        for place, call in enumerate(calls):
            if not call.weights:
                continue
            name = call.path.removeprefix(prefix).split("/")[0]
            if place > inside[-1] or place >= begins:
                head.append(_layer(call))
            else:
                groups[group_of.get(name, 0) if place in inside else 0].append(_layer(call))
        return named(groups, head)
    blocks = (_block(block) for block in blocks_of(calls[:begins]))
    return stages_of_blocks(
        (block for block in blocks if block.layers), [_layer(call) for call in calls[begins:] if call.weights]
    )


def stages_as_registered(model: keras.Model) -> list[Stage]:
    """All layers as one stage, in the order in which they were made: for models without a graph."""
    return [Stage(name=STEM, layers=tuple(_layer(call) for call in registered(model) if call.weights))]


def first_calls(calls: Iterable[Call]) -> list[Call]:
    """Without further calls of a layer."""
    seen: set[int] = set()
    return [call for call in calls if not (id(call.layer) in seen or seen.add(id(call.layer)))]  # type: ignore[func-returns-value]


def blocks_of(calls: Iterable[Call]) -> list[list[Call]]:
    """The calls cut wherever all that follows depends on one tensor only."""
    blocks: list[list[Call]] = [[]]
    for call in calls:
        blocks[-1].append(call)
        if call.alone:
            blocks.append([])
    return [block for block in blocks if block]


def _head_begins(calls: list[Call]) -> int:
    """The place after the last map."""
    begins = 0
    for place, call in enumerate(calls):
        if call.alone and not call.is_map:
            break
        if call.alone:
            begins = place + 1
    if any(call.weights for call in calls[begins:]):
        return begins
    with_weights = [place for place, call in enumerate(calls) if call.weights]
    last, output = calls[with_weights[-1]], calls[-1]
    pointwise = isinstance(last.layer, keras.layers.Conv2D) and tuple(last.layer.kernel_size) == (1, 1)
    return with_weights[-1] if pointwise and last.alone and not output.is_map else len(calls)


def _of_applications(model: keras.Model) -> tuple[str, dict[str, int]] | None:
    """Where a network of `keras.applications` is the model or inside it: what its paths begin with, and its layers' groups."""
    for prefix, inner in _models(model, ""):
        try:
            parts = stages_of(inner)
        except ModelError:
            continue
        if len(parts) >= _FEWEST_GROUPS:
            return prefix, {layer.path: number for number, stage in enumerate(parts) for layer in stage.layers}
    return None


def _models(model: keras.Model, prefix: str) -> Iterable[tuple[str, keras.Model]]:
    yield prefix, model
    for layer in graph_of(model).layers:
        if is_model(layer):
            yield from _models(layer, f"{prefix}{layer.name}/")


def _block(calls: list[Call]) -> Block:
    last = calls[-1]
    sides = [side for side in last.shape[:2] if side is not None] if len(last.shape) == 3 else []
    return Block([_layer(call) for call in calls if call.weights], max(sides, default=None))


def _layer(call: Call) -> Layer:
    # What a layer made to be trained, whether or not it is frozen now.
    own = [variable for layer in call.layer._flatten_layers() for variable in layer._trainable_variables]
    return Layer(
        path=call.path,
        parameters=sum(variable.shape.num_elements() for variable in own),
        counts=any(len(variable.shape) >= _MATRIX for variable in own),
    )
