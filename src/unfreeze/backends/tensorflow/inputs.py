"""What arrives at the BatchNorm layers of a network, beside what they remember from pretraining."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from unfreeze.errors import ModelError, first_line
from unfreeze.inspection import inputs
from unfreeze.inspection.finding import DataFinding
from unfreeze.inspection.loader import first_pictures
from unfreeze.training.arrivals import Arrival, Tally, Vector


class _EnoughError(Exception):
    """All layers asked for have been reached: the rest of the network needn't be computed."""


def check_inputs(model: keras.Model, batches: Iterable[Any], pictures: int) -> DataFinding:
    """See `unfreeze.tensorflow.check_inputs`."""
    if not isinstance(model, keras.Model):
        raise ModelError(f"model: a keras.Model is needed, received {type(model).__name__}")
    images = first_pictures(batches, pictures, np.asarray)
    if images.shape[3] != 3:
        return inputs.wrong_layout(
            images.shape, "pictures × height × width × 3", "tf.transpose(images, (0, 2, 3, 1)) puts them in order."
        )

    def observe(values: NDArray[np.float32], first: int | None) -> list[Arrival]:
        return arrivals(model, [tf.convert_to_tensor(values)], first)

    return inputs.check_inputs(observe, images)


def arrivals(model: keras.Model, batches: Iterable[tf.Tensor], first: int | None = None) -> list[Arrival]:
    """What arrives at the normalisation layers that keep statistics, in the order in which they are reached.

    The network infers, and is afterwards as it was.

    Args:
        batches: float32 [B, H, W, C], as the network takes them.
        first: stop after so many layers; None goes through all of the network.

    Raises:
        ModelError: the network fails on a batch.
    """
    tallies: dict[keras.layers.Layer, Tally] = {}
    with _listening(model, tallies, first):
        for batch in batches:
            try:
                model(batch, training=False)
            except _EnoughError:
                continue
            except (tf.errors.OpError, TypeError, ValueError) as error:
                size = " × ".join(map(str, batch.shape))
                raise ModelError(f"model: it doesn't take pictures {size}: {first_line(error)}") from error
    return [
        Arrival(norm.name, tally.mean, tally.variance, _array(norm.moving_mean), _array(norm.moving_variance))
        for norm, tally in tallies.items()
    ]


@contextmanager
def _listening(model: keras.Model, tallies: dict[keras.layers.Layer, Tally], first: int | None) -> Iterator[None]:
    """Adds what arrives at each layer to its tally."""

    def listen(norm: keras.layers.Layer, values: tf.Tensor) -> None:
        axis = norm.axis % len(values.shape)
        mean, variance = tf.nn.moments(
            tf.cast(values, tf.float32), [other for other in range(len(values.shape)) if other != axis]
        )
        count = int(tf.size(values)) // values.shape[axis]
        tallies.setdefault(norm, Tally()).add(count, _array(mean), _array(variance))
        if len(tallies) == first:
            raise _EnoughError

    norms = [layer for layer in model._flatten_layers() if isinstance(layer, keras.layers.BatchNormalization)]
    for norm in norms:
        _listen_at(norm, listen)
    try:
        yield
    finally:
        for norm in norms:
            del norm.call  # the class's own is what is left


def _listen_at(norm: keras.layers.Layer, listen: Any) -> None:
    # Keras has no hooks; this way layers inside nested models and inside a person's own class are heard too.
    call = norm.call

    def listening(inputs: tf.Tensor, *arguments: Any, **options: Any) -> tf.Tensor:
        listen(norm, inputs)
        return call(inputs, *arguments, **options)

    norm.call = listening


def _array(tensor: Any) -> Vector:
    array: Vector = tensor.numpy().astype(np.float64)
    return array
