"""The report of a run as Markdown: to be pasted into an issue, a notebook or a pull request."""

from __future__ import annotations

import re
from typing import Any

from markupsafe import Markup

from unfreeze.report.labels import printable
from unfreeze.report.rendering import render

# What would start a heading, a link, emphasis, code, a table's cell or HTML.
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~])")


def as_markdown(facts: dict[str, Any]) -> str:
    """The facts that `summary.summarise` gave, in words and tables."""
    return re.sub(r"\n{3,}", "\n\n", render("report.md", facts | {"code": code}, escaped)).strip() + "\n"


def escaped(text: str) -> str:
    """Text that stands for itself in Markdown."""
    return _SPECIAL.sub(r"\\\1", text)


def code(text: str) -> Markup:
    """Text as code: between more backticks than it has in a row."""
    fence = "`" * (max((len(run) for run in re.findall("`+", text)), default=0) + 1)
    return Markup(f"{fence} {printable(text)} {fence}" if "`" in text else f"{fence}{printable(text)}{fence}")
