"""The optimiser of a phase."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from keras import ops
from numpy.typing import NDArray

from unfreeze.recipe.network import HEAD
from unfreeze.recipe.plan import PlannedOptimizer

Stages = Mapping[str, Sequence[Any]]

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
    """An optimiser over the variables of some stages, each stage with a learning rate of its own.

    Where the phase before had an optimiser of the same kind, variables that it trained keep their moments and their count of
    steps, and only those that join start afresh, and those whose moments aren't finite: the loss wasn't either. Keras counts
    steps per optimiser, so variables that joined together have one of their own in each stage: with the count of the others the
    newcomers' first Adam steps would be three times too large.

    Decay, of either kind, goes to weight matrices and kernels only: biases, norms and scales are vectors and are left alone
    (Goyal et al. 2017, section 5.3). With L2-SP (Li, Grandvalet & Davoine 2018) that is the head's alone, and matrices and
    kernels of the base are pulled towards what they were when a phase with L2-SP first had them.
    """

    def __init__(self, settings: PlannedOptimizer, stages: Stages, before: PhaseOptimizer | None = None) -> None:
        self._settings = settings
        self._variables = [variable for members in stages.values() for variable in members]
        self._pulled = {name: _matrices(members) for name, members in stages.items() if _is_pulled(name, settings)}
        self._origins: dict[str, tf.Variable] = dict(before._origins) if before is not None else {}
        for weight in (weight for weights in self._pulled.values() for weight in weights):
            if weight.path not in self._origins:
                self._origins[weight.path] = tf.Variable(weight.value, trainable=False)
        goes_on = before is not None and before._settings.name == settings.name
        slots, steps = before._memory() if before is not None and goes_on else ({}, {})
        cohorts: dict[tuple[str, int], list[Any]] = defaultdict(list)
        for stage, members in stages.items():
            for variable in members:
                cohorts[stage, steps.get(variable.path, 0)].append(variable)
        self._cohorts = [
            _Cohort(stage, members, _new(settings, stage, members, count, slots)) for (stage, count), members in cohorts.items()
        ]

    def set_rates(self, rates: Mapping[str, float]) -> None:
        """The learning rates of the next step, by stage."""
        for cohort in self._cohorts:
            cohort.optimizer.learning_rate.assign(rates[cohort.stage])

    def apply(self, gradients: list[tf.Tensor]) -> tf.Tensor:
        """One step. The gradients are clipped first, then L2 and L2-SP are added, as in PyTorch.

        Args:
            gradients: in the order of the variables.

        Returns:
            Their global norm before clipping, float32 [].
        """
        norm = tf.linalg.global_norm(gradients)
        if self._settings.clip_norm is not None:
            gradients, _ = tf.clip_by_global_norm(gradients, self._settings.clip_norm, use_norm=norm)
        of = {variable.path: gradient for gradient, variable in zip(gradients, self._variables, strict=True)}
        for cohort in self._cohorts:
            pulled = _is_pulled(cohort.stage, self._settings)
            add = self._pull if pulled else self._with_l2
            rate = cohort.optimizer.learning_rate
            changed = [add(of[variable.path], variable, rate) for variable in cohort.variables]
            cohort.optimizer.apply(changed, cohort.variables)
        return norm

    def _pull(self, gradient: tf.Tensor, variable: Any, rate: Any) -> tf.Tensor:
        """L2-SP: as a part of the gradient, or for AdamW decoupled, as its decay."""
        if len(variable.shape) <= 1:
            return gradient
        pull = self._settings.l2_sp * (variable.value - self._origins[variable.path])
        if self._settings.name != "adamw":
            return gradient + pull
        variable.assign_sub(tf.convert_to_tensor(rate) * pull)
        return gradient

    def _with_l2(self, gradient: tf.Tensor, variable: Any, _: Any) -> tf.Tensor:
        l2 = self._settings.l2
        return gradient + l2 * variable.value if l2 and len(variable.shape) > 1 else gradient

    def _memory(self) -> tuple[dict[str, NDArray[np.float32]], dict[str, int]]:
        """Slots by name, and the count of steps by the path of the variable; of variables whose moments are finite."""
        cohorts = [cohort for cohort in self._cohorts if _is_finite(cohort)]
        slots = {_slot_name(slot): slot.numpy() for cohort in cohorts for slot in _slots(cohort.optimizer)}
        steps = {variable.path: int(cohort.optimizer.iterations.numpy()) for cohort in cohorts for variable in cohort.variables}
        return slots, steps


class _Cohort(NamedTuple):
    """Variables of one stage that joined together, and the optimiser of Keras over them."""

    stage: str
    variables: list[Any]
    optimizer: Any


def _is_finite(cohort: _Cohort) -> bool:
    return all(bool(np.isfinite(slot.numpy()).all()) for slot in _slots(cohort.optimizer))


def _new(
    settings: PlannedOptimizer, stage: str, variables: list[Any], steps: int, slots: dict[str, NDArray[np.float32]]
) -> Any:
    optimizer = _plain(settings)
    if settings.name == "adamw":
        decayed = [] if _is_pulled(stage, settings) else _matrices(variables)
        others = [variable for variable in variables if all(variable is not each for each in decayed)]
        optimizer.exclude_from_weight_decay(var_list=others)
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


def _matrices(variables: Sequence[Any]) -> list[Any]:
    return [variable for variable in variables if len(variable.shape) > 1]


def _is_pulled(stage: str, settings: PlannedOptimizer) -> bool:
    return bool(settings.l2_sp) and stage != HEAD
