"""`unfreeze train --framework both`: the same recipe in each framework, one process each, then compared."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import typer
import yaml

from unfreeze import api
from unfreeze.api.frameworks import check_installed
from unfreeze.cli.options import INTERRUPTED
from unfreeze.cli.show import say
from unfreeze.cli.show_comparison import show_comparison
from unfreeze.exchange import apart
from unfreeze.files import write_text
from unfreeze.recipe.recipe import Recipe
from unfreeze.trackers.watcher import load_trackers
from unfreeze.training.run_folder import PLAN, RECIPE, new_run_folder

FRAMEWORKS = ("torch", "tensorflow")


def train_both(data: Path, recipe: Recipe, out: Path | None, quiet: bool, log: Sequence[str] = ()) -> None:
    """Trains in both frameworks, into a folder of `out` each, and writes their comparison beside them.

    Raises:
        TrackerError, FrameworkError: a tracker or one of them isn't installed; nothing has been started.
        UnfreezeError: one of them can't do the recipe, for example because the network can't be carried over; likewise.
        RunError: `out` holds something.
        typer.Exit: a training failed or was interrupted, with its status.
    """
    load_trackers(log)
    for framework in FRAMEWORKS:
        check_installed(framework)
    for framework in FRAMEWORKS:
        asked_of_one = recipe.model_copy(update={"framework": framework}).model_dump(mode="json")
        apart.call("unfreeze.api.frameworks:check_recipe", recipe=asked_of_one)
    folder = new_run_folder(out, data, f"{recipe.model}-both")
    # As a file, so that what was asked reaches both as it is.
    asked = recipe.model_dump(mode="json", exclude_unset=True)
    write_text(folder / RECIPE, yaml.safe_dump(asked, sort_keys=False, allow_unicode=True))
    for framework in FRAMEWORKS:
        if not quiet:
            say(f"[bold]{framework}[/]\n")
        status = _train_apart(framework, data, folder, quiet, log)
        if status:
            _give_back(folder)
            if status != INTERRUPTED:
                kept = [str(folder / name) for name in FRAMEWORKS if (folder / name / PLAN).is_file()]
                note = f"; kept: {', '.join(kept)}" if kept else ""
                print(f"unfreeze: the training in {framework} ended with status {status}{note}", file=sys.stderr)
            raise typer.Exit(status)
    comparison = api.compare([folder / framework for framework in FRAMEWORKS], to=folder)
    if not quiet:
        say()
        show_comparison(comparison, folder)


def _train_apart(framework: str, data: Path, folder: Path, quiet: bool, log: Sequence[str]) -> int:
    """The status of one training, in a process of its own on this terminal: one process loads one framework."""
    options = ["--recipe", folder / RECIPE, "--framework", framework, "--out", folder / framework, *(["--quiet"] * quiet)]
    options += [option for name in log for option in ("--log", name)]
    command = [sys.executable, "-P", "-m", "unfreeze", "train", *map(str, options), "--", str(data)]
    interrupted = False
    with subprocess.Popen(command) as process:
        while process.poll() is None:
            # Ctrl-C reaches the child as well, which then keeps its best weights and ends by itself.
            try:
                process.wait()
            except KeyboardInterrupt:
                interrupted = True
    status = process.returncode
    if interrupted:
        return INTERRUPTED
    return status if status >= 0 else 128 - status  # as shells say that a signal ended it


def _give_back(folder: Path) -> None:
    """Takes away what was written for trainings none of which got as far as a run of its own."""
    if not any((folder / framework).exists() for framework in FRAMEWORKS):
        (folder / RECIPE).unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            folder.rmdir()
