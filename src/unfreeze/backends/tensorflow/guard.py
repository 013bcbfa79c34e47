"""What must happen before the first import of tensorflow or keras."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator

from unfreeze.errors import FrameworkError


def prepare_import() -> None:
    """Makes Keras use TensorFlow, and lets torch be used in the same process.

    torch loads Triton when it first needs it. After TensorFlow that aborts the process, because both register the same LLVM
    options; before it, it is harmless and takes a tenth of a second.

    Raises:
        FrameworkError: Keras already runs on another framework.
    """
    if "tensorflow" not in sys.modules:
        with contextlib.suppress(ImportError):
            import triton  # noqa: F401
    if "keras" not in sys.modules:
        os.environ["KERAS_BACKEND"] = "tensorflow"
    elif (running := sys.modules["keras"].config.backend()) != "tensorflow":
        raise FrameworkError(
            f"framework: tensorflow needs Keras on TensorFlow, and this process runs Keras on {running}: import unfreeze's"
            " backend first, or set KERAS_BACKEND=tensorflow"
        )
    with _without_start_up_notes():
        import tensorflow

        tensorflow.config.list_physical_devices()


@contextlib.contextmanager
def _without_start_up_notes() -> Iterator[None]:
    """TensorFlow notes CPU instructions and missing CUDA on file descriptor 2, which nobody can act on and no setting stops.

    Whoever sets `TF_CPP_MIN_LOG_LEVEL` gets what they ask for, and a process without standard error has nothing to keep quiet.
    """
    try:
        kept = None if "TF_CPP_MIN_LOG_LEVEL" in os.environ else os.dup(2)
    except OSError:
        kept = None
    if kept is None:
        yield
        return
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
