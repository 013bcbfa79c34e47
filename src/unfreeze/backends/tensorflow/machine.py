"""What the model computes on, and in which precision."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf
from tensorflow.python.framework import config  # tf.config can only switch determinism on

from unfreeze.backends.tensorflow.head import in_head
from unfreeze.errors import RecipeError, first_line
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


def choose_precision(asked: str, device: str) -> Precision:
    """The precision for `auto`, `float32` or `bfloat16`; `auto` takes bfloat16 where the hardware multiplies in it."""
    if asked == "auto":
        return "bfloat16" if _computes_in_bfloat16(device) else "float32"
    return "bfloat16" if asked == "bfloat16" else "float32"


def name_device(device: str) -> str:
    """`cpu`, or the GPU's name."""
    if device == "/CPU:0":
        return "cpu"
    return str(_gpu().get("device_name", "gpu"))


def compute_in(model: keras.Model, precision: Precision) -> None:
    """Sets the precision in which a model computes, but for the new head: that is float32. So are weights always.

    What was traced before keeps the precision it was traced with.
    """
    for layer in model.layers:
        layer.dtype_policy = "mixed_bfloat16" if precision == "bfloat16" and not in_head(layer) else "float32"


@contextlib.contextmanager
def deterministic(asked: bool) -> Iterator[None]:
    """Takes TensorFlow's deterministic operations where they are asked for; afterwards all is as it was.

    Raises:
        RecipeError: an operation has no deterministic form on this device.
    """
    if not asked or config.is_op_determinism_enabled():
        yield
        return
    config.enable_op_determinism()
    try:
        yield
    except tf.errors.UnimplementedError as error:
        if "determinis" not in str(error):
            raise
        raise RecipeError(f"deterministic: {first_line(error)}. Give deterministic: false, or device: cpu") from None
    finally:
        config.disable_op_determinism()


def _gpu() -> dict[str, Any]:
    details: dict[str, Any] = tf.config.experimental.get_device_details(tf.config.list_physical_devices("GPU")[0])
    return details


def _computes_in_bfloat16(device: str) -> bool:
    if device != "/CPU:0":
        return bool(_gpu().get("compute_capability", (0, 0)) >= _FIRST_GPU_WITH_BFLOAT16)
    # TensorFlow doesn't tell; only Linux has this file. Processors without these instructions emulate bfloat16, slowly.
    flags = _CPU_INFO.read_text(encoding="utf-8", errors="replace") if _CPU_INFO.is_file() else ""
    return not {"avx512_bf16", "amx_bf16", "bf16"}.isdisjoint(flags.split())
