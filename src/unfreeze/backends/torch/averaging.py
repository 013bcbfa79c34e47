"""A running mean of the weights, which often does better than they do."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor


class RunningMean:
    """The exponential moving mean of some tensors (Polyak & Juditsky 1992), as `Backend.start_phase` defines it.

    It starts as they are now.

    Args:
        tensors: of floating-point numbers; they are changed in place while they train.
        decay: how much of the mean stays at each step, in (0, 1).
    """

    def __init__(self, tensors: Sequence[Tensor], decay: float) -> None:
        self._tensors = [tensor.detach() for tensor in tensors]
        self._decay, self._steps = decay, 0
        self._means = [tensor.clone() for tensor in self._tensors]

    @torch.no_grad()
    def update(self) -> None:
        """Takes in the tensors as a step left them."""
        self._steps += 1
        decay = min(self._decay, (1 + self._steps) / (10 + self._steps))
        torch._foreach_lerp_(self._means, self._tensors, 1 - decay)

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
