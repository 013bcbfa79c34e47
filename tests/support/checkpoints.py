"""Checkpoints of timm networks with random weights under which nothing that goes wrong stays hidden."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray
from torch import nn

from unfreeze.backends.torch.networks import create_base


def write_checkpoint(architecture: str, images: NDArray[np.float32], path: Path) -> nn.Module:
    """Writes a state dict as .safetensors and gives the network, in inference mode, that it is of.

    timm zero-initialises the last scale of each residual block, and statistics of 0 and 1 do nothing: so scales and shifts are
    random, and statistics those of the images, which also keeps the numbers in range.
    """
    torch.manual_seed(0)
    base = create_base(architecture)
    randomise_vectors(base)
    take_statistics(base, torch.from_numpy(images.transpose(0, 3, 1, 2).copy()))
    safetensors.torch.save_file({name: tensor.contiguous() for name, tensor in base.state_dict().items()}, path)
    return base.eval()


def randomise_vectors(module: nn.Module) -> None:
    """Gives scales and shifts of all kinds values around 1 and 0."""
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if parameter.numel() == parameter.shape[0]:
                parameter.copy_(
                    torch.randn(parameter.shape) * 0.1 if name.endswith("bias") else 0.5 + torch.rand(parameter.shape)
                )


def take_statistics(module: nn.Module, images: torch.Tensor) -> None:
    """Sets the statistics of batch normalisations to those of one batch."""
    norms = [norm for norm in module.modules() if isinstance(norm, nn.modules.batchnorm._BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean over batches
    module.train()
    with torch.no_grad():
        module(images)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
