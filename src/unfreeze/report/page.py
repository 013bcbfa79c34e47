"""The run as one self-contained HTML page: facts first, as a plain dictionary, then the template."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2

from unfreeze.diagnosis.finding import Finding
from unfreeze.files import write_text
from unfreeze.recipe.plan import Plan
from unfreeze.training.history import EpochRecord


def write_page(
    folder: Path,
    plan: Plan,
    history: Sequence[EpochRecord],
    metrics: dict[str, Any],
    findings: Sequence[Finding],
) -> None:
    """Writes `report.html` from a run's facts and the pictures in its folder. Needs nothing from the network."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("unfreeze.report"), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["percent"] = lambda part: f"{100 * part:.1f} %"
    facts = summarise(folder, plan, history, metrics, findings)
    write_text(folder / "report.html", environment.get_template("report.html").render(facts))


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
        "curves": _embedded(folder / "curves.png"),
        "confusion": _embedded(folder / "confusion.png"),
    }


def _embedded(path: Path) -> str | None:
    if not path.is_file():
        return None
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()
