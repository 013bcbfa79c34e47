"""Where in a picture a network sees a class: Grad-CAM (Selvaraju et al. 2017), by Captum."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from unfreeze.backends.torch.head import FineTuned
from unfreeze.backends.torch.tracing import modes_kept
from unfreeze.training.gradcam import scaled


def grad_cam(model: FineTuned, batches: Iterable[tuple[Tensor, Tensor]]) -> NDArray[np.float32] | None:
    """See `training.backend.Backend.grad_cam`.

    Args:
        batches: float32 [B, 3, S, S], normalised, and int64 [B] classes, on the model's device.
    """
    from captum.attr import LayerGradCam  # here because few runs need it, and it takes a third of a second

    tail, maps = _Tail(model), []
    cam = LayerGradCam(tail, tail.last_map)
    with modes_kept(model):
        model.eval()
        for images, classes in batches:
            with torch.no_grad():
                features = model.base.forward_features(images)  # type: ignore[operator]
            if not _is_map(model.base, features):
                return None
            found = cam.attribute(features, classes, relu_attributions=True)
            maps.append(found[:, 0].detach().cpu().numpy())
    return scaled(maps)


class _Tail(nn.Module):
    """Logits from the last feature map, with a layer at that map for Captum to listen to."""

    def __init__(self, model: FineTuned) -> None:
        super().__init__()
        self.model = model
        self.last_map = nn.Identity()

    def forward(self, features: Tensor) -> Tensor:
        return self.model.classify(self.model.base.forward_head(self.last_map(features)))  # type: ignore[operator]


def _is_map(base: nn.Module, features: Tensor) -> bool:
    """Whether they are [B, C, h, w] with more than one place: transformers have tokens, or channels last."""
    return features.dim() == 4 and features.shape[2:].numel() > 1 and getattr(base, "output_fmt", "NCHW") == "NCHW"
