"""Where in a picture a network sees a class: Grad-CAM (Selvaraju et al. 2017)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from unfreeze.training.gradcam import scaled


def grad_cam(model: keras.Model, batches: Iterable[tuple[tf.Tensor, tf.Tensor]]) -> NDArray[np.float32] | None:
    """See `training.backend.Backend.grad_cam`.

    Args:
        batches: float32 [B, S, S, 3], normalised, and int64 [B] classes.
    """
    last_map = _last_map(model)
    try:
        body, tail = keras.Model(model.inputs, last_map), keras.Model(last_map, model.output)
    except ValueError:  # there is none, or a way round it
        return None

    def maps(images: tf.Tensor, classes: tf.Tensor) -> tf.Tensor:
        features = body(images, training=False)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(features)
            logits = tf.gather(tail(features, training=False), classes, batch_dims=1)
        weights = tf.reduce_mean(tape.gradient(logits, features), axis=(1, 2), keepdims=True)
        return tf.nn.relu(tf.reduce_sum(weights * features, axis=-1))

    # Compiled, because a network called as it is keeps all its activations until it returns.
    signature = [tf.TensorSpec(model.input.shape), tf.TensorSpec([None], tf.int64)]
    compiled = tf.function(maps, input_signature=signature, jit_compile=False)
    return scaled([compiled(images, classes).numpy() for images, classes in batches])


def _last_map(model: keras.Model) -> Any:
    """The last tensor [B, h, w, C] with more than one place, in forward order; None where there is none."""
    found = None
    for depth in sorted(model._nodes_by_depth, reverse=True):
        for node in model._nodes_by_depth[depth]:
            for tensor in node.output_tensors:
                if len(tensor.shape) == 4 and tensor.shape[1] * tensor.shape[2] > 1:
                    found = tensor
    return found
