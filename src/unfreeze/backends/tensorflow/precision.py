"""On a CPU, layers that train in bfloat16 do so but for depthwise convolutions."""

from __future__ import annotations

import keras

from unfreeze.backends.tensorflow.head import in_head


def train_depthwise_in_float32(model: keras.Model) -> None:
    """Sets convolutions and dense layers of the base to bfloat16, and all others to float32. Weights are float32 always.

    bfloat16 halves both passes of a dense convolution, and doubles the backward pass of blocks with a depthwise one
    (measured: docs/decisions/0005-precision-on-a-cpu.md). What was traced before keeps the precision it was traced with.
    """
    for layer in model.layers:
        dense = type(layer) in (keras.layers.Conv2D, keras.layers.Dense) and not in_head(layer)
        layer.dtype_policy = "mixed_bfloat16" if dense else "float32"
