"""Memory: what a network will take, and TensorFlow's words for there not being enough."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Iterator
from typing import Any

import keras
import tensorflow as tf

from unfreeze.backends.tensorflow.freezing import Parts
from unfreeze.recipe.plan import Precision
from unfreeze.training.footprint import Footprint
from unfreeze.training.memory import OutOfMemory, says_so

# What the process takes as soon as it computes: threads, compiled operations, buffers. This and what follows were measured:
# peaks of trainings of efficientnet_lite0 and resnet18.
_RUNNING = 500_000_000
# What a training step takes for each number that the layers make of a picture: with the gradients of some, with copies in
# another precision or layout, and with room that convolutions work in.
_BYTES_PER_NUMBER: dict[Precision, float] = {"float32": 4.5, "bfloat16": 3.25}


@contextlib.contextmanager
def out_of_memory_told() -> Iterator[None]:
    """Inside the context TensorFlow's errors for want of memory are `OutOfMemory`."""
    try:
        yield
    except (tf.errors.ResourceExhaustedError, MemoryError) as error:
        raise OutOfMemory(error) from None
    except (RuntimeError, tf.errors.OpError) as error:
        if not says_so(error):
            raise
        raise OutOfMemory(error) from None


def footprint(model: keras.Model, trained: Iterable[Any], parts: Parts, precision: Precision) -> Footprint:
    """What a network takes, by the shapes of its layers; see `Footprint`.

    Args:
        trained: the variables that would train.
        precision: in which the step computes.
    """
    frozen = sorted(_numbers(parts.prefix))[-2:] if parts.prefix is not None else []
    made = sum(_numbers(parts.suffix)) if parts.suffix is not None else 0
    return Footprint(
        weights=_bytes(model.weights),
        trained=_bytes(trained),
        picture=int(_BYTES_PER_NUMBER[precision] * made),
        frozen_picture=(2 if precision == "bfloat16" else 4) * sum(frozen),
        running=_RUNNING,
    )


def _numbers(part: keras.Model) -> list[int]:
    """How many numbers each tensor has that a part makes of one picture."""
    nodes = [node for depth in part._nodes_by_depth.values() for node in depth if not node.is_input]
    return [math.prod(tensor.shape[1:]) for node in nodes for tensor in node.output_tensors]


def _bytes(variables: Iterable[Any]) -> int:
    return sum(4 * math.prod(variable.shape) for variable in variables)
