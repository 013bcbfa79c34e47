"""Reading texts that may be damaged, edited by hand or written by a stranger: nothing without end, nothing without bounds.

What goes wrong is an OSError or a ValueError with the reason in one line, for the reader to name the file it was.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

# A data.json that names a million pictures has about 200 MB.
MOST_BYTES = 2**30
# A plan of half a million pictures left out, each with its reason, has about a million values.
MOST_VALUES, DEEPEST = 5_000_000, 100


class Loader(yaml.SafeLoader):
    """As the safe loader, but it gives up where values are nested too deeply, and not when Python's stack is full."""

    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        self._depth += 1
        if self._depth > DEEPEST:
            raise RecursionError
        node: yaml.Node | None = super().compose_node(parent, index)
        self._depth -= 1
        return node


def check_readable(path: Path, within: Path | None = None) -> None:
    """Refuses what is no file with an end, before it is opened: a pipe would be waited on for ever.

    Args:
        within: the folder that the file must lie in, links followed; None for anywhere.

    Raises:
        OSError: it isn't there, is a folder, pipe or device, or is a link that leads out of `within`.
    """
    path.stat()  # with the system's reason where there is none
    if not path.is_file():
        raise OSError("a folder, pipe or device, not a file")
    if within is not None and not path.resolve().is_relative_to(within.resolve()):
        raise OSError("a link to a file outside of the folder: put the file itself there")


def read_text(path: Path, within: Path | None = None, errors: str = "strict") -> str:
    """A text in UTF-8.

    Args:
        within: as for `check_readable`.
        errors: what is done about bytes that aren't UTF-8, as for `open`.

    Raises:
        OSError: as `check_readable`, it can't be read, or has more than `MOST_BYTES`.
        ValueError: it isn't UTF-8.
    """
    check_readable(path, within)
    if path.stat().st_size > MOST_BYTES:
        raise OSError(f"larger than {MOST_BYTES:,} bytes")
    return path.read_text(encoding="utf-8", errors=errors)


def parse_json(text: str) -> Any:
    """Plain values.

    Raises:
        ValueError: it isn't JSON, or is nested too deeply.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def parse_yaml(text: str, loader: type[Loader] = Loader) -> Any:
    """Plain values.

    An alias stands for a value that was given before, so a page of text can stand for more values than any memory holds ("a
    billion laughs"), or for one that holds itself.

    Args:
        loader: a `Loader`, or stricter.

    Raises:
        ValueError: it isn't YAML, is nested too deeply, or stands for more than `MOST_VALUES`.
    """
    try:
        values = yaml.load(text, loader)
        count = _count(values, 0, {})
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from None
    # What PyYAML lets through of values that are no such thing: `!!int x`, `!!float {}`, `!!bool maybe`.
    except (TypeError, KeyError, AttributeError, IndexError, OverflowError) as error:
        raise ValueError(f"a value isn't what its tag says ({error!r})") from None
    if count > MOST_VALUES:
        raise ValueError("its aliases stand for more values than can be held")
    return values


def _count(value: Any, depth: int, known: dict[int, int]) -> int:
    """How many values a value stands for; what stands at several places is looked at once, and counts at each.

    Raises RecursionError: it is nested too deeply, or holds itself.
    """
    if depth > DEEPEST:
        raise RecursionError
    if not isinstance(value, (dict, list, set, tuple)):
        return 1
    if id(value) not in known:
        parts = [*value, *value.values()] if isinstance(value, dict) else value
        known[id(value)] = 1 + sum(_count(part, depth + 1, known) for part in parts)
    return known[id(value)]
