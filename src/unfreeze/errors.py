"""Every error that `unfreeze` raises on purpose, as one family.

    UnfreezeError
    ├── RecipeError       what was asked for can't be: an unknown key, a value out of range, options that contradict
    ├── DataError         the folder, manifest or picture can't be used as it is
    │   └── PictureError  one picture can't be read
    ├── ModelError        no such network, no weights for it, or an input it can't take
    ├── FrameworkError    the framework asked for is unknown or not installed
    ├── TrackerError      the experiment tracker asked for is unknown or not installed
    ├── TrainingError     the training can't go on, for example because the loss became NaN before anything was learned
    ├── StorageError      a file can't be written
    └── RunError          a run folder is missing, incomplete or from elsewhere

A message names what was received, what would do, and the next step. The command line prints the message of any
`UnfreezeError` and ends with status 2; anything else that escapes is a defect of `unfreeze`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UnfreezeError(Exception):
    """The root: catch this to catch everything `unfreeze` raises on purpose."""


class RecipeError(UnfreezeError):
    """A recipe, flag or argument that can't be followed. The message lists all mistakes at once, each by its dotted name."""


class DataError(UnfreezeError):
    """A folder, manifest or picture that can't be used as it is."""


class PictureError(DataError):
    """A picture that can't be read.

    Attributes:
        kind: why, for programs: `unreadable`, `empty-file`, `not-a-picture`, `truncated`, `damaged` or `too-large`.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class ModelError(UnfreezeError):
    """A network that isn't known, whose weights can't be had, or that can't take this input."""


class FrameworkError(UnfreezeError):
    """A framework that is unknown or not installed."""


class TrackerError(UnfreezeError):
    """An experiment tracker that is unknown or not installed."""


class TrainingError(UnfreezeError):
    """A training that can't go on."""


class StorageError(UnfreezeError):
    """A file that can't be written."""


class RunError(UnfreezeError):
    """A run folder that is missing, incomplete or damaged."""


def did_you_mean(received: str, known: Iterable[str]) -> str:
    """` Did you mean 'x'?` for the known name nearest to `received`, or an empty string where none is near."""
    near = difflib.get_close_matches(received, list(known), n=1, cutoff=0.6)
    return f" Did you mean '{near[0]}'?" if near else ""


def first_line(error: BaseException) -> str:
    """The first line of another library's error, or its class where it says nothing: to be part of a message of ours."""
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__
