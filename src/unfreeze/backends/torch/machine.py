"""What the model computes on, and in which precision."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any

import torch

from unfreeze.errors import RecipeError, first_line
from unfreeze.recipe.plan import Precision


def choose_device(asked: str) -> torch.device:
    """The device for `auto`, `cpu` or `cuda`.

    Raises:
        RecipeError: `cuda` was asked for and there is none.
    """
    has_gpu = torch.cuda.is_available()
    if asked == "cuda" and not has_gpu:
        raise RecipeError("device: cuda was asked for, PyTorch finds no CUDA GPU here: use device: auto or cpu")
    return torch.device("cuda" if has_gpu and asked != "cpu" else "cpu")


def choose_precision(asked: str, device: torch.device) -> Precision:
    """The precision for `auto`, `float32` or `bfloat16`; `auto` takes bfloat16 where the hardware multiplies in it."""
    if asked == "auto":
        return "bfloat16" if _computes_in_bfloat16(device) else "float32"
    return "bfloat16" if asked == "bfloat16" else "float32"


def name_device(device: torch.device) -> str:
    """`cpu`, or the GPU's name."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


def autocast(device: torch.device, precision: Precision) -> contextlib.AbstractContextManager[None]:
    """The context in which convolutions and dense layers compute in `precision`."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")


@contextlib.contextmanager
def deterministic(asked: bool) -> Iterator[None]:
    """Takes PyTorch's deterministic operations where they are asked for; afterwards all is as it was.

    Raises:
        RecipeError: an operation has no deterministic form on this device.
    """
    if not asked:
        yield
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without which cuBLAS picks what is free
    modes = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    settings: Any = torch.utils.deterministic  # mypy doesn't see what a module's class adds
    benchmark, filled = torch.backends.cudnn.benchmark, settings.fill_uninitialized_memory
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False  # which takes what is fastest at the time
    settings.fill_uninitialized_memory = False  # nobody here reads such memory
    try:
        yield
    except RuntimeError as error:
        if "deterministic" not in str(error):
            raise
        raise RecipeError(f"deterministic: {first_line(error)} Give deterministic: false, or device: cpu") from None
    finally:
        torch.use_deterministic_algorithms(modes[0], warn_only=modes[1])
        torch.backends.cudnn.benchmark, settings.fill_uninitialized_memory = benchmark, filled


@contextlib.contextmanager
def threads(count: int | None) -> Iterator[None]:
    """Computes in so many threads; None leaves it as it is.

    For small operations on a processor that does other things too: steps of a dense layer took 1.4 ms each in one thread and 20
    to 70 ms in two, which wait for each other.
    """
    before = torch.get_num_threads()
    if count is not None:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _computes_in_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    # Processors without these instructions emulate bfloat16, several times slower than float32.
    capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()  # older versions of PyTorch can't tell
    return any(bool(capabilities.get(name)) for name in ("avx512_bf16", "amx_bf16", "amx_tile", "bf16"))
