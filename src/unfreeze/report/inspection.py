"""The inspection of a dataset as one self-contained HTML page, with the pictures concerned small."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unfreeze.files import write_text
from unfreeze.inspection.finding import DataFinding
from unfreeze.inspection.inspection import Inspection
from unfreeze.report.counts import draw_counts_png
from unfreeze.report.labels import printable
from unfreeze.report.rendering import as_data_url, render
from unfreeze.report.thumbnails import Thumbnails

# Small enough for a page of every kind of finding to open at once; `--json` has all names.
_MOST_GROUPS, _MOST_OF_GROUP = 12, 6


def write_inspection(inspection: Inspection, files: Mapping[str, Path], path: Path) -> None:
    """Writes the page. Needs nothing from the network.

    Args:
        files: where each picture of the dataset is, by its name.
        path: of the page.
    """
    facts = {
        "inspection": inspection,
        "chart": as_data_url(draw_counts_png(inspection), "image/png"),
        "findings": [summarise_finding(finding, Thumbnails(files)) for finding in inspection.findings],
    }
    write_text(path, render("inspection.html", facts))


def summarise_finding(finding: DataFinding, thumbnails: Thumbnails) -> dict[str, Any]:
    """What a page shows of a finding, as plain values: the first groups, small, and how many more there are."""
    shown = [group[:_MOST_OF_GROUP] for group in finding.groups[:_MOST_GROUPS]]
    small = thumbnails.small(name for group in shown for name in group)
    groups = [
        {
            "pictures": [
                {
                    "name": printable(name),
                    "detail": printable(finding.details.get(name, "")),
                    "small": small.get(name),
                }
                for name in some
            ],
            "more": max(0, len(group) - _MOST_OF_GROUP),
        }
        for some, group in zip(shown, finding.groups, strict=False)
    ]
    return {"finding": finding, "groups": groups, "more": max(0, len(finding.groups) - _MOST_GROUPS)}
