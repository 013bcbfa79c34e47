"""A running mean of the weights, which often does better than they do."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import tensorflow as tf

_STEPS = "steps"


class RunningMean:
    """The exponential moving mean of some variables (Polyak & Juditsky 1992), as `Backend.start_phase` defines it.

    It starts as they are now.

    Args:
        variables: Keras's, of floating-point numbers, by name.
        decay: how much of the mean stays at each step, in (0, 1).
    """

    def __init__(self, variables: Mapping[str, Any], decay: float) -> None:
        self._names = [*variables]
        self._variables = [*variables.values()]
        self._decay, self._steps = decay, tf.Variable(0.0, trainable=False)
        self._means = [tf.Variable(variable.value, trainable=False) for variable in self._variables]

    def update(self) -> None:
        """Takes in the variables as a step left them. May be traced."""
        steps = self._steps.assign_add(1.0)
        decay = tf.minimum(self._decay, (1 + steps) / (10 + steps))
        for mean, variable in zip(self._means, self._variables, strict=True):
            mean.assign_add((1 - decay) * (variable.value - mean))

    def state(self) -> dict[str, Any]:
        """The means by the names of their variables, and under `steps` how many steps were taken in: int64 []."""
        return {**dict(zip(self._names, self._means, strict=True)), _STEPS: tf.cast(self._steps, tf.int64)}

    def go_on(self, state: Mapping[str, Any]) -> None:
        """Goes on where `state` gave this."""
        self._steps.assign(float(state[_STEPS]))
        for name, mean in zip(self._names, self._means, strict=True):
            mean.assign(state[name])

    @contextlib.contextmanager
    def shown(self) -> Iterator[None]:
        """Inside it the variables hold their means."""
        kept = [variable.numpy().copy() for variable in self._variables]
        self._copy(self._means)
        try:
            yield
        finally:
            self._copy(kept)

    def _copy(self, values: Sequence[Any]) -> None:
        for variable, value in zip(self._variables, values, strict=True):
            variable.assign(value)
