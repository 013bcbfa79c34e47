"""One training step: forward, backward, and the optimiser's, on one batch or on several as if they were one."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from unfreeze.backends.torch.averaging import RunningMean
from unfreeze.backends.torch.losses import Objective, Targets, cross_entropy
from unfreeze.backends.torch.machine import threads
from unfreeze.backends.torch.optimizers import PhaseOptimizer
from unfreeze.backends.torch.prefix import Tensors


class Step:
    """A phase's training step.

    Args:
        classify: from a batch to its logits.
        mean: what follows the weights, if anything.
        accumulates: whether a step may have more than one batch.
        threads: in how many to compute; None takes all.
    """

    def __init__(
        self,
        classify: Callable[[Tensors], Tensor],
        objective: Objective,
        optimizer: PhaseOptimizer,
        mean: RunningMean | None,
        accumulates: bool,
        threads: int | None,
    ) -> None:
        self._classify, self._objective, self._optimizer, self._mean = classify, objective, optimizer, mean
        self._accumulates, self._threads = accumulates, threads

    def __call__(self, batches: Iterable[tuple[Tensors, Targets]]) -> tuple[Tensor, Tensor, int]:
        """Takes the step.

        Returns:
            Objective and loss, each times the pictures, and how many were named right: float64 [3], on the device. The
            gradient's norm before clipping, float32 []. The number of pictures.
        """
        self._optimizer.clear()
        sums, pictures = [], 0
        for tensors, targets in batches:
            # Not around the loop: the frozen part, which gives the batches, takes all threads.
            with threads(self._threads):
                sums.append(self._add_gradients(tensors, targets))
            pictures += len(targets.labels)
        objective, weight, loss, right = torch.stack(sums).sum(dim=0)
        with threads(self._threads):
            norm = self._optimizer.apply(weight.float() if self._accumulates else None)
            if self._mean is not None:
                self._mean.update()
        return torch.stack([objective / weight * pictures, loss, right]), norm, pictures

    def _add_gradients(self, tensors: Tensors, targets: Targets) -> Tensor:
        """Adds those of a batch to what is there, times its weight where others may follow.

        Returns:
            The batch's objective times its weight, its weight, its loss, and how many were named right: float64 [4].
        """
        logits = self._classify(tensors)
        objective = self._objective(logits, targets)
        weight = self._objective.weight(targets) if self._accumulates else torch.ones_like(objective)
        if self._accumulates:
            objective = objective * weight
        objective.backward()  # type: ignore[no-untyped-call]
        with torch.no_grad():
            right = (logits.argmax(1) == targets.shown()).sum()
            values = objective, weight, cross_entropy(logits, targets), right
            return torch.stack([value.double() for value in values])
