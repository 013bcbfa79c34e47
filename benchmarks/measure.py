"""A command, measured from its start to its end."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

# Linux counts in KiB, macOS in bytes.
_TO_MB = 1024 / 1e6 if sys.platform == "linux" else 1 / 1e6


@dataclass(frozen=True)
class Measured:
    """What a command took, all its child processes included.

    Attributes:
        status: its exit status.
        seconds: by the clock on the wall.
        user_seconds, system_seconds: of processor time.
        peak_mb: resident memory of its largest process, in 10⁶ bytes.
    """

    status: int
    seconds: float
    user_seconds: float
    system_seconds: float
    peak_mb: float


def measure(command: Sequence[str], environment: Mapping[str, str], log: Path) -> Measured:
    """Runs a command with `environment` on top of this process's, its output going to `log`."""
    here = str(Path(__file__).parent)
    path = os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH")]))
    surroundings = {**os.environ, "PYTHONPATH": path, "TF_CPP_MIN_LOG_LEVEL": "2", **environment}
    with log.open("w", encoding="utf-8") as output:
        started = time.perf_counter()
        process = subprocess.Popen(command, env=surroundings, stdout=output, stderr=subprocess.STDOUT)
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.terminate()
            raise
        seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    return Measured(
        status=process.returncode,
        seconds=round(seconds, 3),
        user_seconds=round(usage.ru_utime, 2),
        system_seconds=round(usage.ru_stime, 2),
        peak_mb=round(usage.ru_maxrss * _TO_MB),
    )


def cores() -> int:
    """The processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
