"""Whether two runs' accuracies can be told apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from unfreeze.report.comparison.runs import ComparedRun, Picture

# Below this probability of chance one run is called better; where there are several tests, they share it (Bonferroni).
SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Disagreement:
    """The exact McNemar test on pictures that both runs were scored on.

    Attributes:
        pictures: how many both were scored on.
        only_first, only_second: how many one run named right and the other wrong.
        p_value: the probability of so unequal a pair, or a more unequal one, where neither run is better; in 0–1.
    """

    pictures: int
    only_first: int
    only_second: int
    p_value: float


@dataclass(frozen=True)
class Pair:
    """Two runs held against each other.

    Attributes:
        first, second: the runs' names.
        split: `test`, or `validation` where one of them has no test score; None where there is no split both were scored on.
        overlap: whether the 95 % intervals of the accuracies overlap; None without scores.
        disagreement: None where the runs were not scored on the same pictures.
    """

    first: str
    second: str
    split: str | None
    overlap: bool | None
    disagreement: Disagreement | None

    def in_words(self) -> str:
        """One sentence."""
        both = f"{self.first} and {self.second}"
        if self.split is None:
            return f"{both}: there is no split that both were scored on"
        intervals = f"{both}, {self.split}: the 95 % intervals {'overlap' if self.overlap else 'do not overlap'}"
        if self.disagreement is None:
            return f"{intervals}; they were not scored on the same pictures"
        tally = self.disagreement
        return (
            f"{intervals}; one names right and the other wrong {tally.only_first + tally.only_second} of {tally.pictures}"
            f" pictures ({self.first} alone right {tally.only_first}, {self.second} alone right {tally.only_second}):"
            f" p = {tally.p_value:.2g} (exact McNemar test)"
        )


def common_split(runs: Sequence[ComparedRun]) -> str | None:
    """`test`, or `validation` where one of them has no test score; None where there is no split that all were scored on."""
    return next((split for split in ("test", "validation") if all(run.scores(split) is not None for run in runs)), None)


def pair_up(runs: Sequence[ComparedRun]) -> tuple[Pair, ...]:
    """Every two of the runs."""
    return tuple(_pair(first, second) for first, second in combinations(runs, 2))


def _pair(first: ComparedRun, second: ComparedRun) -> Pair:
    split = common_split((first, second))
    if split is None:
        return Pair(first.name, second.name, None, None, None)
    one, other = first.files.scores[split], second.files.scores[split]
    overlap = one.interval[0] <= other.interval[1] and other.interval[0] <= one.interval[1]
    named = first.named.get(split, {}), second.named.get(split, {})
    return Pair(first.name, second.name, split, overlap, _disagreement(*named))


def _disagreement(first: dict[Picture, str], second: dict[Picture, str]) -> Disagreement | None:
    if not first or first.keys() != second.keys():
        return None
    from scipy.stats import binomtest  # late: it takes longer to import than to count

    right = [(named == picture.label, second[picture] == picture.label) for picture, named in first.items()]
    only_first, only_second = right.count((True, False)), right.count((False, True))
    torn = only_first + only_second
    p_value = float(binomtest(only_first, torn).pvalue) if torn else 1.0
    return Disagreement(len(right), only_first, only_second, p_value)
