"""Memory: what a network will take, and PyTorch's words for there not being enough."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, fx, nn

from unfreeze.backends.torch.freezing import Parts
from unfreeze.backends.torch.tracing import BATCH, value_of
from unfreeze.recipe.plan import Precision
from unfreeze.training.footprint import Footprint
from unfreeze.training.memory import OutOfMemory, says_so

# What the process takes as soon as it computes: threads, compiled operations, buffers. This and what follows were measured:
# peaks of trainings of efficientnet_lite0 and resnet18.
_RUNNING = 500_000_000
# What a training step takes for each number that the layers make of a picture: with the gradients of some, with copies in
# another precision or layout, and with room that convolutions work in.
_BYTES_PER_NUMBER: dict[Precision, float] = {"float32": 6.0, "bfloat16": 4.0}


@contextlib.contextmanager
def out_of_memory_told() -> Iterator[None]:
    """Inside the context PyTorch's errors for want of memory are `OutOfMemory`."""
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise OutOfMemory(error) from None
    except RuntimeError as error:
        if not says_so(error):
            raise
        raise OutOfMemory(error) from None


def footprint(
    model: nn.Module, trained: Iterable[Tensor], parts: Parts, whole: fx.GraphModule | None, precision: Precision
) -> Footprint:
    """What a network takes, by the shapes in its graph; see `Footprint`.

    Args:
        trained: the parameters that would train.
        parts: the base cut at the boundary; `whole` stands for a suffix that isn't cut off.
        precision: in which the step computes.
    """
    suffix = parts.suffix if parts.prefix is not None else whole
    made = sum(_numbers(suffix)) if suffix is not None else 0
    frozen = sorted(_numbers(parts.prefix))[-2:] if parts.prefix is not None else []
    return Footprint(
        weights=sum(tensor.nbytes for tensor in model.state_dict().values()),
        trained=sum(tensor.nbytes for tensor in trained),
        picture=int(_BYTES_PER_NUMBER[precision] * made),
        frozen_picture=(2 if precision == "bfloat16" else 4) * sum(frozen),
        running=_RUNNING,
    )


def _numbers(part: fx.GraphModule) -> list[int]:
    """How many numbers each piece of memory has that a part fills for one picture."""
    found: dict[int | None, int] = {}
    for node in part.graph.nodes:
        shape = value_of(node).shape if node.op not in ("output", "placeholder", "get_attr") else None
        if shape and shape[0] == BATCH:
            found[value_of(node).storage] = math.prod(shape[1:])
    return list(found.values())
