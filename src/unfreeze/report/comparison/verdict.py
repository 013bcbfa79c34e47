"""Which run is better, or that they can't be told apart, in one sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from unfreeze.report.comparison.pairs import SIGNIFICANT, Pair, common_split
from unfreeze.report.comparison.runs import ComparedRun

# A smaller factor between two times of training may be the machine's.
_NOTICEABLE = 1.25


@dataclass(frozen=True)
class Verdict:
    """What a comparison comes to.

    Attributes:
        words: one sentence.
        split: on which the runs are compared, but for those that weren't scored at all; None where there is none.
        best: the run that is better than every other; None where there is none, or where it can't be told.
    """

    words: str
    split: str | None
    best: str | None


def judge(runs: Sequence[ComparedRun], pairs: Sequence[Pair]) -> Verdict:
    """The run of the highest accuracy is better than another one where McNemar's test on the same pictures says so.

    Runs that weren't scored, being unfinished or interrupted, are left aside.
    """
    scored = [run for run in runs if run.files.scores]
    split = common_split(scored) if len(scored) > 1 else None
    if split is None:
        return Verdict("There is no split that the runs were scored on, so none can be called better.", None, None)
    ranked = sorted(scored, key=lambda run: -run.files.scores[split].accuracy)
    first, others = ranked[0], ranked[1:]
    names = {run.name for run in scored}
    pairs = [pair for pair in pairs if {pair.first, pair.second} <= names]
    if any(pair.disagreement is None for pair in pairs):
        words = f"{_said(ranked[:1], split)} has the highest accuracy of its {split} pictures, before {_said(others, split)}"
        return Verdict(f"{words}, but not all were scored on the same pictures.", split, None)
    where = f"on the {first.files.scores[split].pictures:,} {split} pictures"
    beaten = [run for run in others if _p_value(pairs, first, run) < SIGNIFICANT / len(pairs)]
    tied = [run for run in ranked if run not in beaten]
    if len(tied) == 1:
        return Verdict(f"{_said(tied, split)} is better than {_said(beaten, split)} {where}.", split, first.name)
    worse = f"; {_said(beaten, split)} {'is' if len(beaten) == 1 else 'are'} worse than {first.name}" if beaten else ""
    if len(tied) == 2:
        return Verdict(f"{_said(tied, split)} can't be told apart {where}{worse}{_quickest(tied)}.", split, None)
    words = f"{_said(tied[:1], split)} has the highest accuracy {where}, but can't be told apart from {_said(tied[1:], split)}"
    return Verdict(f"{words}{worse}{_quickest(tied)}.", split, None)


def _p_value(pairs: Sequence[Pair], one: ComparedRun, other: ComparedRun) -> float:
    pair = next(pair for pair in pairs if {pair.first, pair.second} == {one.name, other.name})
    return 1.0 if pair.disagreement is None else pair.disagreement.p_value


def _said(runs: Sequence[ComparedRun], split: str) -> str:
    """Names with accuracies."""
    *most, last = [f"{run.name} ({100 * run.files.scores[split].accuracy:.1f} %)" for run in runs]
    return f"{', '.join(most)} and {last}" if most else last


def _quickest(runs: Sequence[ComparedRun]) -> str:
    """Which of runs that are as good took noticeably less time."""
    seconds = {run.name: run.seconds.get("training") for run in runs}
    known = sorted((value, name) for name, value in seconds.items() if value is not None)
    if len(known) < len(runs) or known[1][0] < _NOTICEABLE * known[0][0]:
        return ""
    (least, name), (next_least, _) = known[:2]
    return f"; {name} trained in {least:.0f} s, the {'other' if len(known) == 2 else 'next'} in {next_least:.0f} s"
