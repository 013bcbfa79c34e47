"""What a training step minimises, from logits and what the pictures show."""

from __future__ import annotations

from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from unfreeze.data.load import Mix
from unfreeze.training.backend import SMALLEST_DOUBT, LossSettings


class Targets(NamedTuple):
    """What the pictures of a batch show.

    Attributes:
        labels: int64 [B].
        mixed: int64 [B], of the pictures mixed in; None where there are none.
        parts: float32 [B], those of `labels`, in 0–1.
    """

    labels: tf.Tensor
    mixed: tf.Tensor | None = None
    parts: tf.Tensor | None = None

    @staticmethod
    def of(labels: NDArray[np.int64], mix: Mix | None) -> Targets:
        """Those of a batch."""
        return Targets(*map(tf.convert_to_tensor, (labels, *(mix or ()))))

    @staticmethod
    def signature(mixed: bool) -> list[tf.TensorSpec]:
        """What a function that takes those of any batch is traced with."""
        kinds = (tf.int64, tf.int64, tf.float32) if mixed else (tf.int64,)
        return [tf.TensorSpec([None], kind) for kind in kinds]

    def shown(self) -> tf.Tensor:
        """int64 [B]: the label of each picture's larger part."""
        if self.mixed is None or self.parts is None:
            return self.labels
        return tf.where(self.parts >= 0.5, self.labels, self.mixed)


class Objective:
    """The loss of a batch, as `LossSettings` defines it."""

    def __init__(self, settings: LossSettings) -> None:
        self._settings = settings
        self._weights, self._offsets = settings.class_weights, settings.logit_offsets

    def __call__(self, logits: tf.Tensor, targets: Targets) -> tf.Tensor:
        """float32 [], from float32 [B, K]."""
        logits, labels, parts = _unmixed(logits, targets)
        losses = self._losses(logits if self._offsets is None else logits + self._offsets, labels)
        weights = self._weigh(labels, parts)
        # Not Keras's `class_weight=`, which divides by the number of pictures.
        return tf.reduce_mean(losses) if weights is None else tf.reduce_sum(losses * weights) / tf.reduce_sum(weights)

    def weight(self, targets: Targets) -> tf.Tensor:
        """Σ w of a batch, by which its loss counts among others: float32 []."""
        _, labels, parts = _unmixed(targets.labels, targets)
        weights = self._weigh(labels, parts)
        return tf.cast(tf.size(labels), tf.float32) if weights is None else tf.reduce_sum(weights)

    def _weigh(self, labels: tf.Tensor, parts: tf.Tensor | None) -> tf.Tensor | None:
        """float32 [B]; None where all weigh the same."""
        if self._weights is None or parts is None:
            return parts if self._weights is None else tf.gather(self._weights, labels)
        return tf.gather(self._weights, labels) * parts

    def _losses(self, logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        """float32 [B]."""
        gamma, smoothing = self._settings.focal_gamma, self._settings.label_smoothing
        if not gamma:
            return _cross_entropies(logits, labels, smoothing)
        # Not Keras's `CategoricalFocalCrossentropy`, which cuts probabilities off at 1e-7 and their gradients with them.
        logs = tf.nn.log_softmax(logits)
        targets = (1 - smoothing) * tf.one_hot(labels, logits.shape[-1]) + smoothing / logits.shape[-1]
        doubt = tf.maximum(-tf.math.expm1(logs), SMALLEST_DOUBT)
        return -tf.reduce_sum(targets * doubt**gamma * logs, axis=1)


def cross_entropy(logits: tf.Tensor, targets: Targets) -> tf.Tensor:
    """The plain sum over a batch, float32 []."""
    logits, labels, parts = _unmixed(logits, targets)
    losses = _cross_entropies(logits, labels)
    return tf.reduce_sum(losses if parts is None else losses * parts)


def _cross_entropies(logits: tf.Tensor, labels: tf.Tensor, smoothing: float = 0.0) -> tf.Tensor:
    """float32 [B]."""
    targets = tf.one_hot(labels, logits.shape[-1])
    return keras.losses.categorical_crossentropy(targets, logits, from_logits=True, label_smoothing=smoothing)


def _unmixed(rows: tf.Tensor, targets: Targets) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor | None]:
    """Rows, labels and parts with each mixed picture twice, once for each of its labels."""
    if targets.mixed is None or targets.parts is None:
        return rows, targets.labels, None
    labels, parts = tf.concat([targets.labels, targets.mixed], 0), tf.concat([targets.parts, 1 - targets.parts], 0)
    return tf.concat([rows, rows], 0), labels, parts
