"""In what order a model calls its modules, and how large the maps are that they give: read off one forward pass."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from unfreeze.backends.torch.tracing import modes_kept
from unfreeze.errors import ModelError, first_line

# Tried one after the other where no sample is given: most networks take any side, some only that of their pictures.
SIDES_PX = (128, 224, 32, 64, 28, 96, 48, 256, 299, 160, 192, 384, 512, 16)


@dataclass
class Call:
    """When a module is called in a forward pass, and with what.

    Attributes:
        first, last: the places of its first and its last call among all modules' calls; a module that is only a container has
            those of what it holds.
        input: shape of what its first call takes; None where that isn't a tensor.
        output, last_output: shape of what its first and its last call give.
    """

    first: int
    last: int
    input: tuple[int, ...] | None = None
    output: tuple[int, ...] | None = None
    last_output: tuple[int, ...] | None = None


def bare(model: nn.Module) -> nn.Module:
    """The model inside `DataParallel`, `DistributedDataParallel` or what `torch.compile` gives.

    Raises:
        ModelError: it isn't a `torch.nn.Module`, or a TorchScript.
    """
    if not isinstance(model, nn.Module):
        raise ModelError(f"model: a torch.nn.Module is needed, received {type(model).__name__}")
    if any(isinstance(module, torch.jit.ScriptModule) for module in model.modules()):
        raise ModelError("model: the modules of a TorchScript can't be told apart: give the model it was made from")
    if isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel):
        return bare(model.module)
    compiled = getattr(model, "_orig_mod", None)
    return bare(compiled) if isinstance(compiled, nn.Module) else model


def calls_of(model: nn.Module, sample: Tensor | None = None) -> dict[str, Call]:
    """The calls of a model's modules by path, "" for the model itself; a module that a pass doesn't reach is absent.

    The model infers, without gradients, and is afterwards as it was.

    Args:
        model: a bare one.
        sample: a batch it takes; without one, zeros [1, C, S, S] of a side S that it takes, C the first convolution's.

    Raises:
        ModelError: it takes neither.
    """
    if sample is not None:
        return _run(model, sample)
    failures = []
    for batch in _samples(model):
        try:
            return _run(model, batch)
        except ModelError as error:
            failures.append(str(error))
    raise ModelError(
        f"{failures[0]} Nor does it take other sizes: give a batch that it takes, sample=images"
        if failures
        else "model: it holds no convolution to tell its input by: give a batch that it takes, sample=images"
    )


def holds_weights(module: nn.Module) -> bool:
    """Whether it has parameters or buffers of its own, beside those of modules inside it."""
    return bool(module._parameters or module._buffers)


def _samples(model: nn.Module) -> Iterator[Tensor]:
    kernels = [module for module in model.modules() if isinstance(module, nn.Conv2d)]
    if not kernels:
        return
    like = kernels[0].weight
    known = (getattr(model, "pretrained_cfg", None) or {}).get("input_size", ())[-1:]  # timm's
    for side in (*known, *SIDES_PX):
        yield torch.zeros(1, kernels[0].in_channels, side, side, device=like.device, dtype=like.dtype)


def _run(model: nn.Module, batch: Tensor) -> dict[str, Call]:
    calls: dict[str, Call] = {}
    with modes_kept(model), _listening(model, calls), torch.no_grad():
        for module in model.modules():
            module.training = False
        try:
            model(batch)
        except Exception as error:  # somebody else's code fails in any way
            size = " × ".join(map(str, getattr(batch, "shape", ())))
            raise ModelError(f"model: it doesn't take a batch {size}: {first_line(error)}.") from error
    for path, _ in reversed(list(model.named_modules())):
        inside = [call for name, call in calls.items() if path == "" or name.startswith(f"{path}.")]
        if inside and path not in calls:
            calls[path] = Call(min(call.first for call in inside), max(call.last for call in inside))
    return calls


@contextmanager
def _listening(model: nn.Module, calls: dict[str, Call]) -> Iterator[None]:
    paths = {module: path for path, module in model.named_modules()}
    count = iter(range(10**9))

    def before(module: nn.Module, inputs: tuple[Any, ...]) -> None:
        place = next(count)
        call = calls.setdefault(paths[module], Call(place, place, input=_shape(inputs[0]) if inputs else None))
        call.last = place

    def after(module: nn.Module, _: Any, output: Any) -> None:
        call = calls[paths[module]]
        call.last_output = _shape(output)
        call.output = call.output or call.last_output

    hooks = list(
        chain.from_iterable(
            (module.register_forward_pre_hook(before), module.register_forward_hook(after)) for module in model.modules()
        )
    )
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _shape(value: Any) -> tuple[int, ...] | None:
    return tuple(value.shape) if isinstance(value, Tensor) else None
