"""Pictures that look unfit: dark, bright, of one colour, blurred."""

from __future__ import annotations

from collections.abc import Callable

from unfreeze.data.dataset import Dataset
from unfreeze.data.look import SIDE_PX, Look
from unfreeze.inspection.finding import DataFinding

CODES = ("dark", "bright", "low-information", "blurry")
# cleanvision 0.3.7's, on the same percentiles: 99 % of the pixels are darker than 0.32, 95 % brighter than 0.95.
DARK, BRIGHT = 0.32, 0.95
# Where nearly the darkest and the brightest pixel are farther apart, something is to be seen: a drawing, stars.
LOW_CONTRAST = 0.4
# 20 of 255 levels between nearly the brightest and the darkest pixel.
FLAT = 0.08
# Of 3,781 clothing photos none is below (of 421 the least is 0.28); blurred by 2 pixels at this size 98 of 100 are
# (docs/decisions/0013-duplicates.md).
BLURRED = 0.23


def find_in_looks(dataset: Dataset) -> list[DataFinding]:
    """What is found in how pictures look, of a dataset that was scanned closely; a picture may be in several findings."""
    found = [
        _finding(
            dataset,
            "dark",
            lambda look: look.brightest < DARK and look.spread < LOW_CONTRAST,
            lambda look: f"99 % of it is darker than {look.brightest:.2f} of white",
            "nearly black",
            {"brightest": DARK, "spread": LOW_CONTRAST},
        ),
        _finding(
            dataset,
            "bright",
            lambda look: look.darkest > BRIGHT and look.spread < LOW_CONTRAST,
            lambda look: f"95 % of it is brighter than {look.darkest:.2f} of white",
            "nearly white",
            {"darkest": BRIGHT, "spread": LOW_CONTRAST},
        ),
        _finding(
            dataset,
            "low-information",
            lambda look: look.spread < FLAT,
            lambda look: f"its levels spread over {look.spread:.2f} of black to white",
            "nearly of one level",
            {"spread": FLAT},
        ),
        _finding(
            dataset,
            "blurry",
            lambda look: look.spread >= FLAT and look.sharpness is not None and look.sharpness < BLURRED,
            lambda look: f"the steepest edge rises by {look.sharpness:.2f} of its height in a pixel",
            f"blurred, seen at {SIDE_PX} pixels",
            {"sharpness": BLURRED},
        ),
    ]
    return [finding for finding in found if finding is not None]


def _finding(
    dataset: Dataset,
    code: str,
    applies: Callable[[Look], bool],
    describe: Callable[[Look], str],
    what: str,
    thresholds: dict[str, float],
) -> DataFinding | None:
    details = {record.name: describe(record.look) for record in dataset.records if record.look and applies(record.look)}
    if not details:
        return None
    looked_at = sum(record.look is not None for record in dataset.records)
    is_rule = len(details) > looked_at / 2
    return DataFinding(
        code=code,
        severity="note" if is_rule else "warning",
        explanation=f"{len(details)} of {looked_at} pictures {'is' if len(details) == 1 else 'are'} {what}"
        + is_rule * ": so are most, it is what this data is like",
        groups=tuple((name,) for name in details),
        details=details,
        measured={"pictures": float(len(details))},
        thresholds=thresholds,
        advice="Look at them: leave out those whose class you can't tell yourself, unless pictures to come look like them.",
    )
