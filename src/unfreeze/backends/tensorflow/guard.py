"""What must happen before the first import of tensorflow or keras."""

from __future__ import annotations

import importlib.util
import os
import sys

from unfreeze.errors import FrameworkError


def prepare_import() -> None:
    """Makes Keras use TensorFlow, and lets TensorFlow be imported where torch already is.

    Where torch is loaded and Triton isn't yet, torch would load it after TensorFlow, and both register the same LLVM options:
    that aborts the process. Triton first is harmless.

    Raises:
        FrameworkError: Keras already runs on another framework.
    """
    # Its start-up notes about CPU instructions and missing CUDA say nothing that a person can act on.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    if "torch" in sys.modules and "tensorflow" not in sys.modules and importlib.util.find_spec("triton"):
        import triton  # noqa: F401
    if "keras" not in sys.modules:
        os.environ["KERAS_BACKEND"] = "tensorflow"
    elif (running := sys.modules["keras"].config.backend()) != "tensorflow":
        raise FrameworkError(
            f"framework: tensorflow needs Keras on TensorFlow, and this process runs Keras on {running}: import unfreeze's"
            " backend first, or set KERAS_BACKEND=tensorflow"
        )
