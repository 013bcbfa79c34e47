"""All that training changes as arrays by name, and back: what a checkpoint holds of a backend."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from unfreeze.backends.torch.averaging import RunningMean
from unfreeze.backends.torch.optimizers import Memory, PhaseOptimizer
from unfreeze.training.backend import MODEL, State
from unfreeze.training.checkpoint import members

_SLOTS, _ORIGINS, _MEAN, _SUMS = "optimizer/", "origin/", "mean/", "sums/"
_GENERATOR, _GPU_GENERATOR = "random/cpu", "random/cuda"

Named = Mapping[str, Tensor]


@dataclass
class EpochSums:
    """What the steps of an epoch have come to so far. On the device, where reading would make a GPU wait.

    Attributes:
        values: objective and loss, each times the pictures, and how many were named right: float64 [3].
        largest: of the gradients' norms, float32 [].
        pictures: how many were shown.
    """

    values: Tensor
    largest: Tensor
    pictures: int = 0

    @classmethod
    def none(cls, device: torch.device) -> Self:
        """Before the first step."""
        return cls(torch.zeros(3, dtype=torch.float64, device=device), torch.zeros((), device=device))

    def add(self, values: Tensor, norm: Tensor, pictures: int) -> None:
        """Takes in a step."""
        self.values = self.values + values
        self.largest = torch.maximum(self.largest, norm)  # NaN stays NaN
        self.pictures += pictures


def snapshot(model: nn.Module) -> dict[str, NDArray[Any]]:
    """A copy of all tensors of a model, by name."""
    return {name: _array(tensor) for name, tensor in model.state_dict().items()}


def load(model: nn.Module, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Gives a model the tensors of a snapshot."""
    model.load_state_dict({name: torch.from_numpy(values) for name, values in arrays.items()})


def take(model: nn.Module, optimizer: PhaseOptimizer, mean: RunningMean | None, sums: EpochSums, device: torch.device) -> State:
    """What `Backend.state` gives."""
    names = {tensor: name for name, tensor in model.state_dict(keep_vars=True).items()}
    memory = optimizer.memory()
    parts: dict[str, Named] = {
        MODEL: model.state_dict(),
        _SLOTS: {f"{names[each]}/{slot}": value for each, of_one in memory.slots.items() for slot, value in of_one.items()},
        _ORIGINS: {names[each]: value for each, value in memory.origins.items()},
        _MEAN: mean.state() if mean is not None else {},
        _SUMS: {"values": sums.values, "largest": sums.largest, "pictures": torch.tensor(sums.pictures)},
    }
    arrays = {group + name: _array(tensor) for group, members in parts.items() for name, tensor in members.items()}
    arrays[_GENERATOR] = _array(torch.get_rng_state())
    if device.type == "cuda":
        arrays[_GPU_GENERATOR] = _array(torch.cuda.get_rng_state(device))
    return arrays


def memory_in(state: State, model: nn.Module) -> Memory:
    """What the optimiser remembered, for the parameters of this model."""
    named = model.state_dict(keep_vars=True)
    slots: dict[nn.Parameter, dict[str, Tensor]] = {}
    for name, values in members(state, _SLOTS).items():
        parameter, _, slot = name.rpartition("/")
        slots.setdefault(named[parameter], {})[slot] = _like(named[parameter], values)
    origins = {named[name]: _like(named[name], values) for name, values in members(state, _ORIGINS).items()}
    return Memory(slots, origins)


def mean_in(state: State, device: torch.device) -> Named:
    """What `RunningMean.go_on` takes."""
    return {name: torch.from_numpy(values).to(device) for name, values in members(state, _MEAN).items()}


def sums_in(state: State, device: torch.device) -> EpochSums:
    """Those of the epoch that was under way."""
    arrays = members(state, _SUMS)
    values, largest = (torch.from_numpy(arrays[name]).to(device) for name in ("values", "largest"))
    return EpochSums(values, largest, int(arrays["pictures"]))


def set_generators(state: State, device: torch.device) -> None:
    """Lets random numbers go on as they would have."""
    torch.set_rng_state(torch.from_numpy(state[_GENERATOR]))
    if device.type == "cuda" and _GPU_GENERATOR in state:
        torch.cuda.set_rng_state(torch.from_numpy(state[_GPU_GENERATOR]), device)


def model_in(state: State) -> dict[str, NDArray[Any]]:
    """The tensors of the model, as `snapshot` gives them."""
    return members(state, MODEL)


def _array(tensor: Tensor) -> NDArray[Any]:
    return np.array(tensor.detach().cpu().numpy(), order="C")


def _like(parameter: Tensor, values: NDArray[Any]) -> Tensor:
    """A tensor with these values; one of the parameter's shape lies in memory as the parameter does, as steps need it."""
    tensor = torch.from_numpy(values)
    if tensor.shape != parameter.shape:
        return tensor.to(parameter.device, copy=True)
    return torch.empty_like(parameter, requires_grad=False).copy_(tensor)
