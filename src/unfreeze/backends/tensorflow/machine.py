"""What the model computes on, and in which precision."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from unfreeze.errors import RecipeError
from unfreeze.recipe.plan import Precision

# NVIDIA's Ampere.
_FIRST_GPU_WITH_BFLOAT16 = (8, 0)
_CPU_INFO = Path("/proc/cpuinfo")


def choose_device(asked: str) -> str:
    """The device for `auto`, `cpu` or `cuda`, by TensorFlow's name.

    Raises:
        RecipeError: `cuda` was asked for and there is none.
    """
    has_gpu = bool(tf.config.list_physical_devices("GPU"))
    if asked == "cuda" and not has_gpu:
        raise RecipeError("device: cuda was asked for, TensorFlow finds no CUDA GPU here: use device: auto or cpu")
    return "/GPU:0" if has_gpu and asked != "cpu" else "/CPU:0"


def choose_precision(asked: str, device: str, model: keras.Model) -> Precision:
    """The precision for `auto`, `float32` or `bfloat16`; `auto` takes bfloat16 where it was found to be faster.

    On a CPU that is where the processor multiplies in it and the network has no depthwise convolutions, which TensorFlow
    computes more slowly in bfloat16 (measured: docs/decisions/0005-precision-on-a-cpu.md).
    """
    if asked != "auto":
        return "bfloat16" if asked == "bfloat16" else "float32"
    if device != "/CPU:0":
        return "bfloat16" if _gpu().get("compute_capability", (0, 0)) >= _FIRST_GPU_WITH_BFLOAT16 else "float32"
    has_depthwise = any(isinstance(layer, keras.layers.DepthwiseConv2D) for layer in model.layers)
    return "bfloat16" if _cpu_computes_in_bfloat16() and not has_depthwise else "float32"


def name_device(device: str) -> str:
    """`cpu`, or the GPU's name."""
    if device == "/CPU:0":
        return "cpu"
    return str(_gpu().get("device_name", "gpu"))


def compute_in(model: keras.Model, layers: Iterable[keras.layers.Layer], precision: Precision) -> None:
    """Sets the precision in which some layers compute, and float32 for all others. Weights are always float32.

    What was traced before keeps the precision it was traced with.
    """
    for layer in model.layers:
        layer.dtype_policy = "float32"
    for layer in layers:
        layer.dtype_policy = "mixed_bfloat16" if precision == "bfloat16" else "float32"


def _gpu() -> dict[str, Any]:
    details: dict[str, Any] = tf.config.experimental.get_device_details(tf.config.list_physical_devices("GPU")[0])
    return details


def _cpu_computes_in_bfloat16() -> bool:
    # TensorFlow doesn't tell; only Linux has this file. Processors without these instructions emulate bfloat16, slowly.
    flags = _CPU_INFO.read_text(encoding="utf-8", errors="replace") if _CPU_INFO.is_file() else ""
    return not {"avx512_bf16", "amx_bf16", "bf16"}.isdisjoint(flags.split())
