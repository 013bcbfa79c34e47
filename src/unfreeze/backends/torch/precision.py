"""On a CPU, layers that train in bfloat16 do so but for depthwise convolutions."""

from __future__ import annotations

import contextlib

import torch
from torch import Tensor, nn


def train_depthwise_in_float32(model: nn.Module) -> None:
    """Takes depthwise convolutions out of autocast, where gradients are computed.

    bfloat16 halves both passes of a dense convolution, and doubles the backward pass of blocks with a depthwise one
    (measured: docs/decisions/0005-precision-on-a-cpu.md).
    """
    for module in model.modules():
        if isinstance(module, nn.Conv2d) and module.groups == module.in_channels > 1:
            _compute_in_float32(module)


def _compute_in_float32(module: nn.Module) -> None:
    left: list[contextlib.AbstractContextManager[None]] = []

    def enter(_: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
        if not torch.is_grad_enabled():
            return None
        context = torch.autocast("cpu", enabled=False)
        context.__enter__()  # type: ignore[no-untyped-call]
        left.append(context)
        return tuple(tensor.float() for tensor in inputs)

    def leave(*_: object) -> None:
        if left:
            left.pop().__exit__(None, None, None)

    module.register_forward_pre_hook(enter)
    module.register_forward_hook(leave, always_call=True)
