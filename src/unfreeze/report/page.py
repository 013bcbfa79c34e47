"""The run as one self-contained HTML page: facts first, as a plain dictionary, then the template."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from unfreeze.diagnosis.finding import Finding
from unfreeze.files import write_text
from unfreeze.recipe.plan import Plan
from unfreeze.report.imbalance import by_class, imbalance_in_words, loss_in_words
from unfreeze.report.rendering import embedded, render
from unfreeze.training.history import EpochRecord
from unfreeze.training.scores import Scores


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
    shown = metrics["test"] or metrics["validation"]
    return {
        "run": folder.name,
        "plan": plan,
        "history": history,
        "metrics": metrics,
        "loss": loss_in_words(plan),
        "imbalance": imbalance_in_words(plan),
        "by_class": by_class(plan),
        "shown": Scores.from_dict(shown) if shown else None,
        "shown_split": "test" if metrics["test"] else "validation",
        "findings": findings,
        "curves": embedded(folder / "curves.png"),
        "confusion": embedded(folder / "confusion.png"),
    }
