"""The network of all PyTorch peers: the bundled EfficientNet-Lite0 with dropout and a new dense layer."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import timm
import torch
from torch import Tensor, nn

from peers.job import DROPOUT, FEATURES, TORCH_WEIGHTS, Job


def open_backbone(job: Job) -> nn.Sequential:
    """The base in two parts: `early`, and `last`, the last block with all that follows; gives pooled features [B, 1280]."""
    base = timm.create_model("tf_efficientnet_lite0", num_classes=0)
    base.load_state_dict(torch.load(Path(job.weights, TORCH_WEIGHTS), weights_only=True))
    early = nn.Sequential(base.conv_stem, base.bn1, *base.blocks[:-1])
    last = nn.Sequential(base.blocks[-1], base.conv_head, base.bn2, base.global_pool)
    return nn.Sequential(OrderedDict(early=early, last=last))


def new_head(classes: int) -> nn.Sequential:
    return nn.Sequential(nn.Dropout(DROPOUT), nn.Linear(FEATURES, classes))


class Classifier(nn.Module):
    """Takes normalised float32 [B, 3, 224, 224], gives logits [B, K]."""

    def __init__(self, job: Job, classes: int) -> None:
        super().__init__()
        self.backbone = open_backbone(job)
        self.head = new_head(classes)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.backbone(images))


def freeze(model: Classifier, phase: str) -> None:
    """`requires_grad` as tutorials set it for a phase."""
    model.backbone.requires_grad_(phase == "whole")
    model.backbone.last.requires_grad_(phase in ("last block", "whole"))


def trainable(model: nn.Module) -> list[nn.Parameter]:
    return [parameter for parameter in model.parameters() if parameter.requires_grad]
