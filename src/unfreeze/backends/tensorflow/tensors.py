"""The weights of a Keras model under timm's names and in PyTorch's layout, and back, without a changed bit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import keras
import numpy as np
from numpy.typing import NDArray

from unfreeze.backends.tensorflow.build import SCALE_LETTERS
from unfreeze.errors import ModelError

_Array = NDArray[np.generic]
_BATCHES = "num_batches_tracked"
_NEW_HEAD = "new_head."


@dataclass(frozen=True)
class _Place:
    """Where one tensor of PyTorch's lives in Keras, and how its layout changes."""

    name: str
    variable: keras.Variable
    shape: tuple[int, ...]
    to_torch: Callable[[_Array], _Array]
    to_keras: Callable[[_Array], _Array]


def timm_tensors(model: keras.Model, base_prefix: str = "") -> dict[str, _Array]:
    """All weights of a model that `build` made, alone or with a new head, under timm's names and in PyTorch's layout.

    `base_prefix` goes before the names of all but the new head's (`new_head.…`): with `base.` they are those of the torch
    backend's run folders. Of each batch normalisation `num_batches_tracked` is there too, as an int64 zero: PyTorch's strict
    loading wants it.

    Raises:
        ModelError: a layer whose weights have no place in timm's network.
    """
    tensors = {}
    for name, place in _places(model, base_prefix).items():
        tensors[name] = np.ascontiguousarray(place.to_torch(place.variable.numpy()))
        if name.endswith(".running_var"):
            tensors[f"{name.rpartition('.')[0]}.{_BATCHES}"] = np.array(0, np.int64)
    return tensors


def load_timm_tensors(model: keras.Model, tensors: dict[str, _Array], base_prefix: str = "") -> None:
    """Loads what `timm_tensors` gives, or the same out of PyTorch; the model stays as it was where that is refused.

    Raises:
        ModelError: a tensor is missing, unexpected or of another shape, or a layer has no place in timm's network.
    """
    places = _places(model, base_prefix)
    given = {name: tensor for name, tensor in tensors.items() if name.rpartition(".")[2] != _BATCHES}
    wrong = [f"{name} is missing" for name in places if name not in given]
    wrong += [f"{name} is unexpected" for name in given if name not in places]
    wrong += [
        f"{name} has the shape {list(given[name].shape)} instead of {list(place.shape)}"
        for name, place in places.items()
        if name in given and given[name].shape != place.shape
    ]
    if wrong:
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise ModelError(f"the weights don't fit the network: {'; '.join(wrong[:3])}{more}. Give those of the same network.")
    for name, place in places.items():
        place.variable.assign(place.to_keras(given[name]))


def _places(model: keras.Model, base_prefix: str) -> dict[str, _Place]:
    found = [place for layer in _layers(model) for place in _places_of(layer)]
    return {place.name if place.name.startswith(_NEW_HEAD) else base_prefix + place.name: place for place in found}


def _layers(model: keras.Model) -> Iterator[keras.layers.Layer]:
    """Those with weights, also of models inside the model."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _layers(layer)
        elif layer.weights:
            yield layer


def _places_of(layer: keras.layers.Layer) -> Iterator[_Place]:
    match layer:
        case keras.layers.DepthwiseConv2D():
            kernel = layer.kernel
            height, width, channels, multiplier = kernel.shape
            shape = (channels * multiplier, 1, height, width)

            def split(array: _Array) -> _Array:
                return array.reshape(channels, multiplier, height, width).transpose(2, 3, 0, 1)

            yield _Place(f"{layer.name}.weight", kernel, shape, lambda array: array.transpose(2, 3, 0, 1).reshape(shape), split)
            yield from _bias(layer)
        case keras.layers.Conv1D() | keras.layers.Conv2D() | keras.layers.Dense():
            rank = len(layer.kernel.shape)
            yield _transposed(f"{layer.name}.weight", layer.kernel, (rank - 1, rank - 2, *range(rank - 2)))
            yield from _bias(layer)
        case keras.layers.EinsumDense():
            yield _scale(layer, layer.name, layer.kernel)  # named like the parameter, not like its module
            if layer.bias is not None:
                yield _scale(layer, f"{layer.name.rpartition('.')[0]}.bias", layer.bias)
        case keras.layers.BatchNormalization():
            yield from _vectors(layer, gamma="weight", beta="bias", moving_mean="running_mean", moving_variance="running_var")
        case keras.layers.LayerNormalization() | keras.layers.GroupNormalization():
            yield from _vectors(layer, gamma="weight", beta="bias")
        case _:
            raise ModelError(f"the weights of {layer.name}, a {type(layer).__name__}, have no place in timm's network")


def _transposed(name: str, variable: keras.Variable, order: tuple[int, ...]) -> _Place:
    back = tuple(int(place) for place in np.argsort(order))
    shape = tuple(variable.shape[axis] for axis in order)
    return _Place(name, variable, shape, lambda array: array.transpose(order), lambda array: array.transpose(back))


def _reshaped(name: str, variable: keras.Variable, shape: tuple[int, ...]) -> _Place:
    own = tuple(variable.shape)
    return _Place(name, variable, shape, lambda array: array.reshape(shape), lambda array: array.reshape(own))


def _bias(layer: keras.layers.Layer) -> Iterator[_Place]:
    if layer.use_bias:
        yield _reshaped(f"{layer.name}.bias", layer.bias, tuple(layer.bias.shape))


def _scale(layer: keras.layers.EinsumDense, name: str, variable: keras.Variable) -> _Place:
    rank = next(rank for rank, letters in SCALE_LETTERS.items() if layer.equation[0] == letters[0])
    return _reshaped(name, variable, (variable.shape[0], *(1,) * (rank - 1)))


def _vectors(layer: keras.layers.Layer, **names: str) -> Iterator[_Place]:
    for own, timm_name in names.items():
        variable = getattr(layer, own, None)
        if variable is not None:
            yield _reshaped(f"{layer.name}.{timm_name}", variable, tuple(variable.shape))
