"""What a training step minimises, from logits and what the pictures show."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from unfreeze.data.load import Mix
from unfreeze.training.backend import SMALLEST_DOUBT, LossSettings


class Targets(NamedTuple):
    """What the pictures of a batch show.

    Attributes:
        labels: int64 [B].
        mixed: int64 [B], of the pictures mixed in; None where there are none.
        parts: float32 [B], those of `labels`, in 0–1.
    """

    labels: Tensor
    mixed: Tensor | None = None
    parts: Tensor | None = None

    @staticmethod
    def of(labels: NDArray[np.int64], mix: Mix | None, device: torch.device) -> Targets:
        """Those of a batch, on the device."""
        return Targets(*(torch.from_numpy(values).to(device) for values in (labels, *(mix or ()))))

    def shown(self) -> Tensor:
        """int64 [B]: the label of each picture's larger part."""
        if self.mixed is None or self.parts is None:
            return self.labels
        return torch.where(self.parts >= 0.5, self.labels, self.mixed)


class Objective:
    """The loss of a batch, as `LossSettings` defines it."""

    def __init__(self, settings: LossSettings, device: torch.device) -> None:
        self._settings = settings
        self._weights = _on(device, settings.class_weights)
        self._offsets = _on(device, settings.logit_offsets)

    def __call__(self, logits: Tensor, targets: Targets) -> Tensor:
        """float32 [], from float32 [B, K]."""
        logits, labels, parts = _unmixed(logits, targets)
        losses = self._losses(logits if self._offsets is None else logits + self._offsets, labels)
        weights = self._weigh(labels, parts)
        # Not PyTorch's `weight=`: with smoothing it weighs each part of the target by another class's weight.
        return losses.mean() if weights is None else (losses * weights).sum() / weights.sum()

    def weight(self, targets: Targets) -> Tensor:
        """Σ w of a batch, by which its loss counts among others: float32 []."""
        _, labels, parts = _unmixed(targets.labels, targets)
        weights = self._weigh(labels, parts)
        return torch.tensor(float(len(labels)), device=labels.device) if weights is None else weights.sum()

    def _weigh(self, labels: Tensor, parts: Tensor | None) -> Tensor | None:
        """float32 [B]; None where all weigh the same."""
        if self._weights is None or parts is None:
            return parts if self._weights is None else self._weights[labels]
        return self._weights[labels] * parts

    def _losses(self, logits: Tensor, labels: Tensor) -> Tensor:
        """float32 [B]."""
        gamma, smoothing = self._settings.focal_gamma, self._settings.label_smoothing
        if not gamma:
            return F.cross_entropy(logits, labels, label_smoothing=smoothing, reduction="none")
        logs = F.log_softmax(logits, dim=1)
        targets = (1 - smoothing) * F.one_hot(labels, logits.shape[1]) + smoothing / logits.shape[1]
        doubt = (-torch.expm1(logs)).clamp_min(SMALLEST_DOUBT)
        return -(targets * doubt**gamma * logs).sum(dim=1)


def cross_entropy(logits: Tensor, targets: Targets) -> Tensor:
    """The plain sum over a batch, float32 []."""
    logits, labels, parts = _unmixed(logits, targets)
    if parts is None:
        return F.cross_entropy(logits, labels, reduction="sum")
    return (F.cross_entropy(logits, labels, reduction="none") * parts).sum()


def _unmixed(rows: Tensor, targets: Targets) -> tuple[Tensor, Tensor, Tensor | None]:
    """Rows, labels and parts with each mixed picture twice, once for each of its labels."""
    if targets.mixed is None or targets.parts is None:
        return rows, targets.labels, None
    labels, parts = torch.cat([targets.labels, targets.mixed]), torch.cat([targets.parts, 1 - targets.parts])
    return torch.cat([rows, rows]), labels, parts


def _on(device: torch.device, values: NDArray[np.float32] | None) -> Tensor | None:
    return None if values is None else torch.from_numpy(values).to(device)
