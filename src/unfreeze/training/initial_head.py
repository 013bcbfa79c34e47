"""The weights a new head starts from: one draw for every framework, so that runs of one seed start alike in all of them."""

from __future__ import annotations

import itertools
import math

import numpy as np
from numpy.typing import NDArray


def initial_head(features: int, hidden: tuple[int, ...], classes: int, seed: int) -> list[NDArray[np.float32]]:
    """The kernels of the head's dense layers, in forward order; biases start at zero.

    Glorot-uniform (Glorot & Bengio 2010), Keras's default: timm's initialisation of a new classifier costs 30 points of
    validation accuracy after the first epoch (docs/decisions/0003-head-initialisation.md).

    Args:
        features: pooled features of the base.
        hidden: units of each hidden layer.
        classes: units of the output layer.

    Returns:
        float32 [inputs, outputs] per layer.
    """
    generator = np.random.default_rng(seed)
    return [_glorot_uniform(*sizes, generator) for sizes in itertools.pairwise((features, *hidden, classes))]


def _glorot_uniform(inputs: int, outputs: int, generator: np.random.Generator) -> NDArray[np.float32]:
    limit = math.sqrt(6 / (inputs + outputs))
    return generator.uniform(-limit, limit, (inputs, outputs)).astype(np.float32)
