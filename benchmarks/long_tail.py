"""What helps with a long tail: each way to make up for rare classes, on the same pictures, as a Markdown table.

    python benchmarks/long_tail.py DATA [--imbalance 50] [--seeds 0 1 2] [--methods plain oversampling] [-- TRAIN FLAGS]

DATA is {train,validation,test}/<class>/*. Its training classes, in order of size, keep n · imbalance^(-i / (K - 1)) pictures, n
those of the largest (the exponential profile of Cui et al. 2019), drawn by the seed; validation and test stay as they are.
Every method trains on the same links by `unfreeze train`, in a process of its own, with the same seed; all share an activation
cache. What stands after `--` goes to every training; by default the head and the last stage are trained.

The table has means over the seeds with the standard deviation of one run; balanced accuracy is the mean recall of all classes.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from subset import by_split, find_pictures

METHODS = {
    "plain": (),
    "weights, balanced": ("class_weights=balanced",),
    "weights, inverse square root": ("class_weights=inverse-sqrt",),
    "weights, effective number": ("class_weights=effective",),
    "oversampling": ("oversample=true",),
    "focal loss": ("loss=focal",),
    "focal loss, weights, effective number": ("loss=focal", "class_weights=effective"),
    "logit adjustment": ("loss=logit-adjusted",),
}
SCORES = {"accuracy": "accuracy", "balanced_accuracy": "balanced accuracy", "macro_f1": "macro-F1"}
TRAIN_FLAGS = ("--strategy", "fine-tune-top", "--stages", "1")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--imbalance", type=float, default=50.0, help="the largest class over the smallest")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS), metavar="METHOD")
    given = sys.argv[1:]
    end = given.index("--") if "--" in given else len(given)
    options, flags = parser.parse_args(given[:end]), given[end + 1 :] or list(TRAIN_FLAGS)
    scores: dict[str, list[dict[str, float]]] = {name: [] for name in options.methods}
    with tempfile.TemporaryDirectory(prefix="unfreeze-long-tail-") as folder:
        for seed in options.seeds:
            data = Path(folder, f"data-{seed}")
            say(f"seed {seed}: {link_long_tail(options.data, options.imbalance, seed, data)}")
            for number, name in enumerate(options.methods):
                test = train(data, METHODS[name], [*flags, "--seed", str(seed)], Path(folder, f"run-{seed}-{number}"))
                scores[name].append(test)
                say(f"seed {seed}, {name}: " + ", ".join(f"{words} {test[key]:.3f}" for key, words in SCORES.items()))
    print(f"| on {options.data.name}, imbalance {options.imbalance:g} | {' | '.join(SCORES.values())} |")
    print("|---" * (1 + len(SCORES)) + "|")
    for name, tests in scores.items():
        print(f"| {name} | {' | '.join(mean([test[key] for test in tests]) for key in SCORES)} |")


def link_long_tail(data: Path, imbalance: float, seed: int, folder: Path) -> dict[str, int]:
    """Fills `folder` with links {train,validation,test}/<class>/*; returns the training pictures of each class."""
    splits = by_split(sorted(find_pictures(data)))
    if not all(splits.values()):
        raise SystemExit(f"{data}: it needs pictures in {{train,validation,test}}/<class>/")
    train: dict[str, list[Path]] = {}
    for path in splits.pop("train"):
        train.setdefault(path.parent.name, []).append(path)
    kept = long_tail(train, imbalance, seed)
    for split, paths in {"train": [path for of_class in kept.values() for path in of_class], **splits}.items():
        for path in paths:
            link = folder / split / path.parent.name / path.name
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(path.resolve())
    return {name: len(paths) for name, paths in sorted(kept.items(), key=lambda item: -len(item[1]))}


def long_tail(train: dict[str, list[Path]], imbalance: float, seed: int) -> dict[str, list[Path]]:
    """Of each class as many pictures as the exponential profile gives it, or all it has if those are fewer."""
    classes = sorted(train, key=lambda name: (-len(train[name]), name))
    largest, generator = len(train[classes[0]]), random.Random(seed)
    kept = {}
    for place, name in enumerate(classes):
        wanted = round(largest * math.exp(-math.log(imbalance) * place / max(1, len(classes) - 1)))
        kept[name] = generator.sample(train[name], min(len(train[name]), max(1, wanted)))
    return kept


def train(data: Path, method: tuple[str, ...], flags: list[str], out: Path) -> dict[str, float]:
    """The test scores of one training."""
    settings = [part for value in method for part in ("--set", f"imbalance.{value}")]
    command = [sys.executable, "-m", "unfreeze", "train", str(data), "--out", str(out), "--quiet", *flags, *settings]
    surroundings = {**os.environ, "UNFREEZE_CACHE": str(data.parent / "cache"), "TF_CPP_MIN_LOG_LEVEL": "2"}
    done = subprocess.run(command, env=surroundings, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)}: status {done.returncode}: {done.stderr.strip()[-1000:]}")
    test: dict[str, float] = json.loads((out / "metrics.json").read_text(encoding="utf-8"))["test"]
    return test


def mean(values: list[float]) -> str:
    spread = f" ± {statistics.stdev(values):.3f}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):.3f}{spread}"


def say(line: str) -> None:
    """Beside the table, which is printed alone."""
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
