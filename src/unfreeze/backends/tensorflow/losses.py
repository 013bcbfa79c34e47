"""What a training step minimises, from logits and labels."""

from __future__ import annotations

import keras
import tensorflow as tf

from unfreeze.training.backend import SMALLEST_DOUBT, LossSettings


class Objective:
    """The loss of a batch, as `LossSettings` defines it."""

    def __init__(self, settings: LossSettings) -> None:
        self._settings = settings
        self._weights, self._offsets = settings.class_weights, settings.logit_offsets

    def __call__(self, logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        """float32 [], from float32 [B, K] and int64 [B]."""
        losses = self._losses(logits if self._offsets is None else logits + self._offsets, labels)
        if self._weights is None:
            return tf.reduce_mean(losses)
        # Not Keras's `class_weight=`, which divides by the number of pictures.
        weights = tf.gather(self._weights, labels)
        return tf.reduce_sum(losses * weights) / tf.reduce_sum(weights)

    def _losses(self, logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        """float32 [B]."""
        gamma, smoothing = self._settings.focal_gamma, self._settings.label_smoothing
        if not gamma:
            return cross_entropy(logits, labels, smoothing)
        # Not Keras's `CategoricalFocalCrossentropy`, which cuts probabilities off at 1e-7 and their gradients with them.
        logs = tf.nn.log_softmax(logits)
        targets = (1 - smoothing) * tf.one_hot(labels, logits.shape[-1]) + smoothing / logits.shape[-1]
        doubt = tf.maximum(-tf.math.expm1(logs), SMALLEST_DOUBT)
        return -tf.reduce_sum(targets * doubt**gamma * logs, axis=1)


def cross_entropy(logits: tf.Tensor, labels: tf.Tensor, smoothing: float = 0.0) -> tf.Tensor:
    """float32 [B]."""
    targets = tf.one_hot(labels, logits.shape[-1])
    return keras.losses.categorical_crossentropy(targets, logits, from_logits=True, label_smoothing=smoothing)
