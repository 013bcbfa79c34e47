"""From facts and a template to one page that needs nothing from the network."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import jinja2

from unfreeze.report.labels import printable


def render(template: str, facts: dict[str, Any]) -> str:
    """A template of this package, filled in; everything in `facts` is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("unfreeze.report"), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["printable"] = printable
    environment.filters["percent"] = lambda part: f"{100 * part:.1f} %"
    return environment.get_template(template).render(facts)


def embedded(path: Path) -> str | None:
    """A PNG file as a data URL, or None where there is none."""
    if not path.is_file():
        return None
    return as_data_url(path.read_bytes(), "image/png")


def as_data_url(content: bytes, media_type: str) -> str:
    """A file's content as a URL that holds it."""
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"
