"""How well each run knows each class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from unfreeze.report.comparison.runs import ComparedRun
from unfreeze.training.scores import ClassScore


@dataclass(frozen=True)
class ClassRecalls:
    """One class.

    Attributes:
        name: of the class.
        pictures: how many of it each run was scored on; None where it doesn't have the class or wasn't scored.
        recalls: the part of them that each run named right, in 0–1; None without pictures.
        spread: the highest recall less the lowest.
    """

    name: str
    pictures: tuple[int | None, ...]
    recalls: tuple[float | None, ...]
    spread: float


def recalls_by_class(runs: Sequence[ComparedRun], split: str | None) -> tuple[ClassRecalls, ...]:
    """Every class that a run knows, those first in which the runs differ most; none without a split."""
    if split is None:
        return ()
    names = dict.fromkeys(name for run in runs for name in run.plan.data.classes)
    rows = [_recalls(name, [_score(run, split, name) for run in runs]) for name in names]
    return tuple(sorted(rows, key=lambda row: -row.spread))


def _score(run: ComparedRun, split: str, name: str) -> ClassScore | None:
    scores = run.scores(split)
    return None if scores is None else scores.per_class.get(name)


def _recalls(name: str, scores: Sequence[ClassScore | None]) -> ClassRecalls:
    recalls = tuple(score.recall if score is not None and score.pictures else None for score in scores)
    known = [recall for recall in recalls if recall is not None]
    pictures = tuple(None if score is None else score.pictures for score in scores)
    return ClassRecalls(name, pictures, recalls, max(known) - min(known) if known else 0.0)
