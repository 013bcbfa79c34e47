"""What arrives at the BatchNorm layers of a network, beside what they remember from pretraining."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from unfreeze.errors import ModelError
from unfreeze.inspection import inputs
from unfreeze.inspection.finding import DataFinding
from unfreeze.inspection.loader import first_batches
from unfreeze.training.arrivals import Arrival, Tally, Vector


class _EnoughError(Exception):
    """The first layer has been reached: the rest of the network needn't be computed."""


def check_inputs(model: keras.Model, batches: Iterable[Any], pictures: int) -> DataFinding:
    """See `unfreeze.keras.check_inputs`."""
    if not isinstance(model, keras.Model):
        raise ModelError(f"model: a keras.Model is needed, received {type(model).__name__}")
    taken = first_batches(batches, pictures, np.asarray)
    if taken[0].shape[3] != 3:
        return inputs.wrong_layout(
            taken[0].shape, "pictures × height × width × 3", "tf.transpose(images, (0, 2, 3, 1)) puts them in order."
        )

    def observe(batches: Iterable[NDArray[np.float32]], first_only: bool) -> list[Arrival]:
        return arrivals(model, map(tf.convert_to_tensor, batches), first_only)

    return inputs.check_inputs(observe, np.concatenate(taken), batch=len(taken[0]))


def arrivals(model: keras.Model, batches: Iterable[tf.Tensor], first_only: bool = False) -> list[Arrival]:
    """What arrives at the normalisation layers that keep statistics, in the order in which they are reached.

    The network infers, and is afterwards as it was.

    Args:
        batches: float32 [B, H, W, C], as the network takes them.
        first_only: only the first layer's, without computing the rest.

    Raises:
        ModelError: the network fails on a batch.
    """
    tallies: dict[keras.layers.Layer, Tally] = {}
    with _eagerly(), _listening(model, tallies, first_only):
        for batch in batches:
            try:
                model(batch, training=False)
            except _EnoughError:
                continue
            except Exception as error:  # somebody else's code fails in any way
                size = " × ".join(map(str, batch.shape))
                raise ModelError(f"model: it doesn't take pictures {size}: {_reason(error)}") from error
    return [
        Arrival(norm.name, tally.mean, tally.variance, _array(norm.moving_mean), _array(norm.moving_variance))
        for norm, tally in tallies.items()
    ]


@contextmanager
def _eagerly() -> Iterator[None]:
    """Runs a model's own `tf.function` as plain Python: in a graph there are no values to listen to."""
    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(before)


@contextmanager
def _listening(model: keras.Model, tallies: dict[keras.layers.Layer, Tally], first_only: bool) -> Iterator[None]:
    """Adds what arrives at each layer to its tally."""

    def listen(norm: keras.layers.Layer, values: tf.Tensor) -> None:
        axis = norm.axis % len(values.shape)
        mean, variance = tf.nn.moments(
            tf.cast(values, tf.float32), [other for other in range(len(values.shape)) if other != axis]
        )
        count = int(tf.size(values)) // values.shape[axis]
        tallies.setdefault(norm, Tally()).add(count, _array(mean), _array(variance))
        if first_only:
            raise _EnoughError

    norms = [layer for layer in model._flatten_layers() if isinstance(layer, keras.layers.BatchNormalization)]
    own = {norm: vars(norm)["call"] for norm in norms if "call" in vars(norm)}
    for norm in norms:
        _listen_at(norm, listen)
    try:
        yield
    finally:
        for norm in norms:
            del norm.call  # the class's own is what is left
        for norm, call in own.items():
            norm.call = call


def _listen_at(norm: keras.layers.Layer, listen: Any) -> None:
    # Keras has no hooks; this way layers inside nested models and inside a person's own class are heard too.
    call = norm.call

    def listening(inputs: tf.Tensor, *arguments: Any, **options: Any) -> tf.Tensor:
        listen(norm, inputs)
        return call(inputs, *arguments, **options)

    norm.call = listening


def _reason(error: Exception) -> str:
    """The first line of an error, less Keras's own lines before it and the codes for a terminal within."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", str(error))
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("Exception encountered when calling")]
    return lines[0].strip() if lines else type(error).__name__


def _array(tensor: Any) -> Vector:
    array: Vector = tensor.numpy().astype(np.float64)
    return array
