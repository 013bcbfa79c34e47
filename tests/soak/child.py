"""A command in a process that may take so long, and so much memory, and no more."""

from __future__ import annotations

import os
import resource
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_TESTS = str(Path(__file__).parents[1])


@dataclass(frozen=True)
class Ended:
    """How it ended.

    Attributes:
        status: of the process; negative: the signal that ended it; None: it was still running, and was killed.
        out, err: what it printed.
        seconds: how long it took.
    """

    status: int | None
    out: str
    err: str
    seconds: float


def run_bounded(
    command: Sequence[str], patience_s: float, memory_bytes: int | None, environment: Mapping[str, str] | None = None
) -> Ended:
    """Runs a command with `tests/` on Python's path; `memory_bytes` bounds its addresses, not what it fills of them."""

    def bound() -> None:
        if memory_bytes is not None:
            resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))

    started = time.perf_counter()
    variables = {**os.environ, "PYTHONPATH": _TESTS, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", **(environment or {})}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace", env=variables, preexec_fn=bound
    )
    try:
        out, err = process.communicate(timeout=patience_s)
        return Ended(process.returncode, out, err, time.perf_counter() - started)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        return Ended(None, out, err, time.perf_counter() - started)
