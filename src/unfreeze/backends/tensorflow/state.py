"""All that training changes as arrays by name, and back: what a checkpoint holds of a backend."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from unfreeze.backends.tensorflow.averaging import RunningMean
from unfreeze.backends.tensorflow.optimizers import Memory, PhaseOptimizer
from unfreeze.training.backend import MODEL, State
from unfreeze.training.checkpoint import members

_SLOTS, _ORIGINS, _MEAN, _SUMS = "optimizer/", "origin/", "mean/", "sums/"
_GENERATORS = "random/"

# Of tensors, of variables of TensorFlow's or of Keras's.
Named = Mapping[str, Any]


@dataclass
class EpochSums:
    """What the steps of an epoch have come to so far. On the device, where reading would make a GPU wait.

    Attributes:
        values: objective and loss, each times the pictures, and how many were named right: float64 [3].
        largest: of the gradients' norms, float32 [].
        pictures: how many were shown.
    """

    values: tf.Tensor
    largest: tf.Tensor
    pictures: int = 0

    @classmethod
    def none(cls) -> Self:
        """Before the first step."""
        return cls(tf.zeros(3, tf.float64), tf.zeros(()))

    def add(self, values: tf.Tensor, norm: tf.Tensor, pictures: int) -> None:
        """Takes in a step."""
        self.values = self.values + values
        self.largest = tf.maximum(self.largest, norm)  # NaN stays NaN
        self.pictures += pictures


def name_of(variable: Any) -> str:
    """`blocks.0.conv_pw.kernel`: the layer's name and the variable's."""
    return str(variable.path.replace("/", "."))


def snapshot(model: keras.Model) -> dict[str, NDArray[Any]]:
    """A copy of all tensors of a model, by name."""
    return {name: _array(variable) for name, variable in _weights(model).items()}


def load(model: keras.Model, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Gives a model the tensors of a snapshot."""
    for name, variable in _weights(model).items():
        variable.assign(arrays[name])


def take(model: keras.Model, optimizer: PhaseOptimizer, mean: RunningMean | None, sums: EpochSums) -> State:
    """What `Backend.state` gives."""
    names = {variable.path: name for name, variable in _weights(model).items()}
    memory = optimizer.memory()
    parts: dict[str, Named] = {
        MODEL: _weights(model),
        _SLOTS: {f"{names[each]}/{slot}": value for each, of_one in memory.slots.items() for slot, value in of_one.items()},
        _ORIGINS: {names[each]: value for each, value in memory.origins.items()},
        _MEAN: mean.state() if mean is not None else {},
        _SUMS: {"values": sums.values, "largest": sums.largest, "pictures": tf.constant(sums.pictures, tf.int64)},
        _GENERATORS: _generators(model),
    }
    return {group + name: _array(tensor) for group, members in parts.items() for name, tensor in members.items()}


def memory_in(state: State, model: keras.Model) -> Memory:
    """What the optimiser remembered, for the variables of this model."""
    named = _weights(model)
    slots: dict[str, dict[str, NDArray[Any]]] = {}
    for name, values in members(state, _SLOTS).items():
        variable, _, slot = name.rpartition("/")
        slots.setdefault(named[variable].path, {})[slot] = values
    origins = {named[name].path: tf.Variable(values, trainable=False) for name, values in members(state, _ORIGINS).items()}
    return Memory(slots, origins)


def mean_in(state: State) -> Named:
    """What `RunningMean.go_on` takes."""
    return members(state, _MEAN)


def sums_in(state: State) -> EpochSums:
    """Those of the epoch that was under way."""
    arrays = members(state, _SUMS)
    values, largest = (tf.convert_to_tensor(arrays[name]) for name in ("values", "largest"))
    return EpochSums(values, largest, int(arrays["pictures"]))


def set_generators(state: State, model: keras.Model) -> None:
    """Lets random numbers go on as they would have."""
    for name, generator in _generators(model).items():
        generator.assign(state[_GENERATORS + name])


def model_in(state: State) -> dict[str, NDArray[Any]]:
    """The tensors of the model, as `snapshot` gives them."""
    return members(state, MODEL)


def _weights(model: keras.Model) -> dict[str, Any]:
    return {name_of(variable): variable for variable in model.weights}


def _generators(model: keras.Model) -> dict[str, Any]:
    """The states of the layers' random numbers, which aren't among a model's weights, by the names of the layers.

    Not by their own names: Keras counts those through everything that was made in a process.
    """
    layers = model._flatten_layers()  # also inside nested models
    return {layer.name: layer.seed_generator.state for layer in layers if getattr(layer, "seed_generator", None) is not None}


def _array(tensor: Any) -> NDArray[Any]:
    """A copy of a tensor, a variable of either kind, or an array."""
    return np.array(tensor if isinstance(tensor, np.ndarray) else tensor.numpy(), order="C")
