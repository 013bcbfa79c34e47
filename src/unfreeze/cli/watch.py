"""Live progress: a bar and a table on a terminal, plain lines elsewhere, nothing with --quiet."""

from __future__ import annotations

import contextlib
import sys
from collections import Counter
from collections.abc import Iterator, Sequence

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from unfreeze.api.rates import Testing
from unfreeze.cli.quantities import count
from unfreeze.data.scan import Progress as ScanProgress
from unfreeze.recipe.plan import Evidence, Phase
from unfreeze.report.labels import printable
from unfreeze.training.history import EpochRecord
from unfreeze.training.watcher import Silent, Watcher

# With line breaks and narrow gaps, so that they fit into a terminal of 80 columns.
_COLUMNS = (
    *("epoch", "phase", "rate", "train\nloss", "val\nloss", "train\nacc", "val\nacc", "val\nbalanced", "val\nF1"),
    *("pictures\n/s", ""),
)


@contextlib.contextmanager
def scan_progress(quiet: bool = False) -> Iterator[ScanProgress | None]:
    """A bar for the scan of a folder; it goes away when the scan is done. Only on a terminal."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    columns = (TextColumn("reading pictures"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("scan", total=None)

        def tell(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)
            if done == total:
                progress.stop()

        yield tell


@contextlib.contextmanager
def testing_progress(quiet: bool = False) -> Iterator[Testing | None]:
    """A bar for the search for learning rates, gone when that is done; a line for each part of it elsewhere."""
    if quiet:
        yield None
        return
    if not sys.stderr.isatty():
        said: set[str] = set()

        def say(what: str, *_: int) -> None:
            if what not in said:
                said.add(what)
                print(f"looking for the learning rate: {what}", file=sys.stderr, flush=True)

        yield say
        return
    columns = (TextColumn("looking for the learning rate: {task.description}"), BarColumn(), MofNCompleteColumn())
    progress = Progress(*columns, console=Console(stderr=True), transient=True)
    task = progress.add_task("", total=None)

    def tell(what: str, done: int, total: int) -> None:
        # Not there while the training that comes after it has a bar of its own.
        (progress.start if done < total else progress.stop)()
        progress.update(task, description=escape(what), completed=done, total=total)

    try:
        yield tell
    finally:
        progress.stop()


@contextlib.contextmanager
def watching(quiet: bool) -> Iterator[Watcher]:
    """The watcher that fits where the output goes."""
    if quiet:
        yield Silent()
    elif not sys.stdout.isatty():
        yield PlainWatcher()
    else:
        watcher = TerminalWatcher()
        try:
            yield watcher
        finally:
            watcher.close()


class PlainWatcher(Silent):
    """One line per epoch, for logs and pipes."""

    def resumed(self, history: Sequence[EpochRecord], steps: int) -> None:
        self._say(f"  {_resumed(history, steps)}")

    def phase_started(self, number: int, phase: Phase, steps_per_epoch: int) -> None:
        epochs, steps = count(phase.epochs, "epoch"), count(steps_per_epoch, "step")
        self._say(f"\nphase {number}: {phase.name}, {epochs} of {steps}, training from {phase.boundary}")

    def cache_filled(self, done: int, total: int, boundary: str) -> None:
        if done == total:
            self._say(f"  frozen part computed for {total} pictures, up to {boundary}")

    def epoch_done(self, record: EpochRecord) -> None:
        self._say(
            f"  epoch {record.epoch:3d}  train loss {record.train_loss:.3f} acc {record.train_accuracy:.3f}"
            f"  val loss {record.val_loss:.3f} acc {record.val_accuracy:.3f}"
            f" balanced {record.val_balanced_accuracy:.3f} F1 {record.val_macro_f1:.3f}  rate {record.rate:.1e}"
            f"  {record.pictures_per_second:.0f} pictures/s{'  best' if record.best else ''}"
        )

    def phase_ended(self, reason: str) -> None:
        self._say(f"  ended: {reason}")

    def warned(self, words: str) -> None:
        self._say(f"  warning: {words}")

    def decided(self, row: Evidence) -> None:
        self._say(f"  {_decision(row)}")

    def _say(self, line: str) -> None:
        print(line, flush=True)


class TerminalWatcher(Silent):
    """A table of the epochs so far above a bar with pictures per second and time left."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False)
        self._table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
        for name in _COLUMNS:
            self._table.add_column(name, justify="left" if name in ("phase", "") else "right", no_wrap=name != "phase")
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[speed]}"),
            TimeRemainingColumn(),
            console=self._console,
        )
        self._task = self._bar.add_task("", speed="")
        self._live = Live(Group(self._table, self._bar), console=self._console, refresh_per_second=8)
        self._pictures, self._epoch, self._epochs, self._phase = 0, 0, 0, ""
        # Epochs by phase, and steps of the next one, that were done before it was resumed.
        self._done: tuple[Counter[int], int] = Counter(), 0

    def close(self) -> None:
        """Leaves the table on the screen and gives the terminal back."""
        self._live.stop()

    def resumed(self, history: Sequence[EpochRecord], steps: int) -> None:
        self._live.console.print(f"[bold]{_resumed(history, steps)}[/]", soft_wrap=True)
        for record in history:
            self._add_row(record)
        self._done = Counter(record.phase for record in history), steps

    def phase_started(self, number: int, phase: Phase, steps_per_epoch: int) -> None:
        self._live.start()
        epochs, steps = self._done[0][number], self._done[1]
        self._pictures, self._epoch, self._epochs = 0, epochs + 1, phase.epochs
        self._phase = f"phase {number}: {phase.name}"
        done, self._done = steps_per_epoch * epochs + steps, (Counter(), 0)
        total = steps_per_epoch * phase.epochs
        self._bar.reset(self._task, total=total, completed=done, description=self._description(), speed="")

    def cache_filled(self, done: int, total: int, boundary: str) -> None:
        speed = f"frozen part up to {boundary}: {done} of {total} pictures" if done < total else ""
        self._bar.update(self._task, speed=speed)

    def step_done(self, pictures: int) -> None:
        self._pictures += pictures
        elapsed = self._bar.tasks[0].elapsed or 0
        speed = f"{self._pictures / elapsed:.0f} pictures/s" if elapsed > 1 else ""
        self._bar.update(self._task, advance=1, speed=speed)

    def epoch_done(self, record: EpochRecord) -> None:
        self._add_row(record)
        self._epoch = min(self._epoch + 1, self._epochs)
        self._bar.update(self._task, description=self._description())

    def _add_row(self, record: EpochRecord) -> None:
        self._table.add_row(
            str(record.epoch),
            record.phase_name,
            f"{record.rate:.1e}",
            f"{record.train_loss:.3f}",
            f"{record.val_loss:.3f}",
            f"{record.train_accuracy:.1%}",
            f"{record.val_accuracy:.1%}",
            f"{record.val_balanced_accuracy:.1%}",
            f"{record.val_macro_f1:.1%}",
            f"{record.pictures_per_second:.0f}",
            "best" if record.best else "",
        )

    def phase_ended(self, reason: str) -> None:
        self._bar.update(self._task, speed=reason)

    def warned(self, words: str) -> None:
        self._live.console.print(f"[bold yellow]warning:[/] {escape(printable(words))}", soft_wrap=True)

    def decided(self, row: Evidence) -> None:
        self._live.console.print(f"[bold]{escape(_decision(row))}[/]", soft_wrap=True)

    def _description(self) -> str:
        return f"{self._phase}, epoch {self._epoch} of {self._epochs}, batch"


def _resumed(history: Sequence[EpochRecord], steps: int) -> str:
    within = f", {count(steps, 'step')} of the next" if steps else ""
    return f"resumed after {count(len(history), 'epoch')}{within}"


def _decision(row: Evidence) -> str:
    return f"auto: {row.step}: {row.decision}: {row.reason}"
