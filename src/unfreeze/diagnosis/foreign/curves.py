"""The rows of a training as curves in our units: accuracies as parts of 1, and an end where the loss is no number any more."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from unfreeze.diagnosis.evidence import COLUMNS, PhaseCurves, Values
from unfreeze.diagnosis.foreign.names import CURVES, is_error_rate
from unfreeze.diagnosis.foreign.parts import Part
from unfreeze.diagnosis.foreign.rows import number
from unfreeze.errors import RunError
from unfreeze.training.loop import NOT_FINITE

NAME = "training"
ACCURACIES = ("train_accuracy", "val_accuracy")
# Rounding may lift an accuracy a little above 1, or above 100 %.
ALL, _PERCENT = 1.0 + 1e-6, 100.0 + 1e-4


def curves_of(parts: Sequence[Part], columns: Mapping[str, str], percent: bool) -> tuple[list[PhaseCurves], list[str]]:
    """A phase for each part, and what was assumed about values, in words. Those without any epoch are among them.

    Args:
        columns: what, as in `names.WHAT` -> column.
        percent: whether accuracies are 0 to 100 in the file.

    Raises:
        RunError: an accuracy is below 0 or above 100.
    """
    names = [part.name or (NAME if len(parts) == 1 else f"{NAME} {place}") for place, part in enumerate(parts, start=1)]
    phases = [_phase(name, part, columns) for name, part in zip(names, parts, strict=True)]
    remarks = _means(parts, columns)
    for what in ACCURACIES:
        if what in columns:
            phases, remark = _as_parts_of_one(phases, what, columns[what], 100.0 if percent else 1.0)
            remarks += remark
    ended = [_until_not_finite(phase) for phase in phases]
    return [phase for phase, _ in ended], remarks + [remark for _, remark in ended if remark]


def _phase(name: str, part: Part, columns: Mapping[str, str]) -> PhaseCurves:
    """A part's rows as curves, epochs of which they say nothing left out. A loss that isn't finite is infinite here."""
    taken = {columns[what] for what in CURVES if what in columns}
    kept = {epoch: rows for epoch, rows in part.rows.items() if any(taken & set(row) for row in rows)}

    def curve(what: str) -> Values:
        column = columns.get(what, "")
        return np.array([_one(what, [number(row.get(column)) for row in rows]) for rows in kept.values()], np.float64)

    return PhaseCurves(
        name=name,
        epochs=np.array(list(kept), np.int64),
        boundary=part.boundary,
        ending="",
        **{what: curve(what) for what in COLUMNS},
    )


def _one(what: str, cells: Sequence[float | None]) -> float:
    """The value of an epoch from those of its rows; NaN where none has one."""
    written = [cell for cell in cells if cell is not None]
    finite = [cell for cell in written if math.isfinite(cell)]
    if not finite:
        return math.inf if written and what.endswith("loss") else math.nan
    if what == "gradient_norm":
        return max(finite)
    return float(np.mean(finite)) if what.startswith("train") else finite[-1]


def _means(parts: Sequence[Part], columns: Mapping[str, str]) -> list[str]:
    column = columns.get("train_loss", "")
    most = max((sum(column in row for row in rows) for part in parts for rows in part.rows.values()), default=0)
    return [f"'{column}' has up to {most} rows an epoch: their mean is taken"] if most > 1 else []


def _as_parts_of_one(phases: Sequence[PhaseCurves], what: str, column: str, unit: float) -> tuple[list[PhaseCurves], list[str]]:
    """The phases with an accuracy that is 0 to 1: divided by `unit`, and turned round where it is an error rate."""
    values = np.concatenate([getattr(phase, what) for phase in phases])
    low, high = (float(edge(values, initial=0.0, where=np.isfinite(values))) for edge in (np.min, np.max))
    if low < 0 or high > _PERCENT:
        raise RunError(
            f"'{column}' was taken for an accuracy and has values from {low:g} to {high:g}, which no accuracy has."
            f' Say what is: --columns "{what}=NAME", or "{what}=" for none.'
        )
    remarks = [f"'{column}' is in percent, by the values in the file"] if unit > 1 else []
    turned = is_error_rate(column)
    if turned:
        remarks.append(f"'{column}' says how many are wrong: the accuracy is {unit:g} less that")

    def changed(curve: Values) -> Values:
        parts: Values = np.minimum(curve / unit, 1.0)
        return 1.0 - parts if turned else parts

    return [_with(phase, {what: changed(getattr(phase, what))}) for phase in phases], remarks


def _until_not_finite(phase: PhaseCurves) -> tuple[PhaseCurves, str]:
    """The phase up to where its training loss stays NaN or infinite; where it doesn't stay so, such a value isn't known."""
    written = np.flatnonzero(~np.isnan(phase.train_loss))
    last_finite = max(written[np.isfinite(phase.train_loss[written])], default=-1)
    failed = written[written > last_finite]
    if len(failed):
        remark = (
            f"the training loss is NaN or infinite from epoch {phase.epochs[failed[0]]} on: nothing after that is looked at"
        )
        return _finite(replace(_first(phase, int(failed[0])), ending=NOT_FINITE)), remark
    odd = np.isinf(phase.train_loss) | np.isinf(phase.val_loss)
    remark = f"a loss is NaN or infinite in epoch {', '.join(map(str, phase.epochs[odd]))}" if odd.any() else ""
    return _finite(phase), remark


def _finite(phase: PhaseCurves) -> PhaseCurves:
    losses = {what: getattr(phase, what) for what in ("train_loss", "val_loss")}
    return _with(phase, {what: np.where(np.isinf(values), np.nan, values) for what, values in losses.items()})


def _first(phase: PhaseCurves, epochs: int) -> PhaseCurves:
    return _with(phase, {what: getattr(phase, what)[:epochs] for what in ("epochs", *COLUMNS)})


def _with(phase: PhaseCurves, curves: Mapping[str, Any]) -> PhaseCurves:
    return replace(phase, **curves)
