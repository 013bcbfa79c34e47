"""The rows of a history gathered by epoch, and where it is several trainings one after the other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise

from unfreeze.diagnosis.foreign.rows import Row, number

# The columns in which unfreeze's own history.csv says what a phase is.
OWN = PHASE, PHASE_NAME, BOUNDARY, BEST = "phase", "phase_name", "boundary", "best"
# An epoch that rounding made a little more than whole.
_ROUNDING = 1e-3
# Larger ones aren't epochs.
_MOST_EPOCHS = 1e9


@dataclass
class Part:
    """One training of a file: epoch, from 1 over the whole file -> its rows; with its name and boundary where the file says."""

    name: str = ""
    boundary: str | None = None
    rows: dict[int, list[Row]] = field(default_factory=dict)


def parts_of(
    rows: Sequence[Row], epoch: str | None, step: str | None, validation: Sequence[str]
) -> tuple[list[Part], list[str]]:
    """The trainings in a file, in order, and what was assumed about epochs, in words.

    A file without steps has one row an epoch. Where its epochs begin again at the first, another training follows; where they
    go back to a later one, the training was taken up again from there and what had come after is replaced.

    Args:
        epoch, step: the columns that count them, where there are any.
        validation: the columns of validation, which end an epoch where no column says which it is.
    """
    if is_own(rows):
        return _own(rows), []
    numbered, remarks = _epochs(rows, epoch, validation)
    if len(set(numbered)) > 1 and numbered == sorted(numbered, reverse=True):
        rows, numbered = rows[::-1], numbered[::-1]
        remarks.append("the file has its last epoch first, and is read the other way round")
    parts, replaced = _divided(rows, numbered, several=step is not None)
    if numbered[0] == 0:
        remarks.append("epochs are counted from 1 here, from 0 in the file")
    if replaced:
        remarks.append(f"the training was taken up again: {replaced} of its epochs are there twice, the later ones count")
    if len(parts) > 1 and all(len(part.rows) == 1 for part in parts):
        parts = [Part(rows={epoch: kept for part in parts for epoch, kept in part.rows.items()})]
        remarks.append("every row is called the same epoch: they are taken for one training, in this order")
    if len(parts) > 1:
        begins = ", ".join(str(next(iter(part.rows))) for part in parts[1:])
        remarks.append(
            f"the file counts its epochs anew: {len(parts)} trainings of one network are assumed, the later ones from epoch"
            f" {begins} on. If they are of different ones, give each a file of its own."
        )
    return parts, remarks


def _divided(rows: Sequence[Row], numbered: Sequence[int], several: bool) -> tuple[list[Part], int]:
    """The trainings, and how many epochs were replaced by later ones.

    Args:
        numbered: the epoch of each row as the file counts.
        several: whether an epoch may have several rows.
    """
    first, parts, replaced = numbered[0], [Part()], 0
    # From the file's count to ours, which begins at 1 at the least and goes on from one training to the next.
    offset = max(first, 1) - first
    for row, before, current in zip(rows, [first - 1, *numbered], numbered, strict=False):
        goes_back = current < before or (current == before and not several)
        if goes_back and current <= first:
            offset += before - first + 1
            parts.append(Part())
        elif goes_back:
            replaced += before - current + 1
            parts[-1].rows = {epoch: kept for epoch, kept in parts[-1].rows.items() if epoch < current + offset}
        parts[-1].rows.setdefault(current + offset, []).append(row)
    return parts, replaced


def is_own(rows: Sequence[Row]) -> bool:
    """Whether unfreeze itself wrote the history: with its columns, and epochs that go on from phase to phase."""
    epochs = [_sensible(number(row.get("epoch"))) or 0.0 for row in rows]
    return all(set(OWN) <= set(row) for row in rows) and all(one < other for one, other in pairwise([0.0, *epochs]))


def own_best_epoch(rows: Sequence[Row]) -> int | None:
    """The last epoch that unfreeze's own history calls the best so far; None for other files."""
    best = [int(number(row["epoch"]) or 0) for row in rows if number(row[BEST])] if is_own(rows) else []
    return best[-1] if best else None


def _own(rows: Sequence[Row]) -> list[Part]:
    parts: dict[str, Part] = {}
    for row in rows:
        part = parts.setdefault(row[PHASE], Part(row[PHASE_NAME], row[BOUNDARY]))
        part.rows[int(number(row["epoch"]) or 0)] = [row]
    return list(parts.values())


def _epochs(rows: Sequence[Row], epoch: str | None, validation: Sequence[str]) -> tuple[list[int], list[str]]:
    """The epoch of each row as the file counts; parts of epochs (Hugging Face) belong to the epoch they are of, from 1."""
    if epoch is None:
        return _without_numbers(rows, validation)
    said = [_sensible(number(row.get(epoch))) for row in rows]
    if any(value is not None and value % 1 > _ROUNDING for value in said):
        said = [None if value is None else max(1, math.ceil(value - _ROUNDING)) for value in said]
    return _filled(said), []


def _without_numbers(rows: Sequence[Row], validation: Sequence[str]) -> tuple[list[int], list[str]]:
    ends = [any(number(row.get(column)) is not None for column in validation) for row in rows]
    if not any(ends) or all(ends):
        return list(range(1, len(rows) + 1)), ["no column says the epoch: each row is taken for one"]
    numbered = [1 + ended for ended in accumulate(ends[:-1], initial=0)]
    return numbered, ["no column says the epoch: each validation is taken for the end of one"]


def _sensible(value: float | None) -> float | None:
    return value if value is not None and abs(value) < _MOST_EPOCHS else None


def _filled(said: Sequence[float | None]) -> list[int]:
    """Where a row doesn't say its epoch it is that of the next row that does (Lightning's learning rates), or else the last."""
    known = [value for value in said if value is not None]
    upcoming = known[-1] if known else 1
    filled = []
    for value in reversed(said):
        upcoming = value if value is not None else upcoming
        filled.append(int(upcoming))
    return filled[::-1]
