"""`group_by`: which pictures belong to one patient, camera or session, and so stay in one split.

folder:1          the first folder below the class (in a CSV file: of the path); folder:2 the second, folder:-1 the innermost
name:^(P\\d+)_     a regular expression searched in the file's own name; its first group, or all it found
column:patient    a column of the CSV file
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

KINDS = ("folder", "name", "column")
_EXAMPLES = "folder:1, name:^(P\\d+)_ or column:patient"


class Grouping(NamedTuple):
    """A `group_by`, read: its kind, and the folder's number, the regular expression or the column's name."""

    kind: Literal["folder", "name", "column"]
    value: str

    @property
    def level(self) -> int:
        """Of `folder`: 1 and up from the class folder, -1 and down from the file."""
        return int(self.value)

    @property
    def expression(self) -> re.Pattern[str]:
        """Of `name`."""
        return re.compile(self.value)


def read_grouping(text: str) -> Grouping:
    """What a `group_by` says.

    Raises:
        ValueError: it isn't of one of the three kinds, with what was received and what would do.
    """
    kind, _, value = text.partition(":")
    if kind not in KINDS or not value:
        raise ValueError(f"group_by: '{text}' won't do: write {_EXAMPLES}")
    if kind == "folder" and (not re.fullmatch(r"-?\d+", value) or int(value) == 0):
        raise ValueError(f"group_by: '{text}' won't do: folders are counted 1, 2 … below the class, or -1, -2 … from the file")
    if kind == "name":
        try:
            re.compile(value)
        except re.error as error:
            raise ValueError(f"group_by: '{value}' is no regular expression ({error}): write {_EXAMPLES}") from None
    return Grouping(kind, value)  # type: ignore[arg-type]
