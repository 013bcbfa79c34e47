"""Stochastic depth: blocks that are left out, around their shortcut, for some pictures of a step (Huang et al. 2016)."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from unfreeze.errors import RecipeError

_HAVE_IT = "EfficientNet, EfficientNetV2 and ConvNeXt of keras.applications, or timm's resnet50 and efficientnet_b0"
# What Keras builds its EfficientNets with, whatever they are used for.
_KERASS_RATE = 0.2
# A layer of ConvNeXt that does nothing and stands where Keras would put stochastic depth, which it only does batch-wise.
_CONVNEXTS_PLACE = "_identity"


def check(name: str, rate: float) -> None:
    """Refuses stochastic depth in a network of `keras.applications` that has none.

    Raises:
        RecipeError: it is asked for, and the network has none.
    """
    if rate and not name.startswith(("EfficientNet", "ConvNeXt")):
        raise RecipeError(
            f"stochastic_depth: {rate:g} leaves residual blocks out, and {name} has no place for it. Give stochastic_depth: 0,"
            f" or a network that has it: {_HAVE_IT}"
        )


def set_rate(base: keras.Model, rate: float) -> keras.Model:
    """A network of `keras.applications` that leaves out the last block at this rate, the others linearly less.

    The rates of the blocks are those that Keras's constructors give them. At 0 nothing is left out, though Keras makes its
    EfficientNets with a rate of 0.2.
    """
    for layer in drops(base):
        layer.rate *= rate / _KERASS_RATE
    places = [layer.name for layer in base.layers if layer.name.endswith(_CONVNEXTS_PLACE)]
    if not rate or not places:
        return base
    # ConvNeXt: linearly from none to the rate, as `keras.applications.convnext` and timm have it.
    rates = dict(zip(places, np.linspace(0, rate, len(places)).tolist(), strict=True))

    def copy(layer: keras.layers.Layer) -> keras.layers.Layer:
        if not rates.get(layer.name):
            return type(layer).from_config(layer.get_config())
        return drop(rates[layer.name], len(layer.output.shape), layer.name)

    made = keras.models.clone_model(base, clone_function=copy)
    made.set_weights(base.get_weights())
    return made


def drop(rate: float, dimensions: int, name: str) -> keras.layers.Layer:
    """A layer that gives zero for a picture with this probability in training, else what it gets, divided by 1 − rate."""
    return keras.layers.Dropout(rate, noise_shape=(None, *(1,) * (dimensions - 1)), name=name)


def seed(base: keras.Model, number: int) -> None:
    """Starts every place's random numbers again: a kept network would go on with those it was kept with."""
    for place, layer in enumerate(drops(base)):
        layer.seed_generator.state.assign(np.array([number, place], np.uint32))


def drops(base: keras.Model) -> list[Any]:
    """Its places, in forward order."""
    return [layer for layer in base.layers if is_drop(layer)]


def is_drop(layer: Any) -> bool:
    """Whether a layer is such a place: a dropout that takes all of a picture's numbers or none."""
    return isinstance(layer, keras.layers.Dropout) and layer.noise_shape is not None
