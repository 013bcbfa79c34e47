"""`unfreeze` in processes that kill themselves at a chosen moment, and who starts such processes.

    python -m soak.killing FRAMEWORK

loads a framework once, reads a `Job` from each line of its input, carries it out in a forked child, and answers with its
status. A fork costs a few milliseconds; a new process would take seconds to load a framework.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import json
import os
import signal
import subprocess
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NoReturn, Self

# What is called at such a moment; it comes before the call and again after it.
CALLS = {
    "step": ["unfreeze.training.loop:_Run._step_done"],
    "phase": ["unfreeze.training.loop:_Run._begin_next", "unfreeze.training.loop:_Run._end_phase"],
    "epoch": ["unfreeze.training.loop:_Run._validate", "unfreeze.training.loop:_Run._keep_best"],
    "fill": [
        "unfreeze.cache.store:_entries",
        "unfreeze.cache.store:_commit",
        "unfreeze.cache.store:Store.reserve",
        "unfreeze.cache.layout:Layout.write",
    ],
    "file": ["pathlib:Path.replace", "pathlib:Path.rename"],
    "end": [
        "unfreeze.api.finishing:score",
        "unfreeze.api.finishing:diagnose",
        "unfreeze.api.finishing:draw_curves",
        "unfreeze.api.finishing:write_report",
        "unfreeze.training.run_folder:write_predictions",
        "unfreeze.training.run_folder:write_metrics",
        "unfreeze.training.run_folder:write_findings",
        "unfreeze.training.checkpoint:Checkpoints.delete",
    ],
}
# While a checkpoint is written: nothing of it, half, and all is there, under its temporary name; then it is renamed.
CHECKPOINT = "checkpoint"
# A moment in seconds after the process was started, whatever it does then.
SECONDS = "seconds"
# The status of one that didn't come to its end by then, and of one that an error ended which nothing turned into words.
PATIENCE_S, HUNG, ESCAPED = 300.0, 124, 70


@dataclass(frozen=True)
class Moment:
    """When a process is sent which signal, by itself.

    Attributes:
        event: of `CALLS`, or `CHECKPOINT`, or `SECONDS`.
        number: which of them, from 1; of `SECONDS` how many.
    """

    event: str
    number: float
    signal: int = signal.SIGKILL


@dataclass(frozen=True)
class Job:
    """A command.

    Attributes:
        arguments: what is typed after `unfreeze`.
        folder: where it is typed.
        printed: the file that gets all that it prints.
        counts: the JSON file that gets how many moments of each kind there were, when it comes to its end.
    """

    arguments: Sequence[str]
    folder: str
    printed: str
    counts: str
    moment: Moment | None = None


class Killing:
    """Starts commands of one framework. To be used as a context.

    Args:
        cache: the cache folder.
    """

    def __init__(self, framework: str, cache: Path) -> None:
        here = Path(__file__).parents[1]
        known = {
            "UNFREEZE_CACHE": str(cache),
            "PYTHONPATH": os.pathsep.join([str(here), os.environ.get("PYTHONPATH", "")]),
            "HF_HUB_OFFLINE": "1",
        }
        quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "UNFREEZE_ENGINE": "off"}
        alone = dict.fromkeys(("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"), "1")
        command = [sys.executable, "-m", "soak.killing", framework]
        self._process = subprocess.Popen(
            command, env=alone | os.environ | known | quiet, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def run(self, job: Job) -> int:
        """Its status; minus the signal's number where one killed it."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(asdict(job)) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError("the process that starts others ended itself")
        return int(answer)


class _Moments:
    """Counts the moments of a process, and kills it at one of them."""

    def __init__(self, moment: Moment | None) -> None:
        self.counts: Counter[str] = Counter()
        self._moment = moment

    def come(self, event: str) -> None:
        self.counts[event] += 1
        if self._moment is not None and (self._moment.event, self._moment.number) == (event, self.counts[event]):
            os.kill(os.getpid(), self._moment.signal)

    def watch(self) -> None:
        """From here on."""
        for event, places in CALLS.items():
            for place in places:
                module, _, path = place.partition(":")
                *owners, name = path.split(".")
                owner = functools.reduce(getattr, owners, importlib.import_module(module))
                setattr(owner, name, self._around(event, getattr(owner, name)))
        checkpoint = importlib.import_module("unfreeze.training.checkpoint")
        checkpoint.write_bytes = self._torn(checkpoint.write_bytes)  # type: ignore[attr-defined]

    def _around(self, event: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def watched(*args: Any, **kwargs: Any) -> Any:
            self.come(event)
            result = function(*args, **kwargs)
            self.come(event)
            return result

        return watched

    def _torn(self, write: Callable[..., None]) -> Callable[..., None]:
        from unfreeze.files import temporary_name

        def torn(path: Path, content: bytes, sync: bool = False) -> None:
            for size in (0, len(content) // 2, len(content)):
                temporary_name(path).write_bytes(content[:size])
                self.come(CHECKPOINT)
            write(path, content, sync)
            self.come(CHECKPOINT)

        return torn


def _serve(framework: str) -> None:
    """Answers until its input ends."""
    from unfreeze import api
    from unfreeze.api.frameworks import load_backend
    from unfreeze.cli import main  # noqa: F401
    from unfreeze.cli.show import show_run  # noqa: F401

    if framework == "numpy":
        api.BACKENDS["numpy"] = ("support.numpy_backend", "none")  # type: ignore[index]
    load_backend(framework)
    for line in sys.stdin:
        values = json.loads(line)
        moment = Moment(**values.pop("moment")) if values["moment"] is not None else values.pop("moment")
        job = Job(**values, moment=moment)
        print(_status_of(job), flush=True)
        _load_what_it_loaded(Path(job.counts))


def _load_what_it_loaded(counts: Path) -> None:
    """What a child needed that came to its end is there for the next from the start."""
    if counts.is_file():
        for name in json.loads(counts.read_text(encoding="utf-8"))["modules"]:
            if name not in sys.modules:
                with contextlib.suppress(Exception):
                    importlib.import_module(name)


def _status_of(job: Job) -> int:
    child = os.fork()
    if child == 0:
        _carry_out(job)
    began, moment = time.monotonic(), job.moment
    due = moment.number if moment is not None and moment.event == SECONDS else PATIENCE_S
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        past = time.monotonic() - began
        if past > PATIENCE_S:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return HUNG
        if past > due and moment is not None:
            os.kill(child, moment.signal)
            due = PATIENCE_S
        time.sleep(0.002)


def _carry_out(job: Job) -> NoReturn:
    """In the child, which ends here whatever happens."""
    status = ESCAPED
    try:
        os.chdir(job.folder)
        printed = os.open(job.printed, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for number, file in ((0, nothing), (1, printed), (2, printed)):
            os.dup2(file, number)
        # What a shell starts in the background ignores Ctrl-C, and so do its children.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        moments = _Moments(job.moment)
        moments.watch()
        sys.argv = ["unfreeze", *job.arguments]
        from unfreeze.cli.main import main

        try:
            main()
            status = 0
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else int(end.code is not None)
        came = {"moments": moments.counts, "modules": [*sys.modules]}
        Path(job.counts).write_text(json.dumps(came), encoding="utf-8")
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(status)


if __name__ == "__main__":
    _serve(sys.argv[1])
