"""How a comparison of runs is printed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from unfreeze.cli.show import console, say
from unfreeze.report.comparison.comparison import Comparison
from unfreeze.report.comparison.differences import Row
from unfreeze.report.comparison.page import PAGE
from unfreeze.report.labels import printable


def show_comparison(comparison: Comparison, to: Path | None) -> None:
    """The verdict, results, what differs in the plans, the tests behind it, and what to know before reading them."""
    names = [run.name for run in comparison.runs]
    say(f"[bold]{escape(printable(comparison.verdict.words))}[/]\n")
    console().print(_table("", names, comparison.results))
    if comparison.differences:
        say()
        console().print(_table("differs in the plan", names, comparison.differences))
    else:
        say("\nThe plans are the same in every value.")
    say()
    for pair in comparison.pairs:
        say(escape(printable(pair.in_words())))
    for remark in comparison.remarks:
        say(f"[bold yellow]note:[/] {escape(printable(remark))}")
    if to is not None:
        say(f"\nlook at     {escape(str(to / PAGE))}")


def _table(first: str, names: Sequence[str], rows: Sequence[Row]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column(first)
    for name in names:
        table.add_column(escape(printable(name)), overflow="fold")
    for row in rows:
        table.add_row(escape(row.name), *(escape(printable(value)) for value in row.values))
    return table
