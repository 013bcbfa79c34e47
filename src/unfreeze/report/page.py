"""The run as one self-contained HTML page: facts first, as a plain dictionary, then the template."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from unfreeze.diagnosis.finding import Finding
from unfreeze.files import write_text
from unfreeze.recipe.plan import Plan
from unfreeze.report.rendering import embedded, render
from unfreeze.training.history import EpochRecord


def write_page(
    folder: Path,
    plan: Plan,
    history: Sequence[EpochRecord],
    metrics: dict[str, Any],
    findings: Sequence[Finding],
) -> None:
    """Writes `report.html` from a run's facts and the pictures in its folder. Needs nothing from the network."""
    facts = summarise(folder, plan, history, metrics, findings)
    write_text(folder / "report.html", render("report.html", facts))


def summarise(
    folder: Path,
    plan: Plan,
    history: Sequence[EpochRecord],
    metrics: dict[str, Any],
    findings: Sequence[Finding],
) -> dict[str, Any]:
    """What the page shows, as plain values."""
    return {
        "run": folder.name,
        "plan": plan,
        "history": history,
        "metrics": metrics,
        "shown": metrics["test"] or metrics["validation"],
        "shown_split": "test" if metrics["test"] else "validation",
        "findings": findings,
        "curves": embedded(folder / "curves.png"),
        "confusion": embedded(folder / "confusion.png"),
    }
