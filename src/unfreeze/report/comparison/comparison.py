"""Runs side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from unfreeze.errors import RunError
from unfreeze.report.comparison.classes import ClassRecalls, recalls_by_class
from unfreeze.report.comparison.differences import ABSENT, Row, find_differences
from unfreeze.report.comparison.disputed import Disputed, find_disputed
from unfreeze.report.comparison.pairs import SIGNIFICANT, Pair, pair_up
from unfreeze.report.comparison.runs import ComparedRun, read_run
from unfreeze.report.comparison.verdict import Verdict, judge
from unfreeze.training.scores import Scores


@dataclass(frozen=True)
class Comparison:
    """Two or more runs side by side.

    Attributes:
        runs: in the order given.
        verdict: which is better, or that they can't be told apart, in one sentence.
        results: framework, precision, accuracies, macro-F1, best epoch, seconds, pictures/s of each run, in words.
        differences: what differs between their plans.
        same_data: whether all were trained on the same pictures with the same splits, by fingerprint.
        pairs: every two of them: whether their accuracies can be told apart.
        classes: how well each run knows each class.
        disputed: the pictures that they name differently; None where they weren't scored on common ones.
        remarks: what to know before the numbers are held against each other.
    """

    runs: tuple[ComparedRun, ...]
    verdict: Verdict
    results: tuple[Row, ...]
    differences: tuple[Row, ...]
    same_data: bool
    pairs: tuple[Pair, ...]
    classes: tuple[ClassRecalls, ...]
    disputed: Disputed | None
    remarks: tuple[str, ...]


def compare_runs(folders: Sequence[Path]) -> Comparison:
    """The runs in some folders side by side; of one that hasn't ended or is damaged, what there is.

    Raises:
        RunError: fewer than two runs, one of them twice, or a folder that isn't a run.
    """
    runs = tuple(read_run(folder, name) for folder, name in zip(folders, _names(folders), strict=True))
    pairs = pair_up(runs)
    verdict = judge(runs, pairs)
    return Comparison(
        runs=runs,
        verdict=verdict,
        results=_results(runs),
        differences=find_differences([run.plan for run in runs]),
        same_data=len({run.plan.data.fingerprint for run in runs}) == 1,
        pairs=pairs,
        classes=recalls_by_class(runs, verdict.split),
        disputed=find_disputed(runs, verdict.split),
        remarks=(*_missing(runs), *_about_data(runs, pairs), *_about_classes(runs), *_about_many(pairs)),
    )


def _names(folders: Sequence[Path]) -> list[str]:
    whole = [folder.resolve() for folder in folders]
    if len(whole) < 2:
        raise RunError(f"a comparison takes at least two runs, received {len(whole)}: give two run folders or more")
    twice = next((folder for folder, path in zip(folders, whole, strict=True) if whole.count(path) > 1), None)
    if twice is not None:
        raise RunError(f"{twice} is given more than once: give each run once")
    short = [path.name for path in whole]
    return short if len(set(short)) == len(short) else [str(folder) for folder in folders]


def _results(runs: Sequence[ComparedRun]) -> tuple[Row, ...]:
    columns = [_result(run) for run in runs]
    return tuple(Row(name, tuple(column[name] for column in columns)) for name in columns[0])


def _result(run: ComparedRun) -> dict[str, str]:
    best = f"{run.best_epoch} of {len(run.history)}" if run.best_epoch is not None else ABSENT
    return {
        "framework": run.plan.network.framework,
        "network": run.plan.network.name,
        "strategy": run.plan.strategy,
        "computed on": f"{run.plan.device} in {run.plan.precision}",
        "validation accuracy": _accuracy(run.scores("validation")),
        "validation balanced accuracy, macro-F1": _means(run.scores("validation")),
        "test accuracy": _accuracy(run.scores("test")),
        "test balanced accuracy, macro-F1": _means(run.scores("test")),
        "best epoch": best,
        "seconds preparing": _number(run.seconds.get("preparing")),
        "seconds training": _number(run.seconds.get("training")),
        "seconds an epoch": _number(run.seconds_per_epoch),
        "pictures/s in training": _number(run.pictures_per_second),
    }


def _accuracy(scores: Scores | None) -> str:
    if scores is None:
        return ABSENT
    low, high = scores.interval
    return f"{scores.accuracy:.1%} ({low:.1%} to {high:.1%}, {scores.pictures} pictures)"


def _means(scores: Scores | None) -> str:
    return ABSENT if scores is None else f"{scores.balanced_accuracy:.1%}, {scores.macro_f1:.1%}"


def _number(value: float | None) -> str:
    return ABSENT if value is None else f"{value:.1f}"


def _missing(runs: Sequence[ComparedRun]) -> list[str]:
    return [f"{run.name}: {missing}" for run in runs for missing in run.missing]


def _about_data(runs: Sequence[ComparedRun], pairs: Sequence[Pair]) -> list[str]:
    if len({run.plan.data.fingerprint for run in runs}) == 1:
        return []
    remark = "the runs were not trained on the same data with the same splits"
    if pairs and all(pair.split == "test" and pair.disagreement is not None for pair in pairs):
        return [f"{remark}, but all were scored on the same test pictures"]
    return [f"{remark}: an accuracy of one can't be held against that of another"]


def _about_classes(runs: Sequence[ComparedRun]) -> list[str]:
    classes = [set(run.plan.data.classes) for run in runs]
    torn = sorted(set().union(*classes) - classes[0].intersection(*classes))
    return [f"the runs don't have the same classes: {', '.join(torn)} only in some of them"] if torn else []


def _about_many(pairs: Sequence[Pair]) -> list[str]:
    tests = sum(pair.disagreement is not None for pair in pairs)
    if tests < 2:
        return []
    limit = f"{SIGNIFICANT} / {tests} = {SIGNIFICANT / tests:.2g}"
    return [f"of {tests} tests at once some p are small by chance: hold each p against {limit}"]
