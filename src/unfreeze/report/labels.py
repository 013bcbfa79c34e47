"""Names as a terminal can print and matplotlib can draw them."""

from __future__ import annotations

from collections.abc import Sequence

# A longer name would leave no room for the chart itself.
_LONGEST = 40
# Python takes them for unprintable; without them some scripts and most emoji of people fall apart.
_JOINERS = "\u200c\u200d\xa0"


def printable(text: str) -> str:
    """Text in which control characters (a newline in a file name) and undecodable bytes are shown as escapes."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char in _JOINERS else char.encode("unicode_escape").decode() for char in text)


def visible(text: str) -> str:
    """As `printable`, of several lines: nothing in a name may move a terminal's cursor or change its title."""
    return "\n".join(map(printable, text.split("\n")))


def drawable(classes: Sequence[str]) -> list[str]:
    """The names, shortened to 40 characters and with everything escaped that matplotlib would choke on."""
    return [_drawable(name) for name in classes]


def _drawable(name: str) -> str:
    short = name if len(name) <= _LONGEST else name[: _LONGEST - 1] + "…"
    # A folder's name that isn't UTF-8 holds surrogates, with which matplotlib ends in a TypeError.
    return printable(short).replace("$", r"\$")  # a dollar sign starts a formula
