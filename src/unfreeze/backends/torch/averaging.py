"""A running mean of the weights, which often does better than they do."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

_STEPS = "steps"


class RunningMean:
    """The exponential moving mean of some tensors (Polyak & Juditsky 1992), as `Backend.start_phase` defines it.

    It starts as they are now.

    Args:
        tensors: of floating-point numbers, by name; they are changed in place while they train.
        decay: how much of the mean stays at each step, in (0, 1).
    """

    def __init__(self, tensors: Mapping[str, Tensor], decay: float) -> None:
        self._names = [*tensors]
        self._tensors = [tensor.detach() for tensor in tensors.values()]
        self._decay, self._steps = decay, 0
        self._means = [tensor.clone() for tensor in self._tensors]

    @torch.no_grad()
    def update(self) -> None:
        """Takes in the tensors as a step left them."""
        self._steps += 1
        decay = min(self._decay, (1 + self._steps) / (10 + self._steps))
        torch._foreach_lerp_(self._means, self._tensors, 1 - decay)

    def state(self) -> dict[str, Tensor]:
        """The means by the names of their tensors, and under `steps` how many steps were taken in: int64 []."""
        return {**dict(zip(self._names, self._means, strict=True)), _STEPS: torch.tensor(self._steps)}

    def go_on(self, state: Mapping[str, Tensor]) -> None:
        """Goes on where `state` gave this."""
        self._steps = int(state[_STEPS])
        torch._foreach_copy_(self._means, [state[name] for name in self._names])

    @contextlib.contextmanager
    def shown(self) -> Iterator[None]:
        """Inside it the tensors hold their means."""
        kept = [tensor.clone() for tensor in self._tensors]
        self._copy(self._means)
        try:
            yield
        finally:
            self._copy(kept)

    @torch.no_grad()
    def _copy(self, values: list[Tensor]) -> None:
        torch._foreach_copy_(self._tensors, values)
