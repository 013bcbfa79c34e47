"""Trials, for people: a line for each while they are made, and a table in the end."""

from __future__ import annotations

import contextlib
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.status import Status
from rich.table import Table

from unfreeze.api.tuned import BEST, Trial, Tuning
from unfreeze.cli.show import console, say
from unfreeze.report.labels import printable
from unfreeze.training.history import EpochRecord
from unfreeze.training.watcher import Silent, Watcher


class Telling:
    """Says what is tried and what came of it; on a terminal also how far it is."""

    def __init__(self, quiet: bool) -> None:
        self._quiet, self._trial = quiet, ""

    def trial(self, trial: Trial) -> None:
        """A trial before its training, and after it."""
        if not trial.state:
            self._trial = f"trial {trial.number}: {_values(trial)}{', as asked' if trial.number == 1 else ''}"
        elif not self._quiet:
            say(f"{self._trial}: {_outcome(trial)}, {trial.seconds:.0f} s")
            sys.stdout.flush()  # in a log, too, at once

    @contextlib.contextmanager
    def watching(self) -> Iterator[Watcher]:
        """A watcher for one training."""
        if self._quiet or not sys.stdout.isatty():
            yield Silent()
            return
        with Console(highlight=False).status(self._trial) as status:
            yield _Epochs(status, self._trial)


class _Epochs(Silent):
    def __init__(self, status: Status, trial: str) -> None:
        self._status, self._trial = status, trial

    def cache_filled(self, done: int, total: int, boundary: str) -> None:
        self._status.update(f"{self._trial}: frozen part up to {boundary}: {done} of {total} pictures")

    def epoch_done(self, record: EpochRecord) -> None:
        self._status.update(
            f"{self._trial}: epoch {record.epoch}, validation loss {record.val_loss:.3f}, accuracy {record.val_accuracy:.1%}"
        )


def show_tuning(tuning: Tuning, data: Path, run: Path | None) -> None:
    """All trials, the best of them, and what to do next.

    Args:
        run: where the best recipe could be trained; None where it is trained now.
    """
    if tuning.trials:
        say()
        console().print(_table(tuning))
    say(f"\nended: {escape(tuning.ended)}")
    say(escape(printable(tuning.verdict)))
    if tuning.recipe is None:
        say("the same command goes on")
        return
    best = tuning.folder / BEST
    say(f"best recipe {escape(str(best))}")
    if run is not None and not tuning.interrupted:
        words = shlex.join(["unfreeze", "train", str(data), "--recipe", str(best), "--out", str(run)])
        say(f"train it    {escape(words)}")


def _table(tuning: Tuning) -> Table:
    names = list(tuning.trials[0].values)
    table = Table(box=None, pad_edge=False)
    measure = () if tuning.measure == "val_loss" else (tuning.measure.removeprefix("val_").replace("_", " "),)
    for column in ("trial", *names, "loss", "accuracy", *measure, "epochs", "seconds"):
        table.add_column(column, justify="right")
    table.add_column("")
    for trial in tuning.trials:
        is_best = tuning.best is not None and trial.number == tuning.best.number
        watched = () if not measure else (_number(getattr(trial, tuning.measure)),)
        table.add_row(
            str(trial.number),
            *(_value(trial, name) for name in names),
            _number(trial.val_loss),
            _accuracy(trial),
            *watched,
            str(trial.epochs),
            f"{trial.seconds:.0f}",
            "best" if is_best else trial.ending,
            style="bold" if is_best else "",
        )
    return table


def _values(trial: Trial) -> str:
    return ", ".join(f"{name} {_value(trial, name)}" for name in trial.values)


def _value(trial: Trial, name: str) -> str:
    # A head alone has no such rate.
    return "–" if name == "rate" and trial.values.get("stages") == 0 else f"{trial.values[name]:g}"


def _outcome(trial: Trial) -> str:
    if trial.state == "failed":
        return trial.ending
    scores = f"validation loss {_number(trial.val_loss)}, accuracy {_accuracy(trial)}"
    return f"{scores}, {trial.ending}" if trial.ending else scores


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _accuracy(trial: Trial) -> str:
    if trial.val_accuracy is None or trial.interval is None:
        return ""
    low, high = trial.interval
    return f"{trial.val_accuracy:.1%} ({low:.1%} to {high:.1%})"
