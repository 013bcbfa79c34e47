"""The pictures on which the runs disagree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from unfreeze.report.comparison.runs import ComparedRun, Picture


@dataclass(frozen=True)
class DisputedPicture:
    """A picture that the runs name differently.

    Attributes:
        name: as in the runs' data.json.
        true: its class.
        named: the class that each run gave it; None where it wasn't scored.
        of_true: the probability that each run gave its true class, in 0–1; likewise.
    """

    name: str
    true: str
    named: tuple[str | None, ...]
    of_true: tuple[float | None, ...]

    @property
    def spread(self) -> float:
        """How far apart the runs are: the highest probability of the true class less the lowest."""
        known = [part for part in self.of_true if part is not None]
        return max(known) - min(known)


@dataclass(frozen=True)
class Disputed:
    """All of them.

    Attributes:
        pictures: those that the runs name differently, the furthest apart first.
        shared: how many pictures all runs that were scored have in common.
        all_wrong: how many of these no run named right.
    """

    pictures: tuple[DisputedPicture, ...]
    shared: int
    all_wrong: int


def find_disputed(runs: Sequence[ComparedRun], split: str | None) -> Disputed | None:
    """None where there are no pictures that two runs or more were scored on and whose class they know."""
    said = [run.probabilities.get(split or "") for run in runs]
    scored = [(run, rows) for run, rows in zip(runs, said, strict=True) if rows]
    if split is None or len(scored) < 2:
        return None
    shared = [
        _picture(picture, runs, split)
        for picture in scored[0][1]
        if all(picture in rows and picture.label in run.plan.data.classes for run, rows in scored)
    ]
    if not shared:
        return None
    differing = [picture for picture in shared if len(set(picture.named) - {None}) > 1]
    return Disputed(
        pictures=tuple(sorted(differing, key=lambda picture: -picture.spread)),
        shared=len(shared),
        all_wrong=sum(picture.true not in picture.named for picture in shared),
    )


def _picture(picture: Picture, runs: Sequence[ComparedRun], split: str) -> DisputedPicture:
    named = tuple(run.named.get(split, {}).get(picture) for run in runs)
    return DisputedPicture(picture.path, picture.label, named, tuple(_of_true(picture, run, split) for run in runs))


def _of_true(picture: Picture, run: ComparedRun, split: str) -> float | None:
    row = run.probabilities.get(split, {}).get(picture)
    return None if row is None else float(np.nan_to_num(row)[run.plan.data.classes.index(picture.label)])
