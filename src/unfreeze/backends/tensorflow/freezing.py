"""Frozen means frozen: the network in parts at the boundary, the first of them in inference mode whatever the rest does."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import keras

from unfreeze.backends.tensorflow.head import in_head
from unfreeze.backends.tensorflow.stochastic_depth import is_drop
from unfreeze.recipe.network import Layer, Network


@dataclass(frozen=True)
class Parts:
    """A network split at a phase's boundary. A part is None where it has no layers, and shares its layers with the network.

    Attributes:
        prefix: from images to the tensors that cross the boundary; depends on no layer that trains.
        suffix: from those tensors to logits.
    """

    prefix: keras.Model | None
    suffix: keras.Model | None


def layers_at(model: keras.Model, layers: Iterable[Layer], network: Network) -> list[keras.layers.Layer]:
    """The Keras layers of some layers of the plan's network.

    A Keras layer belongs to the path that equals its name, or else to the one it is below: timm keeps some parameters in a
    block itself (`stages.0.blocks.0.gamma`), which in Keras are layers of their own.
    """
    all_paths = {layer.path for layer in network.layers}
    wanted = {layer.path for layer in layers}
    return [layer for layer in model.layers if layer.weights and _path(layer.name, all_paths) in wanted]


def freeze(
    model: keras.Model, frozen: Iterable[Layer], trainable: Iterable[Layer], network: Network, freeze_statistics: bool
) -> list[Any]:
    """Sets what trains, and gives its variables.

    A BatchNormalization whose `trainable` is False is in inference mode whatever it is called with. That is how frozen ones
    are held and, where asked, the statistics of the others: scale and shift of those are in the variables all the same.
    """
    for layer in layers_at(model, frozen, network):
        layer.trainable = False
    training = layers_at(model, trainable, network)
    for layer in training:
        layer.trainable = True
    variables = [weight for layer in training for weight in layer.trainable_weights]
    if freeze_statistics:
        for layer in model._flatten_layers():  # also inside nested models
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.trainable = False
    return variables


def by_stage(model: keras.Model, variables: Iterable[Any], network: Network) -> dict[str, list[Any]]:
    """Variables that train, by the stage they are in; one that two layers share, by the first."""
    left = {id(variable) for variable in variables}
    found: dict[str, list[Any]] = {}
    for stage in network.stages:
        own = [weight for layer in layers_at(model, stage.layers, network) for weight in layer.weights]
        found[stage.name] = [each for each in {id(weight): weight for weight in own}.values() if id(each) in left]
        left -= {id(weight) for weight in own}
    return {name: members for name, members in found.items() if members}


def statistics(model: keras.Model) -> list[Any]:
    """The moving statistics of the BatchNormalization layers where they follow the batches."""
    norms = [layer for layer in model._flatten_layers() if isinstance(layer, keras.layers.BatchNormalization)]
    return [statistic for norm in norms if norm.trainable for statistic in (norm.moving_mean, norm.moving_variance)]


def split(model: keras.Model, trainable: Iterable[Layer], network: Network) -> Parts:
    """The part that depends on no layer that trains, and the rest, joined by every tensor that goes from one to the other.

    The head's dropout belongs to the rest, and so does what leaves out a block of which a part trains; where none does,
    nothing is left out.

    Args:
        model: the whole, or the suffix of an earlier split, whose prefix is then what lies between the two boundaries.
        trainable: those of the plan's network.
    """
    trainable = tuple(trainable)
    names = {layer.name for layer in layers_at(model, trainable, network)}
    behind: set[int] = set()
    crossing: dict[int, Any] = {}
    # In forward order. Keras has no public list of nodes; `layer.output` is ambiguous for a layer that two models share.
    for depth in sorted(model._nodes_by_depth, reverse=True):
        for node in model._nodes_by_depth[depth]:
            trains = in_head(node.operation) or node.operation.name in names or _is_left_out(node.operation, trainable)
            if trains or any(id(tensor) in behind for tensor in node.input_tensors):
                behind.update(id(tensor) for tensor in node.output_tensors)
                crossing |= {id(tensor): tensor for tensor in node.input_tensors if id(tensor) not in behind}
    if not behind:
        return Parts(model, None)
    tensors = list(crossing.values())
    prefix = keras.Model(model.inputs, tensors)
    if not any(layer.weights for layer in prefix.layers):
        return Parts(None, model)
    return Parts(prefix, keras.Model(tensors, model.output))


def _is_left_out(operation: Any, trainable: Iterable[Layer]) -> bool:
    """Whether it leaves out a block of which a part trains: also where that part is its shortcut."""
    block = operation.name.rpartition(".")[0]
    return bool(block) and is_drop(operation) and any(f"{layer.path}.".startswith(f"{block}.") for layer in trainable)


def _path(name: str, paths: set[str]) -> str:
    return name if name in paths else name.rpartition(".")[0]
