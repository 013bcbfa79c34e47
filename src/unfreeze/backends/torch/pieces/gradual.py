"""Gradual unfreezing in a training loop of one's own."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from unfreeze.backends.torch.pieces.freezing import freeze_before
from unfreeze.backends.torch.pieces.order import bare, calls_of
from unfreeze.backends.torch.pieces.stages import stages
from unfreeze.errors import RecipeError
from unfreeze.training.descent import Descent


class GradualUnfreezing:
    """Trains the head first and unfreezes one stage more from the top whenever it is time, in a loop of one's own.

        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
        gradual = GradualUnfreezing(model, optimizer, patience=2)
        for epoch in range(epochs):
            train_one_epoch(model, optimizer)
            gradual.step(validation_loss(model))

    What is frozen, is frozen as by `freeze`. The optimiser keeps its moments and counts of steps of what trains already, and
    has none for what joins until it takes its first step. Each stage has its own rate: what the optimiser, or a scheduler, says
    for its group (`group["lr"]`, which stays as it is) times `rate_factor` for each step down so far, times `stage_rate_factor`
    for each stage above it, times the warm-up. `rates` says what that makes.

    Args:
        model: any `torch.nn.Module` with a stage `head`, see `stages`. With `DistributedDataParallel` wrap it first, with
            `find_unused_parameters=True`.
        optimizer: best over `model.parameters()`: what is frozen has no gradient and isn't stepped. Parameters it lacks join it
            at once, as a group with the settings of its first; do that before making a scheduler. One that keeps a state in its
            groups instead of by parameter, such as schedule-free ones, isn't for this.
        epochs: unfreeze after every so many epochs; None goes by the value given to `step`.
        patience: unfreeze when the value hasn't improved for so many epochs.
        min_delta: an improvement smaller than this doesn't count.
        mode: `min` where a lower value is better, such as a loss, `max` where a higher one is.
        rate_factor: all rates are multiplied by this at each step down, in (0, 1].
        stage_rate_factor: each stage has the rate of the one above it times this (discriminative rates, Howard & Ruder 2018),
            in (0, 1]; 1 gives all the same.
        warmup_steps: the rate of a stage that joins rises linearly from near zero over so many steps of the optimiser.
        down_to: the last stage that is unfrozen.
        sample: a batch that the model takes, see `stages`.

    Attributes:
        boundary: the first stage that trains.

    Raises:
        ModelError: the model's stages can't be told, or it has no head, see `stages`.
        RecipeError: an argument out of range, or an optimiser that lacks parameters and has a scheduler already.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: Optimizer,
        *,
        epochs: int | None = None,
        patience: int = 2,
        min_delta: float = 0.0,
        mode: str = "min",
        rate_factor: float = 0.5,
        stage_rate_factor: float = 1.0,
        warmup_steps: int = 0,
        down_to: str = "stem",
        sample: Tensor | None = None,
    ) -> None:
        self._model, self._optimizer = bare(model), optimizer
        self._stages, self._calls = stages(model, sample), calls_of(self._model, sample)
        self._descent = Descent(
            [stage.name for stage in self._stages],
            epochs=epochs,
            patience=patience,
            min_delta=min_delta,
            mode=mode,
            rate_factor=rate_factor,
            stage_rate_factor=stage_rate_factor,
            warmup_steps=warmup_steps,
            down_to=down_to,
        )
        self._stage_of: dict[Tensor, str] = {
            parameter: stage.name
            for stage in reversed(self._stages)
            for layer in stage.layers
            for parameter in self._model.get_submodule(layer.path).parameters(recurse=False)
        }
        self._steps: dict[str, int] = defaultdict(int)
        self._groups: list[dict[str, Any]] | None = None
        _add_missing(optimizer, list(self._stage_of))
        optimizer.register_step_pre_hook(self._before_step)
        optimizer.register_step_post_hook(self._after_step)
        self._freeze()

    @property
    def boundary(self) -> str:
        return self._descent.boundary

    @property
    def rates(self) -> dict[str, float]:
        """The learning rate of each stage that trains, in forward order; of its first parameters where groups differ."""
        rates: dict[str, float] = {}
        for stage in self._descent.training:
            factor = self._descent.factor(stage, self._steps[stage])
            groups = (
                group for group in self._optimizer.param_groups if any(self._is_of(one, stage) for one in group["params"])
            )
            rates[stage] = float(next(groups)["lr"]) * factor
        return rates

    def step(self, value: float | Tensor | None = None) -> str | None:
        """To be called after each epoch.

        Args:
            value: what is watched, such as the validation loss; not needed with `epochs`.

        Returns:
            The stage that trains from now on and didn't before, or None.

        Raises:
            RecipeError: there is no value, and `epochs` wasn't given.
        """
        joined = self._descent.observe(None if value is None else float(value))
        if joined is not None:
            self._freeze()
        return joined

    def state_dict(self) -> dict[str, Any]:
        """Where it is, for a checkpoint: plain numbers and words."""
        return {**self._descent.state_dict(), "steps": dict(self._steps)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on from there; the optimiser's own state is loaded by its own `load_state_dict`.

        Raises:
            ModelError: it is of a model with other stages.
        """
        self._descent.load_state_dict(state)
        self._steps = defaultdict(int, state["steps"])
        self._freeze()

    def _freeze(self) -> None:
        freeze_before(self._model, self.boundary, self._stages, self._calls)

    def _is_of(self, parameter: Tensor, stage: str) -> bool:
        return self._stage_of.get(parameter, "") == stage

    def _before_step(self, optimizer: Optimizer, *_: Any) -> None:
        # For the time of a step only, so that schedulers, checkpoints and whoever looks find the groups they know.
        self._groups = optimizer.param_groups if self._groups is None else self._groups
        optimizer.param_groups = [part for group in self._groups for part in self._by_rate(group)]

    def _after_step(self, optimizer: Optimizer, *_: Any) -> None:
        if self._groups is not None:
            optimizer.param_groups, self._groups = self._groups, None
        for stage in self._descent.training:
            self._steps[stage] += 1

    def _by_rate(self, group: dict[str, Any]) -> list[dict[str, Any]]:
        """A group as several, of one rate each; without what is frozen."""
        training = set(self._descent.training)
        members: dict[float, list[Tensor]] = defaultdict(list)
        for parameter in group["params"]:
            stage = self._stage_of.get(parameter)
            if stage is None:  # of something else than the model
                members[1.0].append(parameter)
            elif stage in training:
                members[self._descent.factor(stage, self._steps[stage])].append(parameter)
        return [{**group, "params": those, "lr": group["lr"] * factor} for factor, those in members.items()]


def _add_missing(optimizer: Optimizer, parameters: list[Tensor]) -> None:
    known = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    missing = [parameter for parameter in parameters if id(parameter) not in known]
    if not missing:
        return
    first = optimizer.param_groups[0]
    if "initial_lr" in first:
        raise RecipeError(
            f"optimizer: it lacks {len(missing)} of the model's parameters and has a scheduler already: make it over all,"
            " such as torch.optim.AdamW(model.parameters(), lr=1e-3), or make the scheduler afterwards"
        )
    optimizer.add_param_group({**{name: value for name, value in first.items() if name != "params"}, "params": missing})
