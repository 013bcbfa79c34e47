"""The frozen prefix as a thing of its own that only infers: by the inference engine where there is one, else folded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import keras
import tensorflow as tf
from numpy.typing import NDArray

from unfreeze.backends.tensorflow.folding import Folded
from unfreeze.backends.tensorflow.machine import compute_in
from unfreeze.engine import openvino
from unfreeze.recipe.network import InputContract
from unfreeze.recipe.plan import Precision

Tensors = tuple[tf.Tensor, ...]


class Prefix:
    """A part of a network that only infers, with the weights it had when this was made.

    Takes a tuple of arrays with the same number B of pictures: one of pictures, uint8 [B, S, S, 3], RGB, or the activations at
    a lower boundary. Those with four dimensions are [B, H, W, C], in arrays and in the tensors it gives. They are float32,
    or bfloat16 where that is the precision; an array holds its bits as uint16.

    Attributes:
        engine: what computes, in words: `OpenVINO 2026.4.1`, `TensorFlow 2.21.0, folded`.
    """

    def __init__(self, part: keras.Model, contract: InputContract | None, precision: Precision, device: str) -> None:
        """Makes a copy of the part that runs fast here.

        Args:
            part: the prefix of `freezing.Parts`, or one between two boundaries.
            contract: how to normalise pictures; None for activations.
            precision: in which it computes.
            device: on which it computes and its results lie, by TensorFlow's name.
        """
        self._run: Callable[[Iterable[tuple[NDArray[Any], ...]]], Iterator[Tensors]]
        engine = _converted(part, contract, precision) if device == "/CPU:0" and openvino.available() else None
        if engine is not None:
            self.engine = openvino.name()
            self._run = lambda batches: (tuple(map(to_tensor, values)) for values in engine.run(batches))
        else:
            self.engine = f"TensorFlow {tf.__version__}, folded"
            own = _Folded(part, contract, precision, device)
            self._run = lambda batches: map(own, batches)

    def __call__(self, values: tuple[NDArray[Any], ...]) -> Tensors:
        """The tensors at the boundary, for one batch."""
        return next(self._run([values]))

    def run(self, batches: Iterable[tuple[NDArray[Any], ...]]) -> Iterator[Tensors]:
        """The tensors at the boundary, batch for batch in order; may take the next batch before it gives a result."""
        return self._run(batches)


class _Folded:
    """TensorFlow's own way: without XLA, which is many times slower for depthwise convolutions on a CPU."""

    def __init__(self, part: keras.Model, contract: InputContract | None, precision: Precision, device: str) -> None:
        self._device = device
        floats = tf.bfloat16 if precision == "bfloat16" else tf.float32
        with tf.device(device):
            model = self._model = _folded(part)  # kept here: a traced function doesn't keep its variables
            compute_in(model, precision)

            def values(*arrays: tf.Tensor) -> Tensors:
                tensors = [tf.cast(array if contract is None else normalised(array, contract), floats) for array in arrays]
                results = model(tensors if len(tensors) > 1 else tensors[0], training=False)
                return tuple(tf.cast(result, floats) for result in _as_tuple(results))

            given = floats if contract is None else tf.uint8
            signature = [tf.TensorSpec(tensor.shape, given) for tensor in part.inputs]
            # Traced here and now, because the layers' precision is read while tracing.
            self._values = tf.function(values, input_signature=signature, jit_compile=False).get_concrete_function()

    def __call__(self, values: tuple[NDArray[Any], ...]) -> Tensors:
        with tf.device(self._device):
            results: Tensors = self._values(*map(to_tensor, values))
        return results


def normalised(images: tf.Tensor, contract: InputContract) -> tf.Tensor:
    """uint8 [B, S, S, 3], RGB, to float32 of that shape as the contract says, in its channel order."""
    order = [2, 1, 0] if contract.channel_order == "BGR" else [0, 1, 2]
    if order != [0, 1, 2]:
        images = tf.gather(images, order, axis=-1)
    mean, std = (tf.constant([values[channel] for channel in order], tf.float32) for values in (contract.mean, contract.std))
    return (tf.cast(images, tf.float32) / 255 - mean) / std


def engine_for(device: str) -> str:
    """What would compute a prefix here, in words, unless it holds something the engine can't take."""
    return openvino.name() if device == "/CPU:0" and openvino.available() else f"TensorFlow {tf.__version__}, folded"


def to_array(tensor: tf.Tensor) -> NDArray[Any]:
    """The array of a tensor, in the dtypes that `Prefix` takes."""
    array: NDArray[Any] = (tf.bitcast(tensor, tf.uint16) if tensor.dtype == tf.bfloat16 else tensor).numpy()
    return array


def to_tensor(values: NDArray[Any]) -> tf.Tensor:
    """The tensor of an array; the inverse of `to_array`."""
    tensor = tf.convert_to_tensor(values)
    return tf.bitcast(tensor, tf.bfloat16) if tensor.dtype == tf.uint16 else tensor


def _folded(part: keras.Model) -> keras.Model:
    copy = Folded(part)
    copy.refresh()
    return copy.model


def _converted(part: keras.Model, contract: InputContract | None, precision: Precision) -> openvino.Engine | None:
    """The part in the engine; None where the engine can't take it."""
    try:
        model = _folded(part)
        compute_in(model, "float32")
        signature = [tf.TensorSpec([openvino.PICTURES, *tensor.shape[1:]], tf.float32) for tensor in part.inputs]

        def values(*tensors: tf.Tensor) -> Tensors:
            return _as_tuple(model(list(tensors) if len(tensors) > 1 else tensors[0], training=False))

        traced = tf.function(values, input_signature=signature).get_concrete_function()
        converted = openvino.load().convert_model(traced)
        # Functions with gradients of their own (silu) leave outputs behind that nobody asked for, after those asked for.
        asked = [output.node for output in converted.outputs[: len(part.outputs)]]
        return openvino.Engine(openvino.load().Model(asked, converted.get_parameters()), contract, precision, "NHWC")
    except Exception:  # an operation it doesn't know, found out in any of several places
        return None


def _as_tuple(results: Any) -> Tensors:
    return tuple(results) if isinstance(results, (list, tuple)) else (results,)
