"""Rows as a table of faults tried, survived and lost."""

from __future__ import annotations

from collections.abc import Sequence

from soak.rows import Row

_HEADER = ("fault", "framework", "tried", "survived", "lost")


def as_markdown(rows: Sequence[Row]) -> str:
    """The table with its sums, and below it each fault that was lost."""
    lines = [_line(_HEADER), _line(["---"] * len(_HEADER))]
    lines += [_line((row.fault, row.framework, row.tried, row.survived, row.tried - row.survived)) for row in rows]
    tried, survived = sum(row.tried for row in rows), sum(row.survived for row in rows)
    lines.append(_line(("**all**", "", tried, survived, f"**{tried - survived}**")))
    lost = [f"- {row.fault} ({row.framework}): {one}" for row in rows for one in row.lost]
    return "\n".join([*lines, *(["", "Lost:", "", *lost] if lost else [])]) + "\n"


def _line(cells: Sequence[object]) -> str:
    return f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in cells)} |"
