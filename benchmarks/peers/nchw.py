"""The command `unfreeze` in PyTorch without channels last: every convolution is given NCHW, and every network kept in it."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def to_nchw(layer: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
    return tuple(values.contiguous() for values in inputs) if isinstance(layer, nn.Conv2d) else None


if __name__ == "__main__":
    torch.channels_last = torch.contiguous_format
    nn.modules.module.register_module_forward_pre_hook(to_nchw)

    from unfreeze.__main__ import run

    run()
