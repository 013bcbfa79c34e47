"""What is found in a dataset: one kind of thing, how much it matters, which pictures, and what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Severity = Literal["note", "warning", "error"]
_MOST_LISTED = 5


@dataclass(frozen=True)
class DataFinding:
    """One thing found in a dataset. What wasn't found gives none.

    Attributes:
        code: stable, for scripts: `unreadable`, `leakage`, `label-conflict` …
        severity: `error` where training on the data as it is would mislead, `warning` where it probably matters, `note` else.
        explanation: what was seen, in words, with the numbers.
        groups: the pictures concerned, by name: for duplicates a tuple for each cluster, else one name in each.
        details: name -> what is to be said of that picture alone.
        measured: the numbers measured; `thresholds` those they were compared with.
        advice: what the person can do, in words.
        remedy: changes to the recipe, dotted name -> value; empty where none would help.
    """

    code: str
    severity: Severity
    explanation: str
    groups: tuple[tuple[str, ...], ...] = ()
    details: dict[str, str] = field(default_factory=dict)
    measured: dict[str, float] = field(default_factory=dict)
    thresholds: dict[str, float] = field(default_factory=dict)
    advice: str = ""
    remedy: dict[str, Any] = field(default_factory=dict)

    @property
    def pictures(self) -> tuple[str, ...]:
        """The pictures concerned, each once, in order."""
        return tuple(dict.fromkeys(name for group in self.groups for name in group))


def read_finding(values: Mapping[str, Any]) -> DataFinding:
    """A finding from its values as plain JSON; whatever they lack is a TypeError."""
    return DataFinding(**{**values, "groups": tuple(map(tuple, values["groups"]))})


def listed(parts: Sequence[str], joint: str = ", ") -> str:
    """The first few of what may be many, with how many more there are: explanations stay short, `details` has all."""
    more = len(parts) - _MOST_LISTED
    return joint.join(parts[:_MOST_LISTED]) + (f"{joint}and {more} more" if more > 0 else "")
