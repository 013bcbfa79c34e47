"""The evidence of the strategy `auto`, as a table."""

from __future__ import annotations

from collections.abc import Sequence

from rich.markup import escape
from rich.table import Table

from unfreeze.cli.quantities import duration, millions
from unfreeze.recipe.plan import Evidence

_NUMBERS = ("trains", "accuracy", "LogME", "expected", "taken")


def evidence_table(evidence: Sequence[Evidence], watch: str) -> Table:
    """Step by step: what trains, its score with the 95 % interval, the time expected and taken, the decision and why."""
    table = Table(box=None, pad_edge=False)
    for column in ("step", "trains", "accuracy", "95 % interval", watch, "LogME", "expected", "taken", "decision", "because"):
        table.add_column(column, justify="right" if column in (*_NUMBERS, watch) else "left")
    for row in evidence:
        table.add_row(
            row.step,
            millions(row.trainable_parameters) if row.trainable_parameters else "",
            _or_nothing(row.score, ".1%"),
            f"{row.interval[0]:.0%} to {row.interval[1]:.0%}" if row.interval is not None else "",
            _or_nothing(row.watched, ".3f"),
            _or_nothing(row.logme, ".3f"),
            duration(row.estimated_seconds),
            duration(row.seconds),
            row.decision,
            escape(row.reason),
        )
    return table


def _or_nothing(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)
