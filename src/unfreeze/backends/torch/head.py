"""The new head, and the network with it."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from unfreeze.recipe.recipe import Head


class NewHead(nn.Sequential):
    """[dense, ReLU, dropout] per hidden layer, dropout, dense to K; takes pooled features float32 [B, F], gives [B, K].

    Dense layers start Glorot-uniform with zero bias (Glorot & Bengio 2010), Keras's default: timm's initialisation of a new
    classifier costs 30 points of validation accuracy after the first epoch (docs/decisions/0003-head-initialisation.md).
    """

    def __init__(self, features: int, classes: int, settings: Head, generator: torch.Generator) -> None:
        super().__init__()
        units = features
        for number, hidden in enumerate(settings.hidden, start=1):
            self.add_module(f"hidden{number}", _dense(units, hidden, generator))
            self.add_module(f"relu{number}", nn.ReLU())
            if number < len(settings.hidden):
                self.add_module(f"dropout{number}", nn.Dropout(settings.dropout))
            units = hidden
        self.add_module("dropout", nn.Dropout(settings.dropout))
        self.add_module("output", _dense(units, classes, generator))


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
        features = self.base(images)
        with torch.autocast(images.device.type, enabled=False):
            logits: Tensor = self.new_head(features.float())
        return logits


def feature_count(base: nn.Module) -> int:
    """How many pooled features the base gives."""
    return int(getattr(base, "head_hidden_size", None) or base.num_features)  # type: ignore[arg-type]


def _dense(inputs: int, outputs: int, generator: torch.Generator) -> nn.Linear:
    layer = nn.Linear(inputs, outputs)
    limit = math.sqrt(6 / (inputs + outputs))
    with torch.no_grad():
        layer.weight.copy_((torch.rand(layer.weight.shape, generator=generator) * 2 - 1) * limit)
        layer.bias.zero_()
    return layer
