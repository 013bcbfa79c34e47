"""What came of some faults of one kind."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """Faults of one kind in one framework.

    Attributes:
        fault: what was done, in words.
        framework: `torch`, `tensorflow`, `numpy`, or `-` where none takes part.
        tried, survived: how many. Survived is: no crash, no hang, no traceback, nothing lost or half-written, and an error, if
            any, that names the file and the next step.
        lost: each of the others, in words, with its seed, so that it can be repeated.
    """

    fault: str
    framework: str
    tried: int
    survived: int
    lost: list[str]
