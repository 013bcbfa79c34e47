"""Is `--strategy auto` ever more than a point worse than the best fixed strategy, and what does it cost?

    python benchmarks/strategies.py run --to FOLDER [--data DATA] [--framework torch] [--seeds 0 1 2] [--only DATASET …]
        [--strategies STRATEGY …] [--set KEY=VALUE …]
    python benchmarks/strategies.py table FOLDER … [--seeds-apart]

`run` trains every strategy, with its default recipe, on every data set of `strategy_pictures.py`, as `unfreeze train` does, and
writes a line a run to FOLDER/runs.jsonl; it goes on where it was stopped. DATA has clothing/ and bloodcells/, which is all that
isn't drawn or in scikit-learn. Every run has a cache of its own, so that none pays for another. `table` prints the means over
the seeds as Markdown, with a verdict for each data set: the costs are seconds of processor time, which other work on the
machine doesn't change much.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from measure import measure
from strategy_pictures import DATA_SETS, DataSet, make_folder

Record = dict[str, Any]
FIXED = ("feature-extraction", "fine-tune-top", "gradual", "full")
AUTO = "auto"
# What no strategy is judged by, left out to save time.
EVERYWHERE = {"explain": "false", "calibrate": "false", "data.inspect": "none"}
# Where auto may stand, in points of test accuracy below the best fixed strategy.
ALLOWED = 1.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    run = commands.add_parser("run", help="make the runs")
    run.add_argument("--to", type=Path, required=True, metavar="FOLDER")
    run.add_argument("--data", type=Path, default=Path("../shared/data"))
    run.add_argument("--framework", choices=("torch", "tensorflow"), default="torch")
    run.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    run.add_argument("--only", nargs="+", metavar="DATASET", choices=list(DATA_SETS), default=list(DATA_SETS))
    run.add_argument("--strategies", nargs="+", choices=(*FIXED, AUTO), default=[*FIXED, AUTO])
    run.add_argument("--set", nargs="+", metavar="KEY=VALUE", default=[], help="changes to every recipe")
    run.set_defaults(command=make_runs)
    table = commands.add_parser("table", help="compare them")
    table.add_argument("folders", type=Path, nargs="+", metavar="FOLDER")
    table.add_argument("--framework", choices=("torch", "tensorflow"), default="torch")
    table.add_argument("--seeds-apart", action="store_true", help="a row for each seed as well")
    table.set_defaults(command=print_table)
    options = parser.parse_args()
    options.command(options)


def make_runs(options: argparse.Namespace) -> None:
    options.to.mkdir(parents=True, exist_ok=True)
    for seed in options.seeds:
        for name in options.only:
            for strategy in options.strategies:
                key = (options.framework, name, seed, strategy)
                if key in read_records(options.to):
                    continue
                folder = make_folder(DATA_SETS[name], seed, options.data, options.to / "pictures")
                record = make_run(DATA_SETS[name], folder, options, seed, strategy)
                with (options.to / "runs.jsonl").open("a", encoding="utf-8") as file:
                    file.write(json.dumps(record) + "\n")
                print(f"{' '.join(map(str, key)):50} test {record['test']:.4f}  {record['cpu_seconds']:6.1f} CPU s", flush=True)


def make_run(data_set: DataSet, pictures: Path, options: argparse.Namespace, seed: int, strategy: str) -> Record:
    """Trains one in a process of its own; how good it became and what it took."""
    name = f"{options.framework}-{data_set.name}-{seed}-{strategy}"
    folder, cache = options.to / "runs" / name, options.to / "cache"
    for old in (folder, cache):
        shutil.rmtree(old, ignore_errors=True)
    folder.parent.mkdir(exist_ok=True)
    changes = {
        "framework": options.framework,
        "strategy": strategy,
        "seed": seed,
        "input.side_px": data_set.side_px,
        "cache.folder": cache,
        **EVERYWHERE,
    }
    words = [f"{key}={value}" for key, value in changes.items()] + options.set
    arguments = [part for word in words for part in ("--set", word)]
    log = folder.with_suffix(".log")
    command = [sys.executable, "-m", "unfreeze", "train", str(pictures), "--out", str(folder), *arguments]
    measured = measure(command, {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "2")}, log)
    if measured.status:
        raise SystemExit(f"{' '.join(command)} ended with {measured.status}:\n{log.read_text()[-2000:]}")
    metrics = json.loads((folder / "metrics.json").read_text())
    history = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    shutil.rmtree(cache, ignore_errors=True)
    return {
        "framework": options.framework,
        "data": data_set.name,
        "seed": seed,
        "strategy": strategy,
        "test": metrics["test"]["accuracy"],
        "test_loss": metrics["test"]["loss"],
        "validation": metrics["validation"]["accuracy"],
        "validation_loss": metrics["validation"]["loss"],
        "cpu_seconds": measured.user_seconds + measured.system_seconds,
        "seconds": measured.seconds,
        "epochs": len(history),
        "boundary": next((one["boundary"] for one in history if one["epoch"] == metrics["best_epoch"]), None),
        "endings": metrics["phase_endings"],
    }


def read_records(folder: Path) -> dict[tuple[str, str, int, str], Record]:
    path = folder / "runs.jsonl"
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.is_file() else []
    return {(one["framework"], one["data"], one["seed"], one["strategy"]): one for one in records}


def print_table(options: argparse.Namespace) -> None:
    all_records = {key: one for folder in options.folders for key, one in read_records(folder).items()}
    records = [one for one in all_records.values() if one["framework"] == options.framework]
    print(f"| data | train / validation / test | {' | '.join(FIXED)} | auto | below the best | cost of all fixed | verdict |")
    print("| --- " * (len(FIXED) + 6) + "|")
    for name, data_set in DATA_SETS.items():
        here = [one for one in records if one["data"] == name]
        seeds = sorted({one["seed"] for one in here})
        for group in [seeds, *([seed] for seed in seeds if options.seeds_apart and len(seeds) > 1)]:
            if group:
                title = name if group == seeds else f"– seed {group[0]}"
                print(_row(title, data_set, [one for one in here if one["seed"] in group], options.folders))
    print(
        "\nTest accuracy in %, means over the seeds ± their standard error; processor seconds. `below the best`: points that"
        " auto is below the fixed strategy with the best mean, ± the standard error of the paired difference. Good: at most"
        f" {ALLOWED:g}, for less than all fixed strategies take together."
    )


def _row(title: str, data_set: DataSet, records: list[Record], folders: list[Path]) -> str:
    by_strategy = {name: {one["seed"]: one for one in records if one["strategy"] == name} for name in (*FIXED, AUTO)}
    fixed = {name: runs for name, runs in by_strategy.items() if name in FIXED and runs}
    cells = [_score(by_strategy[name].values()) for name in (*FIXED, AUTO)]
    auto = by_strategy[AUTO]
    if len(fixed) < len(FIXED) or not auto:
        return f"| {title} | {_sizes(data_set, folders)} | {' | '.join(cells)} | | | not all run |"
    best = max(fixed, key=lambda name: _mean(one["test"] for one in fixed[name].values()))
    below = [100 * (fixed[best][seed]["test"] - one["test"]) for seed, one in auto.items() if seed in fixed[best]]
    part = _mean(one["cpu_seconds"] for one in auto.values()) / sum(
        _mean(one["cpu_seconds"] for one in runs.values()) for runs in fixed.values()
    )
    too_far = round(_mean(below), 6) > ALLOWED  # 0.72 - 0.71 is a little more than 0.01
    words = "too far below" if too_far else "good" if part < 1 else "too dear"
    apart = f"{_mean(below):+.1f} ± {_error(below):.1f} ({best})"
    return f"| {title} | {_sizes(data_set, folders)} | {' | '.join(cells)} | {apart} | {part:.0%} | {words} |"


def _sizes(data_set: DataSet, folders: list[Path]) -> str:
    found = next((one for folder in folders for one in sorted((folder / "pictures").glob(f"{data_set.name}-[0-9]*"))), None)
    if found is None:
        return ""
    return " / ".join(str(len(list((found / split).glob("*/*")))) for split in ("train", "validation", "test"))


def _score(runs: Iterable[Record]) -> str:
    runs = list(runs)
    if not runs:
        return ""
    tests = [100 * one["test"] for one in runs]
    return f"{_mean(tests):.1f} ± {_error(tests):.1f}, {_mean(one['cpu_seconds'] for one in runs):.0f} s"


def _mean(values: Iterable[float]) -> float:
    return statistics.fmean(values)


def _error(values: list[float]) -> float:
    return statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else 0.0


if __name__ == "__main__":
    main()
