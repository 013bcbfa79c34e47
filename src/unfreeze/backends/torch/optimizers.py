"""The optimiser of a phase."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grads_with_norm_, get_total_norm
from torch.optim import SGD, Adam, AdamW, Optimizer

from unfreeze.recipe.network import HEAD
from unfreeze.recipe.plan import PlannedOptimizer

Stages = Mapping[str, Sequence[nn.Parameter]]


@dataclass(frozen=True)
class Memory:
    """What an optimiser goes on with.

    Attributes:
        slots: moments and counts of steps, of the parameters that have any, by their names in PyTorch's optimiser.
        origins: what L2-SP pulls parameters towards.
    """

    slots: Mapping[nn.Parameter, Mapping[str, Tensor]] = field(default_factory=dict)
    origins: Mapping[nn.Parameter, Tensor] = field(default_factory=dict)


class PhaseOptimizer:
    """An optimiser over the parameters of some stages, each stage with a learning rate of its own.

    Parameters of which it is given a memory keep their moments and their count of steps; the others start afresh.

    Decay, of either kind, goes to weight matrices and kernels only: biases, norms and scales are vectors and are left alone
    (Goyal et al. 2017, section 5.3). PyTorch's `weight_decay` means `settings.weight_decay` in AdamW and `settings.l2` in Adam
    and SGD. With L2-SP (Li, Grandvalet & Davoine 2018) that is the head's alone, and matrices and kernels of the base are
    pulled towards what they were when a phase with L2-SP first had them.
    """

    def __init__(self, settings: PlannedOptimizer, stages: Stages, memory: Memory | None = None) -> None:
        memory = memory or Memory()
        self._settings = settings
        self._parameters = [parameter for members in stages.values() for parameter in members]
        self._pulled = {name: _matrices(members) for name, members in stages.items() if _is_pulled(name, settings)}
        self._origins: dict[nn.Parameter, Tensor] = dict(memory.origins)
        for weight in (weight for weights in self._pulled.values() for weight in weights):
            self._origins.setdefault(weight, weight.detach().clone())
        self._optimizer = _new(settings, stages)
        slots = memory.slots
        self._optimizer.state.update({each: dict(slots[each]) for each in self._parameters if each in slots})

    def memory(self) -> Memory:
        """All that it remembers now; it shares the tensors."""
        state = self._optimizer.state
        return Memory({each: _without_none(state[each]) for each in self._parameters if state.get(each)}, self._origins)

    def memory_for(self, settings: PlannedOptimizer) -> Memory:
        """What the next phase's optimiser goes on with: moments for one of the same kind, where they are finite.

        Where they aren't the loss wasn't either.
        """
        memory = self.memory()
        finite = {each: slots for each, slots in memory.slots.items() if _is_finite(slots)}
        return Memory(finite if settings.name == self._settings.name else {}, memory.origins)

    def set_rates(self, rates: Mapping[str, float]) -> None:
        """The learning rates of the next step, by stage."""
        for group in self._optimizer.param_groups:
            group["lr"] = rates[group["stage"]]

    def clear(self) -> None:
        """Forgets the gradients."""
        self._optimizer.zero_grad(set_to_none=True)

    def apply(self, weight: Tensor | None = None) -> Tensor:
        """One step. The gradients are clipped first, then L2 and L2-SP are added.

        Args:
            weight: what to divide the gradients by before all, float32 [].

        Returns:
            Their global norm before clipping, float32 [].
        """
        gradients = [parameter.grad for parameter in self._parameters if parameter.grad is not None]
        if weight is not None:
            torch._foreach_div_(gradients, weight)
        norm = get_total_norm(gradients)
        if self._settings.clip_norm is not None:
            clip_grads_with_norm_(self._parameters, self._settings.clip_norm, norm)
        self._pull()
        self._optimizer.step()
        return norm

    @torch.no_grad()
    def _pull(self) -> None:
        """L2-SP: as a part of the gradient, or for AdamW decoupled, as its decay."""
        rates = {group["stage"]: group["lr"] for group in self._optimizer.param_groups}
        for stage, members in self._pulled.items():
            for weight in members:
                if weight.grad is None:
                    continue
                if self._settings.name == "adamw":
                    weight.lerp_(self._origins[weight], rates[stage] * self._settings.l2_sp)
                else:
                    weight.grad.add_(weight - self._origins[weight], alpha=self._settings.l2_sp)


def _new(settings: PlannedOptimizer, stages: Stages) -> Optimizer:
    groups = [group for name, members in stages.items() for group in _groups(name, members, settings)]
    # The rate is set before each step. Fused takes a tenth of the time, on a CPU too.
    if settings.name == "adamw":
        return AdamW(groups, lr=0.0, fused=True)
    if settings.name == "adam":
        return Adam(groups, lr=0.0, fused=True)
    return SGD(groups, lr=0.0, momentum=settings.momentum)


def _is_finite(slots: Mapping[str, Tensor]) -> bool:
    return all(bool(slot.isfinite().all()) for slot in slots.values())


def _without_none(slots: Mapping[str, Tensor | None]) -> dict[str, Tensor]:
    return {name: slot for name, slot in slots.items() if slot is not None}


def _groups(stage: str, parameters: Sequence[nn.Parameter], settings: PlannedOptimizer) -> list[dict[str, Any]]:
    decay = settings.weight_decay if settings.name == "adamw" else settings.l2
    matrices, vectors = _matrices(parameters), [parameter for parameter in parameters if parameter.dim() <= 1]
    decays = ((matrices, 0.0 if _is_pulled(stage, settings) else decay), (vectors, 0.0))
    return [{"params": members, "weight_decay": each, "stage": stage} for members, each in decays if members]


def _matrices(parameters: Sequence[nn.Parameter]) -> list[nn.Parameter]:
    return [parameter for parameter in parameters if parameter.dim() > 1]


def _is_pulled(stage: str, settings: PlannedOptimizer) -> bool:
    return bool(settings.l2_sp) and stage != HEAD
