"""Each family of faults, in a process of its own: one that crashes is a fault lost, and the next is run."""

from __future__ import annotations

import contextlib
import importlib
import multiprocessing
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection

from soak.rows import Row

# In the order in which they run, with the faults of a kind that each tries in the long form.
FAMILIES = {"texts": 2000, "pictures": 2000, "faults": 10, "load": 20_000, "kills": 50}


def run(family: str, count: int, seed: int, frameworks: Sequence[str]) -> Iterator[Row]:
    """The rows of a family as they come, and one more if it doesn't come to its end."""
    spawn = multiprocessing.get_context("spawn")  # neither framework outlives a fork
    receiver, sender = spawn.Pipe(duplex=False)
    process = spawn.Process(target=_send_rows, args=(sender, family, count, seed, frameworks))
    process.start()
    sender.close()
    with contextlib.suppress(EOFError):
        while True:
            yield receiver.recv()
    process.join()
    if process.exitcode:
        yield Row("the family itself", "-", 1, 0, [f"{family} --seed {seed}: ended with status {process.exitcode}"])


def _send_rows(sender: Connection, family: str, count: int, seed: int, frameworks: Sequence[str]) -> None:
    with contextlib.suppress(ImportError):
        import triton  # noqa: F401  # which aborts a process that TensorFlow is in already
    for row in importlib.import_module(f"soak.{family}").soak(count, seed, frameworks):
        sender.send(row)
