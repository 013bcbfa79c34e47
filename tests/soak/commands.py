"""A command, run in this process, and whether it ended as commands must."""

from __future__ import annotations

import contextlib
import io
import resource
import signal
import sys
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import FrameType

import psutil

from unfreeze.cli.main import WRONG_INPUT, main

# Far more than any of them takes on a small folder.
_SECONDS = 60
_MUCH_BYTES = 1_500_000_000
# Frameworks take addresses by the gigabyte, which isn't memory.
_MOST_BYTES = 12_000_000_000


@dataclass(frozen=True)
class Ended:
    """How a command ended.

    Attributes:
        status: its exit status; None where an error nobody expected escaped.
        out, err: what it printed.
        escaped: that error's last lines.
        memory: bytes by which the process's peak grew.
    """

    status: int | None
    out: str
    err: str
    escaped: str
    memory: int


class _TookTooLong(BaseException):
    """No `except Exception` on the way may swallow it."""


def run(arguments: Sequence[object]) -> Ended:
    """Runs `unfreeze` with these arguments, for a minute at most."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    out, err, status, escaped = io.StringIO(), io.StringIO(), None, ""
    typed, sys.argv = sys.argv, ["unfreeze", *map(str, arguments)]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), _bounded():
            main()
            status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except (Exception, _TookTooLong) as error:
        # Not its message, which may be of any length: that is a fault of its own.
        escaped = f"{type(error).__name__} at{' '.join(traceback.format_tb(error.__traceback__)[-3:])}"[-600:]
    finally:
        sys.argv = typed
    memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    return Ended(status, out.getvalue(), err.getvalue(), escaped, memory)


def wrong_with(ended: Ended, names: Sequence[str] = ()) -> str:
    """What is wrong with how a command ended, after a file was damaged; empty where nothing is.

    Args:
        names: of which an error must hold one: the file's.
    """
    if ended.escaped:
        return ended.escaped
    if ended.status not in (0, WRONG_INPUT):
        return f"status {ended.status}: {ended.err[-300:]}"
    if "Traceback (most recent call last)" in ended.err:
        return f"a traceback: {ended.err[-300:]}"
    if ended.status == WRONG_INPUT and not ended.err.startswith("unfreeze: "):
        return f"no word of ours: {ended.err[-300:]}"
    if ended.status == WRONG_INPUT and names and not any(name in ended.err for name in names):
        return f"doesn't name {names[0]}: {ended.err[-300:]}"
    if len(ended.err) > 20_000:
        return f"an error of {len(ended.err)} characters: {ended.err[:200]}"
    if ended.memory > _MUCH_BYTES:
        return f"took {ended.memory / 1e9:.1f} GB more"
    return ""


@contextlib.contextmanager
def _bounded() -> Iterator[None]:
    """For a minute, and with some gigabytes more than the process has: what takes more fails here, and not the machine."""

    def give_up(number: int, frame: FrameType | None) -> None:
        raise _TookTooLong

    signals = signal.signal(signal.SIGALRM, give_up)
    limit = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (psutil.Process().memory_info().vms + _MOST_BYTES, limit[1]))
    signal.alarm(_SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        resource.setrlimit(resource.RLIMIT_AS, limit)
        signal.signal(signal.SIGALRM, signals)
