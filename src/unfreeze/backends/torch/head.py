"""The new head, and the network with it."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from unfreeze.recipe.recipe import Head
from unfreeze.training.initial_head import initial_head


class NewHead(nn.Sequential):
    """[dense, ReLU, dropout] per hidden layer, dropout, dense to K; takes pooled features float32 [B, F], gives [B, K].

    Its weights start as `training.initial_head` draws them.
    """

    def __init__(self, features: int, classes: int, settings: Head, seed: int = 0) -> None:
        super().__init__()
        *hidden, output = initial_head(features, settings.hidden, classes, seed)
        for number, kernel in enumerate(hidden, start=1):
            self.add_module(f"hidden{number}", _dense(kernel))
            self.add_module(f"relu{number}", nn.ReLU())
            if number < len(hidden):
                self.add_module(f"dropout{number}", nn.Dropout(settings.dropout))
        self.add_module("dropout", nn.Dropout(settings.dropout))
        self.add_module("output", _dense(output))


class FineTuned(nn.Module):
    """A timm network without its classifier, whose pooled features go to a new head.

    Takes float32 [B, 3, S, S], normalised, of any size S the network can take; gives float32 [B, K] logits. The head computes
    in float32 whatever the base computes in: logits in bfloat16 have steps of 1 %.
    """

    def __init__(self, base: nn.Module, new_head: NewHead) -> None:
        super().__init__()
        self.base = base
        self.new_head = new_head

    def forward(self, images: Tensor) -> Tensor:
        return self.classify(self.base(images))

    def classify(self, features: Tensor) -> Tensor:
        """Logits, from pooled features [B, F]."""
        with torch.autocast(features.device.type, enabled=False):
            logits: Tensor = self.new_head(features.float())
        return logits


def feature_count(base: nn.Module) -> int:
    """How many pooled features the base gives."""
    return int(getattr(base, "head_hidden_size", None) or base.num_features)  # type: ignore[arg-type]


def _dense(kernel: NDArray[np.float32]) -> nn.Linear:
    layer = nn.Linear(*kernel.shape)
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(kernel.T.copy()))
        layer.bias.zero_()
    return layer
