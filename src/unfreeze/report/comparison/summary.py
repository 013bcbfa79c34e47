"""A comparison's facts as one plain dictionary, without pictures: what comparison.json holds."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from unfreeze.report.comparison.comparison import Comparison
from unfreeze.report.comparison.differences import Row
from unfreeze.report.comparison.runs import ComparedRun
from unfreeze.report.summary import finite
from unfreeze.report.verdict import in_plain_words, main_finding, verdict

# Of the structure below. Grows when something is renamed or dropped, not when something is added.
FORMAT = 1
# Names of pictures: who wants all has each run's predictions.csv.
_MOST_DISPUTED = 200


def summarise_comparison(comparison: Comparison) -> dict[str, Any]:
    """All facts, ready for strict JSON: what isn't a finite number is None."""
    disputed = comparison.disputed
    facts: dict[str, Any] = finite(
        {
            "format": FORMAT,
            "verdict": comparison.verdict.words,
            "better": comparison.verdict.best,
            "split": comparison.verdict.split,
            "same_data": comparison.same_data,
            "remarks": comparison.remarks,
            "runs": [_run(run) for run in comparison.runs],
            "results": _rows(comparison.results),
            "pairs": [asdict(pair) | {"words": pair.in_words()} for pair in comparison.pairs],
            "classes": [asdict(row) for row in comparison.classes],
            "disputed": None
            if disputed is None
            else {
                "shared": disputed.shared,
                "differing": len(disputed.pictures),
                "all_wrong": disputed.all_wrong,
                "pictures": [asdict(one) | {"spread": one.spread} for one in disputed.pictures[:_MOST_DISPUTED]],
            },
            "differences": _rows(comparison.differences),
        }
    )
    return facts


def _run(run: ComparedRun) -> dict[str, Any]:
    main = main_finding(run.files.findings)
    return {
        "name": run.name,
        "folder": str(run.folder),
        "framework": run.plan.network.framework,
        "network": run.plan.network.name,
        "strategy": run.plan.strategy,
        "verdict": verdict(run.files),
        "scores": {split: _scores(run, split) for split in run.files.scores},
        "best_epoch": run.best_epoch,
        "epochs": [
            {name: getattr(record, name) for name in ("epoch", "phase", "phase_name", "rate", "train_loss", "train_accuracy")}
            | {name: getattr(record, name) for name in ("val_loss", "val_accuracy", "val_balanced_accuracy", "val_macro_f1")}
            for record in run.history
        ],
        "seconds": run.seconds,
        "seconds_per_epoch": run.seconds_per_epoch,
        "pictures_per_second": run.pictures_per_second,
        "finding": None
        if main is None
        else {"code": main.code, "severity": main.severity, "words": in_plain_words(main), "explanation": main.explanation},
        "missing": run.missing,
    }


def _scores(run: ComparedRun, split: str) -> dict[str, Any]:
    values = run.files.scores[split].as_dict()
    return {name: value for name, value in values.items() if name not in ("per_class", "confusion")}


def _rows(rows: tuple[Row, ...]) -> dict[str, list[str]]:
    return {row.name: list(row.values) for row in rows}
