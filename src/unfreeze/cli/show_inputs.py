"""What `unfreeze check-inputs` prints."""

from __future__ import annotations

import json
from dataclasses import asdict

from rich.markup import escape
from rich.table import Table

from unfreeze.cli.show import console, say
from unfreeze.inspection.finding import DataFinding
from unfreeze.inspection.inputs import words


def print_inputs(finding: DataFinding) -> None:
    """The finding as JSON."""
    print(json.dumps(asdict(finding), indent=2, ensure_ascii=False))


def show_inputs(finding: DataFinding) -> None:
    """Each hypothesis with its distance, then what follows from them."""
    rows = [(words(name), name, distance) for name, distance in finding.measured.items() if words(name)]
    if rows:
        table = Table(box=None, pad_edge=False)
        table.add_column("the network expects")
        table.add_column("distance", justify="right")
        table.add_column()
        for hypothesis, name, distance in rows:
            table.add_row(escape(hypothesis), f"{distance:.2f}", _remark(finding, name))
        console().print(table)
        say()
    say(escape(finding.explanation))
    if finding.code != "inputs-fit":
        say(escape(finding.advice))


def _remark(finding: DataFinding, name: str) -> str:
    remarks = {"received": "as the pictures come", "expected": "fits best"}
    return ", ".join(remark for key, remark in remarks.items() if finding.details.get(key) == name)
