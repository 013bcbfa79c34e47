"""What arrives at the BatchNorm layers of a network, beside what they remember from pretraining."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from unfreeze.backends.torch.tracing import modes_kept
from unfreeze.errors import ModelError, first_line
from unfreeze.inspection import inputs
from unfreeze.inspection.finding import DataFinding
from unfreeze.inspection.loader import first_batches
from unfreeze.training.arrivals import Arrival, Tally, Vector


class _EnoughError(Exception):
    """The first layer has been reached: the rest of the network needn't be computed."""


def check_inputs(model: nn.Module, batches: Iterable[Any], pictures: int) -> DataFinding:
    """See `unfreeze.torch.check_inputs`."""
    if not isinstance(model, nn.Module):
        raise ModelError(f"model: a torch.nn.Module is needed, received {type(model).__name__}")
    if any(isinstance(module, torch.jit.ScriptModule) for module in model.modules()):
        raise ModelError("model: its layers can't be listened to once it is a TorchScript: give the model it was made from")
    taken = first_batches(batches, pictures, lambda batch: _values(torch.as_tensor(batch)))
    if taken[0].shape[1] != 3:
        return inputs.wrong_layout(
            taken[0].shape, "pictures × 3 × height × width", "images.permute(0, 3, 1, 2) puts them in order."
        )
    like = next(chain(model.parameters(), model.buffers()), torch.empty(0))

    def observe(batches: Iterable[NDArray[np.float32]], first_only: bool) -> list[Arrival]:
        tensors = (torch.from_numpy(values).permute(0, 3, 1, 2).to(like.device, like.dtype) for values in batches)
        return arrivals(model, tensors, first_only)

    return inputs.check_inputs(observe, np.concatenate(taken).transpose(0, 2, 3, 1), batch=len(taken[0]))


@torch.no_grad()  # not an inference mode: what a network of its own keeps from a call couldn't be trained on
def arrivals(model: nn.Module, batches: Iterable[Tensor], first_only: bool = False) -> list[Arrival]:
    """What arrives at the normalisation layers that keep statistics, in the order in which they are reached.

    The network infers, and is afterwards as it was, modes included.

    Args:
        batches: float32 [B, C, H, W], as the network takes them, on its device.
        first_only: only the first layer's, without computing the rest.

    Raises:
        ModelError: the network fails on a batch.
    """
    model = getattr(model, "_orig_mod", model)  # hooks of a compiled network may never be called
    tallies: dict[nn.Module, Tally] = {}
    with modes_kept(model), _listening(model, tallies, first_only):
        for module in model.modules():
            module.training = False  # what eval() does, less a person's own code in it, such as merging weights
        for batch in batches:
            try:
                model(batch)
            except _EnoughError:
                continue
            except Exception as error:  # somebody else's code fails in any way
                size = " × ".join(map(str, batch.shape))
                raise ModelError(f"model: it doesn't take pictures {size}: {first_line(error)}") from error
    names = {module: name for name, module in model.named_modules()}
    return [
        Arrival(names[norm], tally.mean, tally.variance, _array(norm.running_mean), _array(norm.running_var))  # type: ignore[arg-type]
        for norm, tally in tallies.items()
    ]


@contextmanager
def _listening(model: nn.Module, tallies: dict[nn.Module, Tally], first_only: bool) -> Iterator[None]:
    """Adds what arrives at each layer to its tally."""

    def listen(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        values = inputs[0].float()
        variance, mean = torch.var_mean(values, [axis for axis in range(values.dim()) if axis != 1], correction=0)
        tallies.setdefault(norm, Tally()).add(values.numel() // values.shape[1], _array(mean), _array(variance))
        if first_only:
            raise _EnoughError

    hooks = [norm.register_forward_pre_hook(listen) for norm in model.modules() if _remembers(norm)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _remembers(module: nn.Module) -> bool:
    """Whether it is a BatchNorm with statistics, of PyTorch's own class or a frozen one of timm's or torchvision's."""
    return "BatchNorm" in "".join(kind.__name__ for kind in type(module).__mro__) and isinstance(
        getattr(module, "running_mean", None), Tensor
    )


def _values(tensor: Tensor) -> NDArray[np.float32]:
    values: NDArray[np.float32] = tensor.detach().cpu().float().numpy()
    return values


def _array(tensor: Tensor) -> Vector:
    array: Vector = tensor.detach().cpu().double().numpy()
    return array
