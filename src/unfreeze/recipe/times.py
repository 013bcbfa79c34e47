"""Times as people write them: `90s`, `20m`, `1.5h`."""

from __future__ import annotations

import re

_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}


def read_seconds(text: str) -> float:
    """A time in seconds.

    Raises:
        ValueError: it is no such time, or 0; with what was received and what would do.
    """
    parts = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", text.strip())
    if parts is None or float(parts[1]) == 0:
        raise ValueError(f"budget: '{text}' isn't a time: write it like 90s, 30m or 1.5h")
    return float(parts[1]) * _SECONDS[parts[2]]
