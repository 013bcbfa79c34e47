"""A history of another tool as evidence: read, its columns guessed, its rows made curves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from unfreeze.diagnosis.evidence import Evidence, PhaseCurves
from unfreeze.diagnosis.foreign.curves import ACCURACIES, ALL, curves_of
from unfreeze.diagnosis.foreign.names import CURVES, WHAT, choose_columns, guess_columns, is_top_five, step_column
from unfreeze.diagnosis.foreign.parts import OWN, is_own, own_best_epoch, parts_of
from unfreeze.diagnosis.foreign.rows import Rows, names, number, read_rows
from unfreeze.errors import RecipeError, RunError

# What says which epoch is best, and with which sign lower is better.
_BEST_BY = (("val_loss", 1.0, "lowest validation loss"), ("val_accuracy", -1.0, "highest validation accuracy"))


@dataclass(frozen=True)
class Table:
    """A history file and what it was taken for.

    Attributes:
        path: of the file.
        evidence: the curves, accuracies as parts of 1. There is no plan, and only unfreeze's own files say a boundary.
        columns: what, as in `names.WHAT` -> the column taken for it.
        unused: the columns taken for nothing.
        remarks: what was assumed, in words.
    """

    path: Path
    evidence: Evidence
    columns: Mapping[str, str]
    unused: tuple[str, ...]
    remarks: tuple[str, ...]


def read_table(
    path: str | Path,
    columns: Mapping[str, str] | None = None,
    classes: int | None = None,
    val_pictures: int | None = None,
) -> Table:
    """The history that another tool wrote: CSV (Keras, Lightning, timm, fastai …), JSON (Hugging Face …), or unfreeze's own.

    Columns are guessed by their names. Several rows of an epoch become one: the mean of training's, the last of
    validation's. Accuracies above 1 are percent. A training whose loss stays NaN or infinite ends before that, with
    `training.loop.NOT_FINITE` as its ending. The best epoch is that of the lowest validation loss, or else of the highest
    validation accuracy.

    Args:
        columns: what, as in `names.WHAT` -> the column, where the guess is wrong; an empty one takes a guess back.
        classes: how many classes there are, which no such file says; at least 2.
        val_pictures: how many validation pictures there are; at least 1.

    Raises:
        RunError: there is no such file, it isn't a table with names, none of its columns is known, or a value can't be what
            its column was taken for.
        RecipeError: `columns` names what can't be taken from a history, or a number is out of range.
    """
    _check_counts(classes, val_pictures)
    path = Path(path)
    read = read_rows(path)
    numeric = [name for name in read.columns if any(number(row.get(name)) is not None for row in read.rows)]
    try:
        guess = choose_columns(guess_columns(numeric), read.columns, columns or {})
        _check_enough(guess.columns, read.columns)
        validation = [guess.columns[what] for what in ("val_loss", "val_accuracy") if what in guess.columns]
        parts, about_epochs = parts_of(read.rows, guess.columns.get("epoch"), step_column(numeric), validation)
        phases, about_values = curves_of(parts, guess.columns, _in_percent(read, guess.columns))
    except RunError as error:
        raise RunError(f"{path}: {error}") from None
    own_best = own_best_epoch(read.rows)
    best, about_best = (own_best, []) if own_best is not None else _best_epoch(phases)
    used = {*guess.columns.values(), *(OWN if is_own(read.rows) else ())}
    return Table(
        path=path,
        evidence=Evidence(
            phases=tuple(phase for phase in phases if len(phase)),
            best_epoch=best,
            endings=tuple(phase.ending for phase in phases),
            classes=tuple(f"class {place + 1}" for place in range(classes or 0)),
            val_pictures=val_pictures,
        ),
        columns=guess.columns,
        unused=tuple(name for name in read.columns if name not in used),
        remarks=(*read.remarks, *guess.remarks, *about_epochs, *about_values, *about_best),
    )


def _check_counts(classes: int | None, val_pictures: int | None) -> None:
    for name, count, least in (("classes", classes, 2), ("val_pictures", val_pictures, 1)):
        if count is not None and count < least:
            raise RecipeError(f"{name}: it must be {least} or more, received {count}")


def _check_enough(chosen: Mapping[str, str], columns: Sequence[str]) -> None:
    if not set(CURVES) & set(chosen):
        raise RunError(
            f"no column is known as a loss or an accuracy. There are {names(columns)}."
            f' Say which is which: --columns "train_loss=NAME,val_loss=NAME"; it can be {", ".join(WHAT)}.'
        )


def _in_percent(read: Rows, chosen: Mapping[str, str]) -> bool:
    """Whether accuracies are in percent: where one is above 1, or the top-5 accuracy beside them."""
    measures = [chosen[what] for what in ACCURACIES if what in chosen] + [name for name in read.columns if is_top_five(name)]
    written = (number(row.get(column)) for row in read.rows for column in measures)
    return any(value is not None and ALL < value < math.inf for value in written)


def _best_epoch(phases: Sequence[PhaseCurves]) -> tuple[int | None, list[str]]:
    """The epoch whose weights would be kept, and why that."""
    for what, sign, words in _BEST_BY:
        scores = {
            int(epoch): sign * float(value)
            for phase in phases
            for epoch, value in zip(phase.epochs, getattr(phase, what), strict=True)
            if np.isfinite(value)
        }
        if scores:
            epoch = min(scores, key=lambda one: scores[one])
            return epoch, [f"the best epoch is {epoch}, of the {words}: the file doesn't say whose weights were kept"]
    return None, ["there is nothing of validation in it, which most answers need"]
