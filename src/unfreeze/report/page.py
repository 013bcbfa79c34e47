"""The run as one self-contained HTML page: facts first, as a plain dictionary, then the template."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from unfreeze.diagnosis.finding import Finding
from unfreeze.files import write_text
from unfreeze.inspection.finding import DataFinding
from unfreeze.recipe.plan import Plan
from unfreeze.report.imbalance import by_class, imbalance_in_words, loss_in_words
from unfreeze.report.inspection import summarise_finding
from unfreeze.report.rendering import embedded, render
from unfreeze.training.history import EpochRecord
from unfreeze.training.scores import Scores


def write_page(
    folder: Path,
    plan: Plan,
    history: Sequence[EpochRecord],
    metrics: dict[str, Any],
    findings: Sequence[Finding],
    data_findings: Sequence[DataFinding] = (),
    files: Mapping[str, Path] | None = None,
) -> None:
    """Writes `report.html` from a run's facts and the pictures in its folder. Needs nothing from the network.

    Args:
        data_findings: what was found in the pictures, of which some are shown.
        files: where each picture is, by its name.
    """
    facts = summarise(folder, plan, history, metrics, findings)
    facts["data_findings"] = [summarise_finding(finding, files or {}) for finding in data_findings]
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
