"""All trackers of a training as one watcher, none of which can end it."""

from __future__ import annotations

import importlib
import logging
import textwrap
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Self

from unfreeze.errors import TrackerError, did_you_mean, first_line
from unfreeze.recipe.plan import Phase, Plan
from unfreeze.trackers.facts import epoch_numbers
from unfreeze.trackers.tracker import Result, Status, Tracker
from unfreeze.training.history import EpochRecord
from unfreeze.training.watcher import PassingOn, Watcher

# Each is a module here, and an extra of the package.
TRACKERS = ("tensorboard", "mlflow", "wandb")
# Some libraries say what they were sent, too.
_LONGEST_REASON = 200

_log = logging.getLogger(__name__)


def load_trackers(log: str | Sequence[str]) -> dict[str, ModuleType]:
    """The modules of some trackers, each once, by name: to be called before a training, so that it needn't start in vain.

    Args:
        log: their names; one text may hold several, with commas between them.

    Raises:
        TrackerError: one of them is unknown or not installed.
    """
    texts = [log] if isinstance(log, str) else log
    names = [name.strip() for text in texts for name in text.split(",")]
    return {name: _load(name) for name in dict.fromkeys(names) if name}


def open_trackers(log: str | Sequence[str], folder: Path, plan: Plan, watcher: Watcher) -> Trackers:
    """Opens trackers for the run in a folder: a watcher that tells them, and the given one first.

    One that can't be opened, for example because its server doesn't answer, is said in a warning and left out.

    Args:
        log: as for `load_trackers`.

    Raises:
        TrackerError: as `load_trackers`.
    """
    return Trackers(load_trackers(log), folder, plan, watcher)


class Trackers(PassingOn):
    """A watcher that tells another one and some trackers, and a context that closes them in the end.

    A tracker that fails is told nothing more, which a warning of this module's logger says once: what it lacks is in the run's
    folder anyway.
    """

    def __init__(self, modules: dict[str, ModuleType], folder: Path, plan: Plan, watcher: Watcher) -> None:
        super().__init__(watcher)
        self._epochs = 0
        self._status: Status = "failed"
        self._trackers: dict[str, Tracker] = {}
        for name, module in modules.items():
            self._attempt(name, partial(self._open, name, module, folder, plan))

    def resumed(self, history: Sequence[EpochRecord], steps: int) -> None:
        super().resumed(history, steps)
        self._epochs = len(history)

    def phase_started(self, number: int, phase: Phase, steps_per_epoch: int) -> None:
        super().phase_started(number, phase, steps_per_epoch)
        self._tell(lambda tracker: tracker.phase_started(number, phase, self._epochs + 1))

    def epoch_done(self, record: EpochRecord) -> None:
        super().epoch_done(record)
        self._epochs, numbers = record.epoch, epoch_numbers(record)
        self._tell(lambda tracker: tracker.epoch_done(record.epoch, numbers))

    def finished(self, result: Result) -> None:
        """Tells what the training came to."""
        self._status = "interrupted" if result.interrupted else "finished"
        self._tell(lambda tracker: tracker.finished(result))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        status: Status = "interrupted" if kind is not None and issubclass(kind, KeyboardInterrupt) else self._status
        self._tell(lambda tracker: tracker.close(status))

    def _open(self, name: str, module: ModuleType, folder: Path, plan: Plan) -> None:
        self._trackers[name] = module.open_tracker(folder, plan)

    def _tell(self, what: Callable[[Tracker], None]) -> None:
        for name, tracker in list(self._trackers.items()):
            self._attempt(name, partial(what, tracker))

    def _attempt(self, name: str, action: Callable[[], None]) -> None:
        try:
            action()
        except Exception as error:  # whatever its library raises
            self._trackers.pop(name, None)
            _log.warning(
                "note: %s is told nothing more of this training, which goes on (%s: %s)",
                name, type(error).__name__, textwrap.shorten(first_line(error), _LONGEST_REASON, placeholder=" …"),
            )  # fmt: skip


def _load(name: str) -> ModuleType:
    if name not in TRACKERS:
        raise TrackerError(
            f"log: there is no tracker '{name}'.{did_you_mean(name, TRACKERS)}"
            f" It can be {', '.join(TRACKERS[:-1])} or {TRACKERS[-1]}."
        )
    try:
        return importlib.import_module(f"unfreeze.trackers.{name}")
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("unfreeze"):
            raise
        raise TrackerError(
            f"log: {name} needs the package {error.name}, which isn't installed: pip install 'unfreeze[{name}]'"
        ) from None
