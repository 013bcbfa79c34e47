"""`unfreeze train --framework both`: the same recipe in each framework, one process each, then compared."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import typer
import yaml
from rich.markup import escape

from unfreeze import api
from unfreeze.api.frameworks import check_installed
from unfreeze.cli.options import INTERRUPTED, TERMINATED
from unfreeze.cli.show import say
from unfreeze.cli.show_comparison import show_comparison
from unfreeze.exchange import apart
from unfreeze.files import write_text
from unfreeze.recipe.recipe import Recipe
from unfreeze.trackers.watcher import load_trackers
from unfreeze.training.interruption import Interruption, Terminated
from unfreeze.training.run_folder import DATA, PLAN, RECIPE, START, Start, new_run_folder, read_start, write_start

FRAMEWORKS = ("torch", "tensorflow")


def train_both(data: Path, recipe: Recipe, out: Path | None, quiet: bool, log: Sequence[str] = ()) -> None:
    """Trains in both frameworks, into a folder of `out` each, and writes their comparison beside them.

    Raises:
        TrackerError, FrameworkError: a tracker or one of them isn't installed; nothing has been started.
        UnfreezeError: one of them can't do the recipe, for example because the network can't be carried over; likewise.
        RunError: `out` holds something.
        typer.Exit: a training failed or was interrupted, with its status.
    """
    trackers = tuple(load_trackers(log))
    for framework in FRAMEWORKS:
        check_installed(framework)
    for framework in FRAMEWORKS:
        asked_of_one = recipe.model_copy(update={"framework": framework}).model_dump(mode="json")
        apart.call("unfreeze.api.frameworks:check_recipe", recipe=asked_of_one)
    start = Start(data.absolute(), trackers, recipe)

    def fill(place: Path) -> None:
        # As a file, so that what was asked reaches both as it is.
        asked = recipe.model_dump(mode="json", exclude_unset=True)
        write_text(place / RECIPE, yaml.safe_dump(asked, sort_keys=False, allow_unicode=True))
        write_start(place, start)

    folder = new_run_folder(out, data, f"{recipe.model}-both", fill)
    _carry_out(folder, data, quiet, log)


def is_of_both(folder: Path) -> bool:
    """Whether a folder is one that `train_both` made."""
    return (folder / START).is_file() and not any((folder / name).exists() for name in (PLAN, DATA))


def resume_both(folder: Path, quiet: bool) -> None:
    """Goes on with what is left of the trainings in a folder that `train_both` made, and compares them.

    Raises:
        RunError: the folder is damaged.
        typer.Exit: as `train_both`.
    """
    start = read_start(folder)
    _carry_out(folder, start.data, quiet, start.log)


def _carry_out(folder: Path, data: Path, quiet: bool, log: Sequence[str]) -> None:
    for framework in FRAMEWORKS:
        if not quiet:
            say(f"[bold]{framework}[/]\n")
        quietly = ["--quiet"] * quiet
        if (folder / framework / PLAN).is_file():
            status = _apart(["resume", *quietly, "--", str(folder / framework)])
        else:
            status = _apart(["train", *quietly, *_options(framework, folder, log), "--", str(data)])
        if status:
            _give_back(folder)
            if status not in (INTERRUPTED, TERMINATED):
                kept = [str(folder / name) for name in FRAMEWORKS if (folder / name / PLAN).is_file()]
                note = f"; kept: {', '.join(kept)}" if kept else ""
                print(f"unfreeze: the training in {framework} ended with status {status}{note}", file=sys.stderr)
            elif folder.is_dir() and not quiet:
                say(f"Go on with both: unfreeze resume {escape(str(folder))}")
            raise typer.Exit(status)
    comparison = api.compare([folder / framework for framework in FRAMEWORKS], to=folder)
    if not quiet:
        say()
        show_comparison(comparison, folder)


def _options(framework: str, folder: Path, log: Sequence[str]) -> list[str]:
    options = ["--recipe", folder / RECIPE, "--framework", framework, "--out", folder / framework]
    return [*map(str, options), *(option for name in log for option in ("--log", name))]


def _apart(command: Sequence[str]) -> int:
    """The status of a command in a process of its own on this terminal: one process loads one framework."""
    heard: int | None = None
    with Interruption().listening(), subprocess.Popen([sys.executable, "-P", "-m", "unfreeze", *command]) as process:
        while process.poll() is None:
            # Ctrl-C reaches the child as well, which then keeps its best weights and ends by itself; SIGTERM may not.
            try:
                process.wait()
            except Terminated:
                heard = TERMINATED
                process.terminate()
            except KeyboardInterrupt:
                heard = INTERRUPTED
    status = process.returncode
    if heard is not None:
        return heard
    return status if status >= 0 else 128 - status  # as shells say that a signal ended it


def _give_back(folder: Path) -> None:
    """Takes away what was written for trainings none of which got as far as a run of its own."""
    if not any((folder / framework).exists() for framework in FRAMEWORKS):
        for name in (RECIPE, START):
            (folder / name).unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            folder.rmdir()
