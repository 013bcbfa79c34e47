"""The optimiser of a phase."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
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
# Keras's count of an optimiser's steps, among what it remembers of a variable.
_STEPS = "steps"


@dataclass(frozen=True)
class Memory:
    """What an optimiser goes on with; variables are named by their paths.

    Attributes:
        slots: moments by their names in Keras's optimiser, and counts of steps, of the variables that have any.
        origins: what L2-SP pulls variables towards.
    """

    slots: Mapping[str, Mapping[str, NDArray[Any]]] = field(default_factory=dict)
    origins: Mapping[str, tf.Variable] = field(default_factory=dict)


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

    Variables of which it is given a memory keep their moments and their count of steps; the others start afresh. Keras counts
    steps per optimiser, so variables that joined together have one of their own in each stage: with the count of the others the
    newcomers' first Adam steps would be three times too large.

    Decay, of either kind, goes to weight matrices and kernels only: biases, norms and scales are vectors and are left alone
    (Goyal et al. 2017, section 5.3). With L2-SP (Li, Grandvalet & Davoine 2018) that is the head's alone, and matrices and
    kernels of the base are pulled towards what they were when a phase with L2-SP first had them.
    """

    def __init__(self, settings: PlannedOptimizer, stages: Stages, memory: Memory | None = None) -> None:
        memory = memory or Memory()
        self._settings = settings
        self._variables = [variable for members in stages.values() for variable in members]
        self._pulled = {name: _matrices(members) for name, members in stages.items() if _is_pulled(name, settings)}
        self._origins: dict[str, tf.Variable] = dict(memory.origins)
        for weight in (weight for weights in self._pulled.values() for weight in weights):
            if weight.path not in self._origins:
                self._origins[weight.path] = tf.Variable(weight.value, trainable=False)
        cohorts: dict[tuple[str, int], list[Any]] = defaultdict(list)
        for stage, members in stages.items():
            for variable in members:
                cohorts[stage, int(memory.slots.get(variable.path, {}).get(_STEPS, 0))].append(variable)
        self._cohorts = [
            _Cohort(stage, members, _new(settings, stage, members, count)) for (stage, count), members in cohorts.items()
        ]
        for cohort in self._cohorts:
            for path, slots in _slots(cohort).items():
                for name, slot in slots.items():
                    if name in memory.slots.get(path, {}):
                        slot.assign(memory.slots[path][name])

    def memory(self) -> Memory:
        """All that it remembers now; it shares the origins."""
        slots: dict[str, dict[str, NDArray[Any]]] = {}
        for cohort in self._cohorts:
            steps = np.array(cohort.optimizer.iterations.numpy(), np.int64)
            for path, of_one in _slots(cohort).items():
                slots[path] = {name: slot.numpy().copy() for name, slot in of_one.items()} | {_STEPS: steps}
        return Memory(slots, self._origins)

    def memory_for(self, settings: PlannedOptimizer) -> Memory:
        """What the next phase's optimiser goes on with: moments for one of the same kind, where they are finite.

        Where they aren't the loss wasn't either.
        """
        memory = self.memory()
        finite = {each: slots for each, slots in memory.slots.items() if _is_finite(slots)}
        return Memory(finite if settings.name == self._settings.name else {}, memory.origins)

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


class _Cohort(NamedTuple):
    """Variables of one stage that joined together, and the optimiser of Keras over them."""

    stage: str
    variables: list[Any]
    optimizer: Any


def _slots(cohort: _Cohort) -> dict[str, dict[str, Any]]:
    """What its optimiser remembers, by the path of the variable and its own name: `momentum`, `velocity`."""
    made = cohort.optimizer.variables[2:]  # the first two are the count of steps and the rate
    each = len(made) // len(cohort.variables)
    found = {}
    for place, variable in enumerate(cohort.variables):
        # A slot's whole name is its variable's, with `_` for `/`, and its own.
        found[variable.path] = {slot.name.rpartition("_")[2]: slot for slot in made[place * each : (place + 1) * each]}
    return found


def _is_finite(slots: Mapping[str, NDArray[Any]]) -> bool:
    return all(bool(np.isfinite(slot).all()) for slot in slots.values())


def _new(settings: PlannedOptimizer, stage: str, variables: list[Any], steps: int) -> Any:
    optimizer = _plain(settings)
    if settings.name == "adamw":
        decayed = [] if _is_pulled(stage, settings) else _matrices(variables)
        others = [variable for variable in variables if all(variable is not each for each in decayed)]
        optimizer.exclude_from_weight_decay(var_list=others)
    optimizer.build(variables)
    optimizer.iterations.assign(steps)
    return optimizer


def _plain(settings: PlannedOptimizer) -> Any:
    # Keras's Adam and SGD with `weight_decay` decouple it; a true L2 penalty is added to the gradients instead.
    if settings.name == "adamw":
        return keras.optimizers.AdamW(weight_decay=settings.weight_decay, epsilon=_EPSILON)
    if settings.name == "adam":
        return keras.optimizers.Adam(epsilon=_EPSILON)
    return SGD(momentum=float(settings.momentum))


def _matrices(variables: Sequence[Any]) -> list[Any]:
    return [variable for variable in variables if len(variable.shape) > 1]


def _is_pulled(stage: str, settings: PlannedOptimizer) -> bool:
    return bool(settings.l2_sp) and stage != HEAD
