"""What a training step minimises, from logits and labels."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from unfreeze.training.backend import SMALLEST_DOUBT, LossSettings


class Objective:
    """The loss of a batch, as `LossSettings` defines it."""

    def __init__(self, settings: LossSettings, device: torch.device) -> None:
        self._settings = settings
        self._weights = _on(device, settings.class_weights)
        self._offsets = _on(device, settings.logit_offsets)

    def __call__(self, logits: Tensor, labels: Tensor) -> Tensor:
        """float32 [], from float32 [B, K] and int64 [B]."""
        losses = self._losses(logits if self._offsets is None else logits + self._offsets, labels)
        if self._weights is None:
            return losses.mean()
        # Not PyTorch's `weight=`: with smoothing it weighs each part of the target by another class's weight.
        weights = self._weights[labels]
        return (losses * weights).sum() / weights.sum()

    def _losses(self, logits: Tensor, labels: Tensor) -> Tensor:
        """float32 [B]."""
        gamma, smoothing = self._settings.focal_gamma, self._settings.label_smoothing
        if not gamma:
            return F.cross_entropy(logits, labels, label_smoothing=smoothing, reduction="none")
        logs = F.log_softmax(logits, dim=1)
        targets = (1 - smoothing) * F.one_hot(labels, logits.shape[1]) + smoothing / logits.shape[1]
        doubt = (-torch.expm1(logs)).clamp_min(SMALLEST_DOUBT)
        return -(targets * doubt**gamma * logs).sum(dim=1)


def _on(device: torch.device, values: NDArray[np.float32] | None) -> Tensor | None:
    return None if values is None else torch.from_numpy(values).to(device)
