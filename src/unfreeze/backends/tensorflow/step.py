"""One training step: forward, backward, and the optimiser's, on one batch or on several as if they were one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import keras
import tensorflow as tf

from unfreeze.backends.tensorflow.averaging import RunningMean
from unfreeze.backends.tensorflow.batchnorm import MovingVariances
from unfreeze.backends.tensorflow.losses import Objective, Targets, cross_entropy
from unfreeze.backends.tensorflow.optimizers import PhaseOptimizer
from unfreeze.backends.tensorflow.prefix import Tensors

# Traces a function of tensors of the signature given, followed by those of a batch.
Compile = Callable[[Callable[..., Any], list[tf.TensorSpec]], Callable[..., Any]]


class Step:
    """A phase's training step, compiled once for batches with mixed pictures and once for those without.

    Args:
        suffix: the part that trains, from what `given` makes of a batch to logits.
        variables: those that train, in the order in which the optimiser takes them.
        mean: what follows the weights, if anything.
        accumulates: whether a step may have more than one batch.
        compiled: traces at once.
    """

    def __init__(
        self,
        suffix: keras.Model,
        given: Callable[[Tensors], Any],
        variables: list[Any],
        objective: Objective,
        optimizer: PhaseOptimizer,
        mean: RunningMean | None,
        accumulates: bool,
        compiled: Compile,
    ) -> None:
        self._suffix, self._given, self._objective, self._optimizer, self._mean = suffix, given, objective, optimizer, mean
        self._values = [variable.value for variable in variables]
        self._statistics = MovingVariances(suffix)
        self._accumulates, self._compile = accumulates, compiled
        self._sums = [tf.Variable(tf.zeros_like(value), trainable=False) for value in self._values] if accumulates else []
        self._of_batch: dict[bool, Callable[..., Any]] = {}
        signature = [tf.TensorSpec([4], tf.float64), tf.TensorSpec([], tf.float64)]
        self._finish = tf.function(self._apply_sums, input_signature=signature)

    def prepare(self, mixed: bool) -> None:
        """Compiles it for one kind of batches, if it isn't yet."""
        if mixed in self._of_batch:
            return
        signature = Targets.signature(mixed)
        function = self._add_gradients if self._accumulates else self._whole

        def of_batch(*arrays: tf.Tensor) -> Any:
            return function(Targets(*arrays[: len(signature)]), arrays[len(signature) :])

        self._of_batch[mixed] = self._compile(of_batch, signature)

    def __call__(self, batches: Iterable[tuple[Tensors, Targets]]) -> tuple[tf.Tensor, tf.Tensor, int]:
        """Takes the step.

        Returns:
            Objective and loss, each times the pictures, and how many were named right: float64 [3], on the device. The
            gradient's norm before clipping, float32 []. The number of pictures.
        """
        results, pictures = [], 0
        for tensors, targets in batches:
            mixed = targets.mixed is not None
            self.prepare(mixed)
            results.append(self._of_batch[mixed](*(targets if mixed else targets[:1]), *tensors))
            pictures += len(targets.labels)
        if self._accumulates:
            results = [self._finish(tf.add_n(results), tf.constant(pictures, tf.float64))]
        ((sums, norm),) = results
        return sums, norm, pictures

    def _whole(self, targets: Targets, tensors: Tensors) -> tuple[tf.Tensor, tf.Tensor]:
        """The step of one batch."""
        gradients, sums = self._gradients(targets, tensors)
        return _of_step(sums, tf.cast(tf.shape(targets.labels)[0], tf.float64)), self._apply(gradients)

    def _add_gradients(self, targets: Targets, tensors: Tensors) -> tf.Tensor:
        """Adds those of a batch to what is there."""
        gradients, sums = self._gradients(targets, tensors)
        for total, gradient in zip(self._sums, gradients, strict=True):
            total.assign_add(gradient)
        return sums

    def _apply_sums(self, sums: tf.Tensor, pictures: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The step of the batches whose gradients were added."""
        weight = tf.cast(sums[1], tf.float32)
        norm = self._apply([total / weight for total in self._sums])
        for total in self._sums:
            total.assign(tf.zeros_like(total))
        return _of_step(sums, pictures), norm

    def _gradients(self, targets: Targets, tensors: Tensors) -> tuple[list[tf.Tensor], tf.Tensor]:
        """Those of a batch, times its weight where others may follow.

        With them the batch's objective times its weight, its weight, its loss, and how many were named right: float64 [4].
        """
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(self._values)
            with self._statistics.unbiased(tf.shape(targets.labels)[0]):
                logits = self._suffix(self._given(tensors), training=True)
            objective = self._objective(logits, targets)
            weight = self._objective.weight(targets) if self._accumulates else tf.ones_like(objective)
            if self._accumulates:
                objective *= weight
        right = tf.reduce_sum(tf.cast(tf.argmax(logits, axis=1) == targets.shown(), tf.float64))
        values = objective, weight, cross_entropy(logits, targets), right
        return tape.gradient(objective, self._values), tf.stack([tf.cast(value, tf.float64) for value in values])

    def _apply(self, gradients: list[tf.Tensor]) -> tf.Tensor:
        norm = self._optimizer.apply(gradients)
        if self._mean is not None:
            self._mean.update()
        return norm


def _of_step(sums: tf.Tensor, pictures: tf.Tensor) -> tf.Tensor:
    """Of what `_gradients` gives with them, what a step gives."""
    objective, weight, loss, right = tf.unstack(sums)
    return tf.stack([objective / weight * pictures, loss, right])
