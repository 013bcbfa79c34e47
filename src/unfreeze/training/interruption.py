"""Ctrl-C and SIGTERM, which a scheduler sends before it takes a machine away: heard where a training can stop in good order."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType


class Terminated(KeyboardInterrupt):
    """SIGTERM, which is treated as Ctrl-C is."""


class Interruption:
    """While it listens a signal raises `KeyboardInterrupt` or `Terminated`: at once, or where it is held, at the next `check`.

    Of two signals the second isn't held any more, so that nothing can keep a process from ending.
    """

    def __init__(self) -> None:
        self._is_held = False
        self._heard: int | None = None

    @contextlib.contextmanager
    def listening(self) -> Iterator[Interruption]:
        """Inside the context signals come here. Only the main thread can be told of them; elsewhere nothing changes.

        One that is ignored, as Ctrl-C is by what a shell starts in the background, stays so.
        """
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        changed = {number: handler for number, handler in before.items() if handler is not signal.SIG_IGN}
        for number in changed:
            signal.signal(number, self._hear)
        try:
            yield self
        finally:
            for number, handler in changed.items():
                signal.signal(number, handler)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Inside the context a signal waits for `check`, or for the context's end."""
        self._is_held = True
        try:
            yield
        finally:
            self._is_held = False
        self.check()

    @property
    def is_asked(self) -> bool:
        """Whether a signal is waiting."""
        return self._heard is not None

    def check(self) -> None:
        """Raises what was held.

        Raises:
            KeyboardInterrupt: Ctrl-C.
            Terminated: SIGTERM.
        """
        if self._heard is not None:
            heard, self._heard = self._heard, None
            raise _error_of(heard)

    def _hear(self, number: int, _: FrameType | None) -> None:
        if self._is_held and self._heard is None:
            self._heard = number
            return
        self._heard = None
        raise _error_of(number)


def _error_of(number: int) -> KeyboardInterrupt:
    return Terminated() if number == signal.SIGTERM else KeyboardInterrupt()
