"""Gradual unfreezing in a loop of one's own: when the next stage joins, and each stage's part of the rate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from unfreeze.errors import ModelError, RecipeError, did_you_mean
from unfreeze.recipe.network import HEAD
from unfreeze.recipe.recipe import Stopping
from unfreeze.training.stopping import EarlyStopping


class Descent:
    """Begins with the head; after `epochs` epochs, or when a watched value has stalled, the stage below joins (ULMFiT, Howard &
    Ruder 2018, section 3.3).

    Attributes:
        boundary: the first stage that trains.
    """

    def __init__(
        self,
        stages: Sequence[str],
        *,
        epochs: int | None,
        patience: int,
        min_delta: float,
        mode: str,
        rate_factor: float,
        stage_rate_factor: float,
        warmup_steps: int,
        down_to: str,
    ) -> None:
        if stages[-1] != HEAD:
            raise ModelError("model: it has no head to begin with: give it one, such as model.fc = a dense layer")
        self._stages = tuple(stages)
        _check(epochs, mode, rate_factor, stage_rate_factor, warmup_steps)
        if down_to not in self._stages:
            raise RecipeError(
                f"down_to: the model has no stage '{down_to}'.{did_you_mean(down_to, stages)}"
                f" Its stages are {', '.join(stages)}."
            )
        try:
            self._stopping = Stopping(patience_epochs=patience, min_delta=min_delta)
        except ValidationError:
            raise RecipeError(
                f"patience, min_delta: {patience!r} and {min_delta!r} won't do: give 1 epoch or more, and 0 or more"
            ) from None
        self._epochs, self._sign = epochs, -1.0 if mode == "max" else 1.0
        self._rate_factor, self._stage_rate_factor, self._warmup_steps = rate_factor, stage_rate_factor, warmup_steps
        self._last = self._stages.index(down_to)
        self.boundary = HEAD
        self._passed, self._watch = 0, EarlyStopping(self._stopping)

    @property
    def training(self) -> tuple[str, ...]:
        """The stages that train, in forward order."""
        return self._stages[self._place :]

    def observe(self, value: float | None) -> str | None:
        """Takes the watched value of one epoch; gives the stage that joins after it, if one does.

        Raises:
            RecipeError: there is no value, and `epochs` wasn't given.
        """
        self._passed += 1
        if self._epochs is not None:
            due = self._passed >= self._epochs
        elif value is None:
            raise RecipeError("a value to watch is needed, such as the validation loss: give it, or epochs= to go by epochs")
        else:
            due = self._watch.observe(self._sign * float(value))
        if not due or self._place <= self._last:
            return None
        self.boundary = self._stages[self._place - 1]
        self._passed, self._watch = 0, EarlyStopping(self._stopping)
        return self.boundary

    def factor(self, stage: str, steps: int | None = None) -> float:
        """What a stage's rate is multiplied by: `rate_factor` for each step down so far, `stage_rate_factor` for each stage
        above it, and for one that joined, (steps + 1) / `warmup_steps` until that is 1.

        Args:
            steps: how many it has taken since it joined; None leaves the warm-up out.
        """
        top = len(self._stages) - 1
        factor = self._rate_factor ** (top - self._place) * self._stage_rate_factor ** (top - self._stages.index(stage))
        if steps is None or stage == HEAD or steps >= self._warmup_steps:
            return factor
        return factor * (steps + 1) / self._warmup_steps

    def state_dict(self) -> dict[str, Any]:
        """Where it is, in numbers and words."""
        return {
            "boundary": self.boundary,
            "passed": self._passed,
            "best": None if math.isinf(self._watch.best) else self._watch.best,
            "waited": self._watch.waited,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on from there.

        Raises:
            ModelError: it is of a model with other stages.
        """
        if state["boundary"] not in self._stages:
            raise ModelError(f"this state is of a model with a stage '{state['boundary']}'; here are {', '.join(self._stages)}")
        self.boundary, self._passed = state["boundary"], state["passed"]
        best = math.inf if state["best"] is None else state["best"]
        self._watch = EarlyStopping(self._stopping, best, state["waited"])

    @property
    def _place(self) -> int:
        return self._stages.index(self.boundary)


def _check(epochs: int | None, mode: str, rate_factor: float, stage_rate_factor: float, warmup_steps: int) -> None:
    mistakes = []
    if epochs is not None and epochs < 1:
        mistakes.append(f"epochs: {epochs} won't do: give 1 or more, or None to go by a watched value")
    if mode not in ("min", "max"):
        mistakes.append(f"mode: '{mode}' won't do: min where less is better, such as a loss, or max")
    for name, factor in (("rate_factor", rate_factor), ("stage_rate_factor", stage_rate_factor)):
        if not 0 < factor <= 1:
            mistakes.append(f"{name}: {factor} won't do: give a number above 0, at most 1")
    if warmup_steps < 0:
        mistakes.append(f"warmup_steps: {warmup_steps} won't do: give 0 or more")
    if mistakes:
        raise RecipeError("; ".join(mistakes))
