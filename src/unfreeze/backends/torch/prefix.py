"""The frozen prefix as a thing of its own that only infers: by the inference engine where there is one, else folded."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, fx

from unfreeze.backends.torch.folding import folded
from unfreeze.backends.torch.tracing import value_of
from unfreeze.engine import openvino
from unfreeze.recipe.network import InputContract
from unfreeze.recipe.plan import Precision

Tensors = tuple[Tensor, ...]


class Prefix:
    """A part of a network that only infers, with the weights it had when this was made.

    Takes a tuple of arrays with the same number B of pictures: one of pictures, uint8 [B, S, S, 3], RGB, or the activations at
    a lower boundary. Those with four dimensions are [B, H, W, C] in arrays and [B, C, H, W], channels last, in the tensors
    it gives. They are float32, or bfloat16 where that is the precision; an array holds its bits as uint16.

    Attributes:
        engine: what computes, in words: `OpenVINO 2026.4.1`, `PyTorch 2.15.0, folded`.
    """

    def __init__(
        self, part: fx.GraphModule, contract: InputContract | None, precision: Precision, device: torch.device
    ) -> None:
        """Makes a copy of the part that runs fast here.

        Args:
            part: as `freezing.split` gives it.
            contract: how to normalise pictures, at the side the network was traced with; None for activations.
            precision: in which it computes.
            device: on which it computes and its results lie.
        """
        self._run: Callable[[Iterable[tuple[NDArray[Any], ...]]], Iterator[Tensors]]
        engine = _converted(part, contract, precision) if device.type == "cpu" and openvino.available() else None
        if engine is not None:
            self.engine = openvino.name()
            self._run = lambda batches: (tuple(map(to_tensor, values)) for values in engine.run(batches))
        else:
            self.engine = engine_for(torch.device("meta"))
            own = _Folded(part, contract, precision, device)
            self._run = lambda batches: map(own, batches)

    def __call__(self, values: tuple[NDArray[Any], ...]) -> Tensors:
        """The tensors at the boundary, for one batch."""
        return next(self._run([values]))

    def run(self, batches: Iterable[tuple[NDArray[Any], ...]]) -> Iterator[Tensors]:
        """The tensors at the boundary, batch for batch in order; may take the next batch before it gives a result."""
        return self._run(batches)


class _Folded:
    """PyTorch's own way."""

    def __init__(
        self, part: fx.GraphModule, contract: InputContract | None, precision: Precision, device: torch.device
    ) -> None:
        self._type = torch.bfloat16 if precision == "bfloat16" else torch.float32
        self._part = folded(part).to(device, self._type, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._device, self._contract = device, contract

    @torch.no_grad()  # what an inference mode gives couldn't be trained on
    def __call__(self, values: tuple[NDArray[Any], ...]) -> Tensors:
        tensors = [to_device(value, self._device) for value in values]
        if self._contract is not None:
            tensors = [normalised(images, self._contract) for images in tensors]
        results: Tensors = self._part(*(tensor.to(self._type) for tensor in tensors))
        return results


def normalised(images: Tensor, contract: InputContract) -> Tensor:
    """uint8 [B, 3, S, S], RGB, to float32 of that shape as the contract says, in its channel order."""
    order = [2, 1, 0] if contract.channel_order == "BGR" else [0, 1, 2]
    if order != [0, 1, 2]:
        images = images[:, order]
    mean, std = (
        torch.tensor([values[channel] for channel in order], device=images.device).view(1, 3, 1, 1)
        for values in (contract.mean, contract.std)
    )
    return images.float().div_(255).sub_(mean).div_(std)


def engine_for(device: torch.device) -> str:
    """What would compute a prefix here, in words, unless it holds something the engine can't take."""
    if device.type == "cpu" and openvino.available():
        return openvino.name()
    return f"PyTorch {torch.__version__.partition('+')[0]}, folded"


def to_array(tensor: Tensor) -> NDArray[Any]:
    """The array of a tensor, in the layout and the dtypes that `Prefix` takes."""
    if tensor.dim() == 4:
        tensor = tensor.permute(0, 2, 3, 1)
    tensor = tensor.contiguous().cpu()
    return (tensor.view(torch.uint16) if tensor.dtype == torch.bfloat16 else tensor).numpy()


def to_tensor(values: NDArray[Any]) -> Tensor:
    """The tensor of an array, sharing its memory; the inverse of `to_array`."""
    tensor = torch.from_numpy(values)
    if tensor.dtype == torch.uint16:
        tensor = tensor.view(torch.bfloat16)
    return tensor.permute(0, 3, 1, 2) if tensor.dim() == 4 else tensor


def to_device(values: NDArray[Any], device: torch.device) -> Tensor:
    """`to_tensor`, and on its way to a GPU, which doesn't wait for it."""
    tensor = to_tensor(values)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor


def _converted(part: fx.GraphModule, contract: InputContract | None, precision: Precision) -> openvino.Engine | None:
    """The part in the engine; None where the engine can't take it."""
    inputs = [node for node in part.graph.nodes if node.op == "placeholder"]
    examples = [torch.zeros(openvino.PICTURES, *value_of(node).shape[1:]) for node in inputs]  # type: ignore[index]
    try:
        with warnings.catch_warnings(), torch.inference_mode():
            warnings.simplefilter("ignore")  # what torch.jit.trace says of itself and of sizes
            traced = torch.jit.trace(folded(part), tuple(examples), check_trace=False)  # type: ignore[no-untyped-call]
            model = openvino.load().convert_model(traced, example_input=tuple(examples))
            model.reshape({number: list(example.shape) for number, example in enumerate(examples)})
            return openvino.Engine(model, contract, precision, "NCHW")
    except Exception:  # an operation it doesn't know, found out in any of several places
        return None
