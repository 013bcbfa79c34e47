"""Another head on a model of one's own."""

from __future__ import annotations

import random
from collections.abc import Sequence

import keras

from unfreeze.backends.tensorflow.head import add_head
from unfreeze.backends.tensorflow.pieces.order import Call, graph_of, is_model, top_level
from unfreeze.backends.tensorflow.pieces.stages import stages
from unfreeze.errors import ModelError
from unfreeze.recipe.network import HEAD
from unfreeze.training.asked_head import asked_head


def replace_head(model: keras.Model, classes: int, *, dropout: float = 0.3, hidden: Sequence[int] = ()) -> keras.Model:
    """A model with a new head for K classes in the place of a model's own.

    The new head takes the globally average-pooled features: [dense, ReLU, dropout] per hidden layer, dropout, dense to K, in
    float32. Its weights start Glorot-uniform with zero biases, by `keras.utils.set_random_seed`. A model that flattened its
    last maps pools them now. Everything before is shared with the model that was given: its layers, names and weights.

    Args:
        model: a functional `keras.Model` or a `Sequential` that is built, with or without a head; it isn't changed.
        classes: K, 2 or more.
        dropout: the part of the values dropped in training, in [0, 1).
        hidden: the units of each hidden dense layer; none by default.

    Returns:
        A functional model, not compiled, that gives logits float32 [B, K]: compile it with a loss `from_logits=True`.

    Raises:
        ModelError: the model has no graph or no maps, or its head is inside a model that is used as a layer.
        RecipeError: an argument out of range.
    """
    settings = asked_head(classes, dropout, hidden)
    graph = graph_of(model)
    features = _features(model, top_level(graph))
    values = features.output
    if features.is_map:
        values = keras.layers.GlobalAveragePooling2D(name="new_head.pool")(values)
    # From Python's generator, as Keras takes its seeds, so that keras.utils.set_random_seed decides.
    new = add_head(keras.Model(graph.input, values), classes, settings, seed=random.randrange(2**31))
    return keras.Model(new.input, new.output, name=model.name)  # by which its stages are known


def _features(model: keras.Model, calls: list[Call]) -> Call:
    """The last call before the head."""
    found = None
    for call in calls:
        if not call.alone:
            continue
        if not call.is_map:
            if is_model(call.layer) and len(call.shape) == 1:
                found = _pooled(call)
            break
        found = call
    head = [layer for stage in stages(model) if stage.name == HEAD for layer in stage.layers]
    if found is not None and len(head) == 1 and found.is_map:
        pointwise = next((place for place, call in enumerate(calls) if call.path == head[0].path and call.is_map), 0)
        found = calls[pointwise - 1] if pointwise else found
    if found is None:
        raise ModelError(
            f"model: {model.name} gives no maps [B, H, W, C] to put a head on: give one that begins with convolutions"
        )
    return found


def _pooled(call: Call) -> Call:
    """A model used as a layer, that gives pooled features."""
    inside = stages(call.layer)
    if inside[-1].name == HEAD:
        raise ModelError(
            f"model: its head is inside the model {call.layer.name}, which it uses as a layer: give replace_head that one,"
            " and use what comes back"
        )
    return call
