"""Frozen means frozen, in a `fit` of one's own: nothing trains, and everything infers."""

from __future__ import annotations

from typing import Any, TypeVar

import keras

from unfreeze.backends.tensorflow.pieces.order import Call, calls_of, is_model, registered
from unfreeze.backends.tensorflow.pieces.stages import blocks_of, stages_as_registered, stages_of_calls
from unfreeze.backends.tensorflow.pieces.steps import knowing
from unfreeze.errors import ModelError
from unfreeze.recipe.network import Stage
from unfreeze.training.blocks import at_or_below, layers_before

Model = TypeVar("Model", bound=keras.Model)


def freeze(model: Model, before: str) -> Model:
    """Freezes everything before a boundary, and lets everything from there on train.

    Frozen layers have `trainable` False, which keeps a BatchNormalization's statistics, and infer also inside `fit`: their
    dropout and stochastic depth are off, which `trainable` alone leaves on, and so does `base(x, training=False)` in a
    functional model. Layers before the first that has weights, such as augmentation, stay as they are; so does a dropout
    between the last frozen layer and the first that trains.

    Call it again to move the boundary; `before="stem"` unfreezes everything. It may be called between two `fit`s without
    compiling again: the next one trains what trains now, and the optimiser keeps the moments it has. Weights, names and
    configuration of the layers are as before, so that a saved model has nothing of it but `trainable`: call it again on a model
    that was loaded or cloned.

    Args:
        model: a functional `keras.Model` or a `Sequential` that is built, also with models used as layers; it is changed.
        before: a stage (`stages(model)` lists them, `head` is the last), the path of a layer such as
            `resnet50/conv5_block1_1_conv`, or the name of a layer where only one has it.

    Returns:
        The model.

    Raises:
        ModelError: there is no such stage or layer, or the model's order can't be told, see `stages`. Where a layer is given it
            needn't be: a model with a `call` of its own is taken in the order in which its layers were made.
    """
    calls, parts = order_of(model, before)
    freeze_before(model, path_of(before, parts), parts, calls)
    return model


def order_of(model: keras.Model, before: str) -> tuple[list[Call], list[Stage]]:
    """The calls and the stages that a boundary is told by."""
    try:
        calls = calls_of(model)
        return calls, stages_of_calls(model, calls)
    except ModelError:
        if not isinstance(model, keras.Model) or not model.built:
            raise
        calls = registered(model)
        if not any(call.weights and before in (call.path, call.layer.name) for call in calls):
            raise
        return calls, stages_as_registered(model)


def path_of(before: str, parts: list[Stage]) -> str:
    """The path of a layer of which only the name is given; else what is given."""
    paths = [layer.path for stage in parts for layer in stage.layers]
    if before in {stage.name for stage in parts} or any(at_or_below(path, before) for path in paths):
        return before
    named = [path for path in paths if f"/{before}/" in f"/{path}/"]
    parents = {path[: path.index(before) + len(before)] for path in named}
    return parents.pop() if len(parents) == 1 else before


def freeze_before(model: keras.Model, before: str, parts: list[Stage], calls: list[Call]) -> None:
    """`freeze`, for a model whose order is known."""
    frozen, _ = layers_before(parts, before)
    paths = {layer.path for layer in frozen}
    layers = _frozen_layers(calls, paths)
    thaw(model)
    held = {id(inner) for layer in layers for inner in layer._flatten_layers()}
    for layer in layers:
        layer.trainable = False
    for inner in model._flatten_layers(include_self=False):
        _infer(inner, id(inner) in held)
        if is_model(inner) and all(id(one) in held for one in inner._flatten_layers() if one.weights and not one._layers):
            inner.trainable = False
    retrace(model)


def thaw(model: keras.Model) -> None:
    """Makes everything trainable."""
    for inner in model._flatten_layers():
        # One by one: where `trainable` reads True already, Keras doesn't pass it on to the layers inside.
        inner.trainable = True


def retrace(model: keras.Model) -> None:
    """Lets the next step of `fit`, also of one that is running, train what is trainable now."""
    if not model.compiled:
        return
    if model.optimizer is not None and model.optimizer.built:
        model.optimizer = knowing(model.optimizer, model.trainable_variables)
    if model.train_function is not None:
        model.make_train_function(force=True)


class _Inferring:
    """The `call` of a frozen layer: its own, but never in training mode."""

    def __init__(self, call: Any) -> None:
        self.call = call

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return self.call(*arguments, **{**options, "training": False})


def _infer(layer: keras.layers.Layer, frozen: bool) -> None:
    # Keras has no mode of a layer but `trainable`, which only normalisation goes by; a dropout's rate is part of what is saved.
    held = isinstance(vars(layer).get("call"), _Inferring)
    if frozen and not held and layer._call_has_training_arg:
        layer.call = _Inferring(layer.call)
    if held and not frozen:
        own = layer.call.call
        del layer.call
        if getattr(own, "__func__", None) is not type(layer).call:  # somebody else's, such as a listener's
            layer.call = own


def _frozen_layers(calls: list[Call], paths: set[str]) -> list[keras.layers.Layer]:
    """The frozen layers, and those without weights that run between them, within their blocks or inside their models.

    What runs before all layers, such as augmentation, isn't the network's.
    """
    places = [place for place, call in enumerate(calls) if call.path in paths]
    if not places:
        return []
    first, last = places[0], places[-1]
    within = {id(call) for block in blocks_of(calls) if calls[last] in block for call in block}
    whole = _parents(paths) - _parents({call.path for call in calls if call.weights} - paths)
    frozen: list[Any] = []
    later: set[int] = set()
    for place, call in enumerate(calls):
        if call.path in paths:
            frozen.append(call.layer)
        elif place > first and not call.weights:
            if place < last or id(call) in within or not whole.isdisjoint(_parents({call.path})):
                frozen.append(call.layer)
            else:
                later.add(id(call.layer))  # one that is used on both sides stays as it is
    return [layer for layer in frozen if id(layer) not in later and isinstance(layer, keras.layers.Layer)]


def _parents(paths: set[str]) -> set[str]:
    return {path[:end] for path in paths for end, letter in enumerate(path) if letter == "/"}
