"""The command `unfreeze` in this process."""

from __future__ import annotations

from collections.abc import Callable

# What was typed after `unfreeze` -> its status, what it printed, and what it printed to stderr.
Command = Callable[..., tuple[int, str, str]]

NUMPY = ("--framework", "numpy", "--model", "tiny")
