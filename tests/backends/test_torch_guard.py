"""TensorFlow loaded before PyTorch's Triton aborts the process: the guard loads Triton so that it doesn't."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import pytest

_WITH_TENSORFLOW = "import sys, types; sys.modules['tensorflow'] = types.ModuleType('tensorflow')\n"
_TELL = "print('triton' in sys.modules, sys.getdlopenflags())"


def printed(code: str) -> list[str]:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()


@pytest.mark.skipif(
    importlib.util.find_spec("triton") is None or not hasattr(sys, "getdlopenflags"),
    reason="Triton comes with CUDA builds on Linux",
)
def test_triton_is_loaded_first_and_the_flags_are_as_before() -> None:
    # Importing the package itself would import torch, so the guard's file is loaded by itself.
    guard = importlib.util.find_spec("unfreeze.backends.torch.guard")
    assert guard is not None
    load = f"exec(compile(open({guard.origin!r}).read(), 'guard', 'exec'))\nprepare_import()\n"
    before = printed(f"import sys\n{_TELL}")
    assert printed(_WITH_TENSORFLOW + load + _TELL) == ["True", before[1]]
    assert printed("import sys\n" + load + _TELL) == ["False", before[1]]
