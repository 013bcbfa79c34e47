"""The inspection of a dataset as one self-contained HTML page, with the pictures concerned small."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from unfreeze.data.picture import read_pixels
from unfreeze.errors import DataError
from unfreeze.files import write_text
from unfreeze.inspection.finding import DataFinding
from unfreeze.inspection.inspection import Inspection
from unfreeze.report.counts import draw_counts_png
from unfreeze.report.labels import printable
from unfreeze.report.rendering import as_data_url, render

# Small enough for a page of every kind of finding to open at once; `--json` has all names.
_MOST_GROUPS, _MOST_OF_GROUP, _SIDE_PX = 12, 6, 96
_QUALITY = 80


def write_inspection(inspection: Inspection, files: Mapping[str, Path], path: Path) -> None:
    """Writes the page. Needs nothing from the network.

    Args:
        files: where each picture of the dataset is, by its name.
        path: of the page.
    """
    facts = {
        "inspection": inspection,
        "chart": as_data_url(draw_counts_png(inspection), "image/png"),
        "findings": [summarise_finding(finding, files) for finding in inspection.findings],
    }
    write_text(path, render("inspection.html", facts))


def summarise_finding(finding: DataFinding, files: Mapping[str, Path]) -> dict[str, Any]:
    """What a page shows of a finding, as plain values: the first groups, small, and how many more there are."""
    groups = [
        {
            "pictures": [
                {
                    "name": printable(name),
                    "detail": printable(finding.details.get(name, "")),
                    "small": _small(files[name]) if name in files else None,
                }
                for name in group[:_MOST_OF_GROUP]
            ],
            "more": max(0, len(group) - _MOST_OF_GROUP),
        }
        for group in finding.groups[:_MOST_GROUPS]
    ]
    return {"finding": finding, "groups": groups, "more": max(0, len(finding.groups) - _MOST_GROUPS)}


def _small(path: Path) -> str | None:
    """A picture of at most 96 px as a data URL; None where it can't be read."""
    try:
        pixels = read_pixels(path, _SIDE_PX)
    except DataError:
        return None
    image, content = Image.fromarray(pixels), io.BytesIO()
    image.thumbnail((_SIDE_PX, _SIDE_PX))
    image.save(content, "JPEG", quality=_QUALITY)
    return as_data_url(content.getvalue(), "image/jpeg")
