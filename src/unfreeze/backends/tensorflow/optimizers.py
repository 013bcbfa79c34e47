"""The optimiser of a phase."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops
from numpy.typing import NDArray

from unfreeze.recipe.plan import PlannedOptimizer

# Adam's epsilon as in the paper and in PyTorch; Keras's default is 1e-7.
_EPSILON = 1e-8


class SGD(keras.optimizers.SGD):  # type: ignore[misc]
    """Stochastic gradient descent whose momentum sums gradients, not steps.

    Keras folds the learning rate into the velocity, so that after a reduction the old rate lives on in it; here, as in
    PyTorch, the velocity is v = m·v + g and the step is rate · v.
    """

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        if self.momentums:
            velocity = self.momentums[self._get_variable_index(variable)]
            self.assign(velocity, ops.add(ops.multiply(velocity, self.momentum), gradient))
            gradient = velocity
        self.assign_sub(variable, ops.multiply(learning_rate, gradient))


class PhaseOptimizer:
    """An optimiser over some variables.

    Where the phase before had an optimiser of the same kind, variables that it trained keep their moments and their count of
    steps, and only those that join start afresh. Keras counts steps per optimiser, so variables that joined together have one
    of their own: with the count of the others the newcomers' first Adam steps would be three times too large.

    Decay, of either kind, goes to weight matrices and kernels only: biases, norms and scales are vectors and are left alone
    (Goyal et al. 2017, section 5.3).
    """

    def __init__(self, settings: PlannedOptimizer, variables: list[Any], before: PhaseOptimizer | None = None) -> None:
        self._settings = settings
        self._variables = variables
        goes_on = before is not None and before._settings.name == settings.name
        slots, steps = before._memory() if before is not None and goes_on else ({}, {})
        cohorts: dict[int, list[Any]] = defaultdict(list)
        for variable in variables:
            cohorts[steps.get(variable.path, 0)].append(variable)
        self._optimizers = {_new(settings, members, count, slots): members for count, members in cohorts.items()}

    def set_rate(self, rate: float) -> None:
        """The learning rate of the next step, for all variables."""
        for optimizer in self._optimizers:
            optimizer.learning_rate.assign(rate)

    def apply(self, gradients: list[tf.Tensor]) -> tf.Tensor:
        """One step. Gradients in the order of the variables; they are clipped first, then L2 is added, as in PyTorch.

        Returns:
            Their global norm before both, float32 [].
        """
        norm = tf.linalg.global_norm(gradients)
        if self._settings.clip_norm is not None:
            gradients, _ = tf.clip_by_global_norm(gradients, self._settings.clip_norm, use_norm=norm)
        of = {
            variable.path: _with_l2(gradient, variable, self._settings.l2)
            for gradient, variable in zip(gradients, self._variables, strict=True)
        }
        for optimizer, members in self._optimizers.items():
            optimizer.apply([of[variable.path] for variable in members], members)
        return norm

    def _memory(self) -> tuple[dict[str, NDArray[np.float32]], dict[str, int]]:
        """Slots by name, and the count of steps by the path of the variable."""
        slots = {_slot_name(slot): slot.numpy() for optimizer in self._optimizers for slot in _slots(optimizer)}
        steps = {
            variable.path: int(optimizer.iterations.numpy())
            for optimizer, members in self._optimizers.items()
            for variable in members
        }
        return slots, steps


def _new(settings: PlannedOptimizer, variables: list[Any], steps: int, slots: dict[str, NDArray[np.float32]]) -> Any:
    optimizer = _plain(settings)
    if settings.name == "adamw":
        optimizer.exclude_from_weight_decay(var_list=[variable for variable in variables if len(variable.shape) <= 1])
    optimizer.build(variables)
    optimizer.iterations.assign(steps)
    for slot in _slots(optimizer):
        if _slot_name(slot) in slots:
            slot.assign(slots[_slot_name(slot)])
    return optimizer


def _plain(settings: PlannedOptimizer) -> Any:
    # Keras's Adam and SGD with `weight_decay` decouple it; a true L2 penalty is added to the gradients instead.
    if settings.name == "adamw":
        return keras.optimizers.AdamW(weight_decay=settings.weight_decay, epsilon=_EPSILON)
    if settings.name == "adam":
        return keras.optimizers.Adam(epsilon=_EPSILON)
    return SGD(momentum=float(settings.momentum))


def _slots(optimizer: Any) -> list[Any]:
    # The first two are the count of steps and the rate.
    return list(optimizer.variables[2:])


def _slot_name(slot: Any) -> str:
    """Without the optimiser's own name, which differs from instance to instance."""
    return str(slot.path.partition("/")[2])


def _with_l2(gradient: tf.Tensor, variable: Any, l2: float) -> tf.Tensor:
    return gradient + l2 * variable.value if l2 and len(variable.shape) > 1 else gradient
