"""Writing files whole: under a temporary name, then renamed, so that a reader never sees half a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def write_text(path: Path, text: str) -> None:
    """Writes `text` as UTF-8 with line ends as given."""
    write_bytes(path, text.encode("utf-8", "surrogateescape"))


def write_bytes(path: Path, content: bytes) -> None:
    """Writes `content`."""
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_bytes(content)
    temporary.replace(path)


def write_json(path: Path, values: Any) -> None:
    """Writes plain values as readable JSON."""
    write_text(path, json.dumps(values, indent=2, ensure_ascii=False) + "\n")
