"""A comparison in three forms of the same facts: comparison.json, .md and .html; and its curves as a picture."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from unfreeze.files import make_folder, write_text
from unfreeze.report.comparison.charts import COLOURS, comparison_panels
from unfreeze.report.comparison.comparison import Comparison
from unfreeze.report.comparison.curves import draw_comparison
from unfreeze.report.comparison.summary import summarise_comparison
from unfreeze.report.markdown import code, escaped
from unfreeze.report.page import where_they_were
from unfreeze.report.rendering import render
from unfreeze.report.thumbnails import Thumbnails

PAGE, TEXT, FACTS, CURVES = "comparison.html", "comparison.md", "comparison.json", "comparison.png"
_MOST_SHOWN, _THUMBNAIL_BYTES, _MOST_EPOCHS = 24, 400_000, 300


def write_comparison(comparison: Comparison, folder: Path) -> None:
    """Writes `comparison.html`, `.md`, `.json` and `.png`; the folder is made if it isn't there.

    The page needs nothing from the network. Of the pictures on which the runs disagree it shows those that are still where the
    runs found them.

    Raises:
        StorageError: they can't be written.
    """
    make_folder(folder)
    facts = summarise_comparison(comparison)
    write_text(folder / FACTS, json.dumps(facts, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
    draw_comparison(comparison.runs, folder / CURVES)
    text = render("comparison.md", facts | {"code": code, "curves": CURVES, "most_shown": _MOST_SHOWN}, escaped)
    write_text(folder / TEXT, re.sub(r"\n{3,}", "\n\n", text).strip() + "\n")
    shown = {
        "panels": comparison_panels(comparison.runs),
        "accuracies": _accuracies(facts),
        "thumbnails": _thumbnails(comparison),
        "most_shown": _MOST_SHOWN,
        "most_epochs": _MOST_EPOCHS,
        "colours": COLOURS,
    }
    write_text(folder / PAGE, render(PAGE, facts | shown))


def _accuracies(facts: dict[str, Any]) -> list[dict[str, Any] | None]:
    """Each run's accuracy with its interval on a scale that all of them share, in 0–100; None of a run without one."""
    scores = [run["scores"].get(facts["split"]) for run in facts["runs"]]
    ends = [end for score in scores if score for end in score["interval"]]
    if not ends:
        return []
    margin = max(0.05 * (max(ends) - min(ends)), 0.002)
    low, high = min(ends) - margin, max(ends) + margin

    def place(part: float) -> float:
        return float(round(100 * (part - low) / (high - low), 2))

    return [
        score and {"from": place(score["interval"][0]), "to": place(score["interval"][1]), "at": place(score["accuracy"])}
        for score in scores
    ]


def _thumbnails(comparison: Comparison) -> dict[str, str]:
    """Pictures on which the runs disagree, as data URLs by name, from where the first run found them."""
    if comparison.disputed is None:
        return {}
    files = comparison.runs[0].files
    thumbnails = Thumbnails(where_they_were(files), files.data.get("pictures"), _THUMBNAIL_BYTES)
    return thumbnails.small(one.name for one in comparison.disputed.pictures[:_MOST_SHOWN])
