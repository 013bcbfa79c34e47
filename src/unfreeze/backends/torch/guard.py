"""What must happen before the first import of torch, timm or torchvision."""

from __future__ import annotations

import os
import sys


def prepare_import() -> None:
    """Lets torch be imported after TensorFlow.

    Where TensorFlow is loaded and Triton isn't, loading Triton aborts the process: both register the same LLVM options. With
    RTLD_DEEPBIND Triton keeps to its own copy of LLVM. A no-op where TensorFlow isn't loaded or Triton isn't installed.
    """
    if "tensorflow" not in sys.modules or "triton" in sys.modules or not hasattr(sys, "setdlopenflags"):
        return
    before = sys.getdlopenflags()
    sys.setdlopenflags(os.RTLD_NOW | getattr(os, "RTLD_DEEPBIND", 0))
    try:
        import triton  # noqa: F401
    except ImportError:
        pass
    finally:
        sys.setdlopenflags(before)
