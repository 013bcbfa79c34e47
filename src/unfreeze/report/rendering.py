"""From facts and a template to one page that needs nothing from the network."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from unfreeze.reading import check_readable
from unfreeze.report.labels import printable

_UNKNOWN = "–"


def render(template: str, facts: dict[str, Any], escape: Callable[[str], str] | None = None) -> str:
    """A template of this package, filled in.

    Args:
        facts: of which every text is escaped, and control characters and undecodable bytes in it are made visible.
        escape: how; None for HTML.
    """

    def shown(value: Any) -> Any:
        if not isinstance(value, str) or hasattr(value, "__html__"):
            return value
        return printable(value) if escape is None else escape(printable(value))

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("unfreeze.report"), autoescape=escape is None, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, finalize=shown,
    )  # fmt: skip
    environment.filters |= {
        "printable": printable,
        "percent": lambda part: _UNKNOWN if part is None else f"{100 * part:.1f} %",
        "fixed": lambda number: _UNKNOWN if number is None else f"{number:.3f}",
        "short": _short,
        "as_it_is": Markup,
    }
    return environment.get_template(template).render(facts)


def embedded(path: Path) -> str | None:
    """A PNG file as a data URL, or None where there is none, or a link to somewhere else.

    In a folder from a stranger such a link would put a file of the person's into a page that may be sent back.
    """
    try:
        check_readable(path, within=path.parent)
    except OSError:
        return None
    return as_data_url(path.read_bytes(), "image/png")


def as_data_url(content: bytes, media_type: str) -> str:
    """A file's content as a URL that holds it."""
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


def _short(value: Any) -> str:
    """A number as few digits tell it."""
    if value is None:
        return _UNKNOWN
    return f"{value:.4g}" if isinstance(value, float) else str(value)
