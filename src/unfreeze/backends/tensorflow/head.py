"""The new head, and the network with it."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from unfreeze.recipe.network import HEAD, Layer, Stage
from unfreeze.recipe.recipe import Head
from unfreeze.training.initial_head import initial_head

# The first part of the new head's layer names.
NEW_HEAD = "new_head"


def add_head(base: keras.Model, classes: int, settings: Head, seed: int) -> keras.Model:
    """The network: the base with [dense, ReLU, dropout] per hidden layer, dropout, dense to K on its pooled features.

    Takes float32 [B, S, S, 3], normalised; gives float32 [B, K] logits. All layers of base and head are layers of one
    functional model. The head computes in float32 whatever the base computes in: logits in bfloat16 have steps of 1 %. Its
    weights start as `training.initial_head` draws them.
    """
    values = base.output
    *hidden, output = initial_head(values.shape[-1], settings.hidden, classes, seed)
    for number, kernel in enumerate(hidden, start=1):
        values = _dense(f"hidden{number}", kernel, values)
        values = keras.layers.ReLU(name=f"{NEW_HEAD}.relu{number}", dtype="float32")(values)
        if number < len(hidden):
            values = _dropout(f"dropout{number}", settings.dropout, seed + number)(values)
    values = _dropout("dropout", settings.dropout, seed)(values)
    return keras.Model(base.input, _dense("output", output, values), name="fine_tuned")


def in_head(layer: keras.layers.Layer) -> bool:
    """Whether a layer belongs to the new head."""
    return bool(layer.name.startswith(f"{NEW_HEAD}."))


def head_stage(model: keras.Model) -> Stage:
    """The stage `head`: the layers of the new head."""
    dense = [layer for layer in model.layers if in_head(layer) and layer.weights]
    return Stage(
        name=HEAD, layers=tuple(Layer(path=layer.name, parameters=layer.count_params(), counts=True) for layer in dense)
    )


def _dense(name: str, kernel: NDArray[np.float32], values: Any) -> Any:
    layer = keras.layers.Dense(kernel.shape[1], name=f"{NEW_HEAD}.{name}", dtype="float32")
    outputs = layer(values)
    layer.kernel.assign(kernel)
    return outputs


def _dropout(name: str, rate: float, seed: int) -> keras.layers.Layer:
    return keras.layers.Dropout(rate, seed=seed, name=f"{NEW_HEAD}.{name}", dtype="float32")
