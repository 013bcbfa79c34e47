"""BatchNorm statistics that follow the batches, by PyTorch's rule."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator

import keras
import tensorflow as tf


class MovingVariances:
    """The moving variances of a model's trainable BatchNormalization layers.

    Keras moves them towards the variance of the batch, PyTorch towards the unbiased estimate, which is n / (n - 1) times
    larger for n values a channel: at 7 × 7 pixels and 4 pictures half a percent.
    """

    def __init__(self, model: keras.Model | None) -> None:
        nodes = [node for nodes in model._nodes_by_depth.values() for node in nodes] if model is not None else []
        self._layers = [
            (node.operation, math.prod(node.input_tensors[0].shape[1:-1]))
            for node in nodes
            if isinstance(node.operation, keras.layers.BatchNormalization) and node.operation.trainable
        ]

    @contextlib.contextmanager
    def unbiased(self, pictures: tf.Tensor) -> Iterator[None]:
        """Corrects what a call of the model inside this context does to them.

        Args:
            pictures: int32 [], of the batch.
        """
        before = [tf.identity(layer.moving_variance.value) for layer, _ in self._layers]
        yield
        for (layer, pixels), old in zip(self._layers, before, strict=True):
            n = tf.cast(pictures * pixels, tf.float32)
            kept = old * layer.momentum
            layer.moving_variance.assign(kept + (layer.moving_variance.value - kept) * n / tf.maximum(n - 1, 1))
