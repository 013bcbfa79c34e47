"""What `find-lr` prints: for each phase its losses over the rates, and what to write."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.markup import escape

from unfreeze.cli.show import say
from unfreeze.training.range_test import RULES, Kind, RangeTest

_BARS = "▁▂▃▄▅▆▇█"
_WIDTH = 60
_FLAGS: dict[Kind, str] = {"head": "--head-rate", "unfrozen": "--rate"}


def show_rates(tests: Sequence[RangeTest], written: Sequence[Path]) -> None:
    """Each test as a line of bars with a sentence and the rule; then what to write in the command."""
    for test in tests:
        verdict = test.verdict
        bars, mark = _bars(test)
        say(f"\n[bold]{escape(test.phase)}[/], training from {escape(test.boundary)}: {len(test.rates)} steps")
        say(f"  loss  {bars}  {min(test.smoothed):.3g} to {test.smoothed[0]:.3g}, then {test.smoothed[-1]:.3g}")
        say(f"  rate  {mark}  {test.rates[0]:.1e} to {test.rates[-1]:.1e}")
        said = "could not tell" if verdict.suggestion is None else f"rate {verdict.suggestion:g}"
        say(f"  [bold]{said}[/]: {escape(verdict.explanation)}")
        say(f"  the rule: {RULES[test.kind]}")
    say()
    found = [f"{_FLAGS[test.kind]} {test.verdict.suggestion:g}" for test in tests if test.verdict.suggestion is not None]
    if found:
        say(f"to train so: {' '.join(found)}, or --lr auto, which looks for them before training")
    for path in written:
        say(f"written: {escape(str(path))}")


def _bars(test: RangeTest) -> tuple[str, str]:
    """The smoothed losses as bars, up to twice the range in which they fall; and a line with a mark at the suggestion."""
    width = min(_WIDTH, len(test.smoothed))
    places = [round(column * (len(test.smoothed) - 1) / max(width - 1, 1)) for column in range(width)]
    low = min(test.smoothed)
    height = max(2 * (test.smoothed[0] - low), 1e-9)
    levels = [min(max((test.smoothed[place] - low) / height, 0.0), 1.0) for place in places]
    suggestion = test.verdict.suggestion
    marked = None if suggestion is None else min(range(width), key=lambda column: abs(test.rates[places[column]] - suggestion))
    return (
        "".join(_BARS[round(level * (len(_BARS) - 1))] for level in levels),
        "".join("▲" if column == marked else "·" for column in range(width)),
    )
