"""What an optimiser of Keras's needs when more trains than before."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import keras


def knowing(optimizer: keras.optimizers.Optimizer, variables: list[Any]) -> keras.optimizers.Optimizer:
    """An optimiser that knows some variables: the same where it knows them all, else one made like it, with all it remembers.

    A built optimiser of Keras's takes no variable more; by `compile` it would lose the moments of those it has.
    """
    inner = innermost(optimizer)
    missing = [variable for variable in variables if inner._var_key(variable) not in inner._trainable_variables_indices]
    if not missing:
        return optimizer
    new = type(optimizer).from_config(optimizer.get_config())
    new.build([*inner._trainable_variables, *missing])
    remembered: dict[str, list[Any]] = defaultdict(list)
    for variable in optimizer.variables:
        remembered[_name(variable)].append(variable)
    for variable in new.variables:
        if remembered[_name(variable)]:
            variable.assign(remembered[_name(variable)].pop(0))
    return new


def innermost(optimizer: Any) -> Any:
    """The optimiser inside one that scales the loss."""
    return getattr(optimizer, "inner_optimizer", optimizer)


class Rates:
    """Lets each variable's step have a rate and a count of steps of its own, inside the optimiser's.

    Adam and its like correct their moments by the count of steps, which Keras keeps for all variables together: with the count
    of the others, the first steps of those that join would be three times too large.

    Args:
        optimizer: a built one.
        of: from a variable and the optimiser's count of steps to what the variable's rate is multiplied by and how many steps
            were taken before it joined, both tensors [] that may change.
    """

    def __init__(self, optimizer: keras.optimizers.Optimizer, of: Callable[[Any, Any], tuple[Any, Any]]) -> None:
        self._optimizer, self._of = innermost(optimizer), of
        self._own = self._optimizer.update_step
        self._optimizer.update_step = self._step

    def remove(self) -> None:
        """Gives the optimiser its own step back."""
        del self._optimizer.update_step

    def _step(self, gradient: Any, variable: Any, rate: Any) -> None:
        attributes = vars(self._optimizer)
        count = attributes["_iterations"]
        known = self._optimizer._trainable_variables[self._optimizer._get_variable_index(variable)]
        factor, before = self._of(known, count)
        attributes["_iterations"] = keras.ops.cast(count, "int64") - keras.ops.cast(before, "int64")
        try:
            self._own(gradient, variable, keras.ops.multiply(rate, keras.ops.cast(factor, rate.dtype)))
        finally:
            attributes["_iterations"] = count


def _name(variable: Any) -> str:
    """Without the optimiser's own name, which counts up."""
    return str(variable.path).partition("/")[2]
