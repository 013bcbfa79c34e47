"""Runs made to be sick, each by a cause known beforehand, and healthy ones: how often is the cause the first thing found?

    python benchmarks/sickness.py run --to FOLDER [--data DATA] [--only CAUSE …] [--framework torch|tensorflow] [--seed 0]
    python benchmarks/sickness.py table FOLDER

`run` trains every row of `SPECS` into FOLDER and goes on where it was stopped. DATA has clothing/ and bloodcells/; digits come
with scikit-learn, textures and shapes are drawn. Another seed gives other classes, pictures, splits and weights; an odd one
also swaps the frameworks. `table` diagnoses each run again from its files and prints the confusion table as Markdown.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock
from sick_pictures import Pictures, make_folder

from unfreeze.diagnosis.finding import Finding

Changes = dict[str, Any]
TORCH, TENSORFLOW = FRAMEWORKS = ("torch", "tensorflow")
HEALTHY = "healthy"
SEVERITIES = ("none", "note", "warning", "error")
# A run as it was recorded, and what is found in it.
Judged = Sequence[tuple[dict[str, Any], list[Finding]]]


@dataclass(frozen=True)
class Spec:
    """A run to be made.

    Attributes:
        name: of its folder.
        cause: the code of the finding that should come first, or `healthy`.
        pictures: what it is trained on.
        changes: to the recipe, by dotted name.
    """

    name: str
    cause: str
    framework: str
    pictures: Pictures
    changes: Changes


# All runs: small pictures, which is found in some but as a note, one thread, everything cached.
EVERYWHERE: Changes = {"input.side_px": 64, "input.loader_threads": 1, "cache.use": "on", "explain": False}

# Parts of recipes.
FROZEN: Changes = {"strategy": "feature-extraction"}
TOP: Changes = {"strategy": "fine-tune-top", "unfreeze.stages": 1}
TOP_3: Changes = {"strategy": "fine-tune-top", "unfreeze.stages": 3}
FULL: Changes = {"strategy": "full"}
GRADUAL: Changes = {"strategy": "gradual", "unfreeze.stages": 2}
RANDOM: Changes = {"weights": "none"}
UNCHANGED: Changes = {
    "augment.crop_min_area": 1,
    "augment.flip": False,
    "augment.rotation_degrees": 0,
    "augment.jitter": 0,
}
FEW_VIEWS: Changes = {"augment.views": 2}
SHARP: Changes = {"input.side_px": 96, "augment.views": 2}  # for photographs
SMOOTHED: Changes = {"label_smoothing": 0.5, "calibrate": False, "watch": "val_accuracy"}
# A mirrored digit is another sign.
FOR_DIGITS: Changes = {"augment.flip": False, "augment.crop_min_area": 0.8, "augment.jitter": 0, "augment.views": 2}
HEAVY: Changes = {
    "augment.crop_min_area": 0.05,
    "augment.rotation_degrees": 180,
    "augment.jitter": 0.9,
    "augment.views": 8,
}
DROPPED: Changes = {"head.dropout": 0.85}
BARE: Changes = {
    **UNCHANGED,
    "label_smoothing": 0,
    "head.dropout": 0,
    "head_only.optimizer.weight_decay": 0,
    "unfrozen.optimizer.weight_decay": 0,
}


def head(epochs: int, rate: float, **more: Any) -> Changes:
    """The phase of the head; `more` by its dotted name with `__` for the dot."""
    return _settings("head_only", epochs, rate, more)


def unfrozen(epochs: int, rate: float, **more: Any) -> Changes:
    """The phases after it."""
    return _settings("unfrozen", epochs, rate, more)


def _settings(section: str, epochs: int, rate: float, more: Changes) -> Changes:
    values = {"epochs": epochs, "rate": rate, **{name.replace("__", "."): value for name, value in more.items()}}
    if epochs == 1:
        values.setdefault("schedule.warmup_epochs", 0)
    return {f"{section}.{name}": value for name, value in values.items()}


CONSTANT: dict[str, Any] = {"schedule__name": "constant"}
ON_AND_ON: dict[str, Any] = {"schedule__name": "constant", "stopping__patience_epochs": None}
SGD: dict[str, Any] = {"optimizer__name": "sgd", "schedule__name": "constant", "schedule__warmup_epochs": 0}
UNCLIPPED: dict[str, Any] = {**SGD, "optimizer__clip_norm": None, "stopping__patience_epochs": None}
NO_DECAY: dict[str, Any] = {"optimizer__weight_decay": 0}
EXERCISE: Changes = {  # the recipe `exercise` with a network that installs with pip
    "label_smoothing": 0,
    "head.hidden": (256,),
    "head.dropout": 0.4,
    **TOP,
    **head(
        5, 1e-3, optimizer__name="adam", optimizer__l2=1e-4, optimizer__clip_norm=None, **ON_AND_ON, schedule__warmup_epochs=0
    ),
    **unfrozen(
        15,
        1e-4,
        optimizer__name="adam",
        optimizer__l2=1e-4,
        optimizer__clip_norm=None,
        schedule__name="plateau",
        schedule__factor=0.5,
        schedule__patience_epochs=2,
        schedule__warmup_epochs=0,
        stopping__patience_epochs=4,
    ),
}

# Pictures.
CLOTHES_3 = ("hat", "pants", "shoes")
CLOTHES_5 = ("dress", "hat", "pants", "shoes", "shorts")


def clothing(classes: int | tuple[str, ...], train: int, validation: int = 25) -> Pictures:
    return Pictures("clothing", classes, train, validation)


def bloodcells(train: int, validation: int = 30) -> Pictures:
    return Pictures("bloodcells", 3, train, validation)


def digits(classes: int, train: int, validation: int = 20) -> Pictures:
    return Pictures("digits", classes, train, validation)


def textures(classes: int, train: int, validation: int = 25) -> Pictures:
    return Pictures("textures", classes, train, validation)


def shapes(classes: int, train: int, validation: int = 25) -> Pictures:
    return Pictures("shapes", classes, train, validation)


# fmt: off
# Cause -> the runs made of it: framework (of even seeds; odd ones take the other), pictures, changes to the recipe.
SPECS: dict[str, tuple[tuple[str, Pictures, Changes], ...]] = {
    # Few pictures, nothing that regularises, much that trains.
    "overfitting": (
        (TORCH,      clothing(6, 8),   FULL | BARE | head(6, 3e-3) | unfrozen(8, 5e-5)),
        (TENSORFLOW, clothing(10, 10), FROZEN | BARE | {"head.hidden": (256,)} | head(15, 5e-4)),
        (TORCH,      digits(10, 5),    TOP_3 | BARE | head(8, 3e-3) | unfrozen(8, 5e-5)),
        (TENSORFLOW, clothing(6, 8),   TOP_3 | BARE | head(8, 3e-3) | unfrozen(8, 5e-5)),
        (TORCH,      clothing(10, 10), GRADUAL | BARE | head(8, 3e-3) | unfrozen(6, 1e-4)),
    ),
    # Too little that can learn, or too much against it.
    "underfitting": (
        (TORCH,      clothing(6, 40), RANDOM | FROZEN | UNCHANGED | head(25, 2e-3)),
        (TENSORFLOW, clothing(8, 40), RANDOM | FROZEN | UNCHANGED | head(25, 2e-3)),
        (TENSORFLOW, shapes(6, 40),   RANDOM | FROZEN | UNCHANGED | head(25, 2e-3)),
        (TORCH,      digits(10, 40),  RANDOM | FROZEN | UNCHANGED | head(25, 2e-3)),
    ),
    # On and on.
    "trained-too-long": (
        (TORCH,      clothing(6, 40), FROZEN | BARE | {"head.hidden": (256,)} | head(120, 3e-4, **ON_AND_ON)),
        (TENSORFLOW, clothing(6, 40), FROZEN | BARE | {"head.hidden": (128,)} | head(100, 5e-4, **ON_AND_ON)),
        (TORCH,      digits(10, 40),  FROZEN | BARE | head(150, 3e-3, **ON_AND_ON)),
        (TENSORFLOW, shapes(6, 40),   TOP | BARE | head(5, 3e-3) | unfrozen(50, 5e-4, **ON_AND_ON)),
    ),
    # Steps that overshoot.
    "rate-too-high": (
        (TORCH,      clothing(6, 40), FROZEN | UNCHANGED | head(10, 1.0, **CONSTANT)),
        (TENSORFLOW, digits(10, 40),  FROZEN | UNCHANGED | head(10, 3.0, **CONSTANT)),
        (TORCH,      shapes(6, 40),   FROZEN | UNCHANGED | head(10, 30, **SGD)),
        (TENSORFLOW, bloodcells(60),  FROZEN | UNCHANGED | head(12, 1.0, **CONSTANT)),
    ),
    # Steps that get nowhere.
    "rate-too-low": (
        (TORCH,      clothing(6, 40), FROZEN | UNCHANGED | head(10, 1e-6)),
        (TENSORFLOW, bloodcells(60),  FROZEN | UNCHANGED | head(15, 1e-6, **CONSTANT)),
        (TORCH,      digits(10, 40),  FROZEN | UNCHANGED | head(12, 1e-4, **SGD)),
        (TENSORFLOW, textures(4, 40), FROZEN | UNCHANGED | head(10, 3e-6)),
    ),
    # Still getting better.
    "stopped-too-early": (
        (TORCH,      clothing(6, 40), FROZEN | UNCHANGED | head(3, 3e-4, **CONSTANT)),
        (TENSORFLOW, digits(10, 40),  FROZEN | UNCHANGED | head(3, 3e-4, **CONSTANT)),
        (TENSORFLOW, shapes(6, 40),   FROZEN | UNCHANGED | head(3, 5e-4, **CONSTANT)),
        (TORCH,      textures(4, 40), FROZEN | UNCHANGED | head(2, 3e-4, **CONSTANT)),
    ),
    # The base torn up.
    "unfreezing-did-harm": (
        (TORCH,      clothing(6, 25), TOP | UNCHANGED | head(8, 3e-3) | unfrozen(6, 0.01, **CONSTANT)),
        (TENSORFLOW, bloodcells(30),  TOP_3 | UNCHANGED | head(8, 3e-3) | unfrozen(5, 0.01, **CONSTANT)),
        (TORCH,      digits(6, 15),   FULL | UNCHANGED | head(10, 3e-3) | unfrozen(4, 5e-3, **CONSTANT)),
        (TENSORFLOW, clothing(6, 25), GRADUAL | UNCHANGED | head(8, 3e-3) | unfrozen(5, 0.015, **CONSTANT)),
    ),
    # Gradients through a head that knows nothing.
    "head-trained-too-short": (
        (TORCH,      clothing(6, 25), FULL | UNCHANGED | head(1, 1e-5) | unfrozen(6, 2e-3)),
        (TENSORFLOW, clothing(6, 25), TOP | UNCHANGED | head(1, 1e-4) | unfrozen(8, 5e-3)),
        (TORCH,      digits(10, 20),  TOP_3 | UNCHANGED | head(1, 1e-4) | unfrozen(8, 3e-3)),
        (TENSORFLOW, bloodcells(30),  TOP_3 | UNCHANGED | head(1, 1e-5) | unfrozen(6, 3e-3)),
    ),
    # A handful of pictures to judge by.
    "validation-too-small": (
        (TORCH,      clothing(CLOTHES_3, 40, 2), FROZEN | SHARP | head(8, 3e-3)),
        (TENSORFLOW, bloodcells(50, 2),          FROZEN | SHARP | head(8, 3e-3)),
        (TENSORFLOW, clothing(CLOTHES_5, 40, 1), TOP | SHARP | head(5, 3e-3) | unfrozen(5, 3e-4)),
        (TORCH,      digits(6, 40, 1),           FROZEN | FOR_DIGITS | head(8, 3e-3)),
    ),
    # What is trained on is made harder than what is judged by.
    "validation-easier": (
        (TORCH,      clothing(CLOTHES_3, 40),                     FROZEN | SHARP | HEAVY | DROPPED | head(12, 3e-3)),
        (TENSORFLOW, digits(10, 40),                              FROZEN | UNCHANGED | DROPPED | head(15, 3e-3)),
        (TORCH,      bloodcells(70).but("wrong labels"),          FROZEN | SHARP | head(8, 3e-3)),
        (TENSORFLOW, clothing(CLOTHES_3, 70).but("wrong labels"), FROZEN | SHARP | head(8, 1e-3)),
    ),
    # A class among many pictures of others.
    "class-never-predicted": (
        (TORCH,      clothing(CLOTHES_5, 100).but("one rare class"), FROZEN | SHARP | UNCHANGED | head(6, 5e-4)),
        (TENSORFLOW, shapes(4, 100).but("one rare class"),           FROZEN | UNCHANGED | head(6, 5e-4)),
        (TENSORFLOW, digits(5, 120).but("one rare class"),           FROZEN | UNCHANGED | head(5, 5e-4)),
        (TORCH,      textures(5, 80).but("one rare class"),          FROZEN | UNCHANGED | head(6, 5e-4)),
    ),
    # The same thing under two names.
    "confused-classes": (
        (TORCH,      clothing(CLOTHES_5, 60, 40).but("class split in two"), FROZEN | SHARP | head(8, 3e-3)),
        (TENSORFLOW, bloodcells(60, 40).but("class split in two"),          FROZEN | SHARP | head(8, 3e-3)),
        (TORCH,      digits(8, 60, 40).but("class split in two"),           FROZEN | FOR_DIGITS | head(10, 3e-3)),
        (TENSORFLOW, shapes(5, 60, 40).but("class split in two"),           FROZEN | FEW_VIEWS | head(10, 3e-3)),
    ),
    # Targets that are never sure, and nothing that puts it right.
    "miscalibrated": (
        (TORCH,      clothing(CLOTHES_3, 60), FROZEN | SHARP | UNCHANGED | SMOOTHED | head(15, 1e-3)),
        (TENSORFLOW, bloodcells(60),          FROZEN | SHARP | UNCHANGED | SMOOTHED | head(15, 1e-3)),
        (TORCH,      shapes(4, 80),           FROZEN | UNCHANGED | SMOOTHED | head(15, 1e-3)),
        (TENSORFLOW, clothing(CLOTHES_3, 60), TOP | SHARP | UNCHANGED | SMOOTHED | head(10, 1e-3) | unfrozen(4, 1e-4)),
    ),
    # Steps beyond what numbers hold.
    "not-finite": (
        (TORCH,      clothing(6, 15), FULL | UNCHANGED | head(4, 3e-3) | unfrozen(5, 1e12, **UNCLIPPED)),
        (TENSORFLOW, clothing(6, 25), TOP | UNCHANGED | head(4, 3e-3) | unfrozen(5, 1e12, **UNCLIPPED)),
        (TENSORFLOW, digits(10, 40),  FULL | UNCHANGED | head(1, 1e36, **UNCLIPPED) | unfrozen(2, 1e-3)),
        (TORCH,      bloodcells(40),  TOP_3 | UNCHANGED | head(5, 3e-3) | unfrozen(5, 1e15, **UNCLIPPED)),
    ),
    # A hidden layer whose units have died.
    "one-class-for-all": (
        (TORCH,      clothing(6, 40), FROZEN | UNCHANGED | {"head.hidden": (64,)} | head(8, 3, **SGD)),
        (TENSORFLOW, bloodcells(60),  FROZEN | UNCHANGED | {"head.hidden": (32,)} | head(8, 3, **SGD)),
        (TORCH,      digits(10, 40),  FROZEN | UNCHANGED | {"head.hidden": (32, 16)} | head(8, 3, **SGD)),
        (TENSORFLOW, shapes(6, 40),   FROZEN | UNCHANGED | {"head.hidden": (16,)} | head(8, 3, **SGD)),
    ),
    # Found now and then only.
    "rare-classes-neglected": (
        (TORCH,      clothing(5, 120).but("one rare class"), FROZEN | SHARP | head(8, 3e-3)),
        (TENSORFLOW, shapes(4, 100).but("one rare class"),   FROZEN | FEW_VIEWS | head(12, 3e-3)),
        (TORCH,      digits(6, 130).but("one rare class"),   FROZEN | FOR_DIGITS | head(8, 3e-3)),
        (TENSORFLOW, clothing(6, 100).but("one rare class"), TOP | SHARP | head(5, 3e-3) | unfrozen(4, 3e-4)),
    ),
    # Stages that train for nothing.
    "no-better-than-frozen": (
        (TORCH,      clothing(CLOTHES_5, 60), TOP | SHARP | head(10, 3e-3) | unfrozen(6, 1e-7)),
        (TENSORFLOW, bloodcells(60),          TOP_3 | UNCHANGED | head(10, 3e-3) | unfrozen(6, 1e-7)),
        (TORCH,      digits(8, 30),           FULL | UNCHANGED | head(15, 3e-3) | unfrozen(2, 1e-7)),
        (TENSORFLOW, clothing(CLOTHES_3, 60), GRADUAL | SHARP | head(10, 3e-3) | unfrozen(4, 1e-7)),
    ),
    # Labels that say nothing.
    "no-better-than-guessing": (
        (TORCH,      clothing(4, 60).but("shuffled labels"), FROZEN | SHARP | head(8, 3e-3)),
        (TENSORFLOW, digits(8, 50).but("shuffled labels"),   FROZEN | FOR_DIGITS | head(8, 3e-3)),
        (TORCH,      bloodcells(80).but("shuffled labels"),  TOP | SHARP | head(5, 3e-3) | unfrozen(4, 3e-4)),
        (TENSORFLOW, shapes(3, 60).but("shuffled labels"),   FROZEN | FEW_VIEWS | head(8, 1e-3)),
    ),
    # Judged by what was trained on.
    "leaked-validation": (
        (TORCH,      clothing(6, 40).but("leaked"), FROZEN | SHARP | head(8, 3e-3)),
        (TENSORFLOW, clothing(8, 40).but("leaked"), TOP | UNCHANGED | head(5, 3e-3) | unfrozen(5, 5e-4)),
        (TORCH,      digits(10, 40).but("leaked"),  FROZEN | UNCHANGED | head(12, 3e-3)),
        (TENSORFLOW, bloodcells(60).but("leaked"),  FROZEN | SHARP | head(8, 3e-3)),
    ),
    # Weights whose config.json tells the wrong normalisation.
    "wrong-inputs": (
        (TORCH,      clothing(6, 40), FROZEN | UNCHANGED | {"weights": "mean 127, std 128"} | head(8, 3e-3)),
        (TENSORFLOW, clothing(6, 40), FROZEN | UNCHANGED | {"weights": "mean 0, std 0.004"} | head(8, 3e-3)),
        (TORCH,      digits(10, 40),  FROZEN | UNCHANGED | {"weights": "mean 0, std 255"} | head(8, 3e-3)),
        (TENSORFLOW, bloodcells(60),  FROZEN | UNCHANGED | {"weights": "mean 0, std 255"} | head(8, 3e-3)),
    ),
    # Nothing wrong with these.
    HEALTHY: (
        (TORCH,      clothing(CLOTHES_5, 60), SHARP),
        (TENSORFLOW, clothing(CLOTHES_5, 60), SHARP),
        (TORCH,      clothing(CLOTHES_3, 70), FROZEN | SHARP),
        (TENSORFLOW, clothing(CLOTHES_3, 70), FROZEN | SHARP),
        (TORCH,      clothing(CLOTHES_3, 70), SHARP | EXERCISE),
        (TENSORFLOW, clothing(CLOTHES_5, 70), SHARP | EXERCISE),
        (TORCH,      clothing(CLOTHES_3, 60), GRADUAL | SHARP | unfrozen(4, 5e-4)),
        (TENSORFLOW, clothing(CLOTHES_3, 60), GRADUAL | SHARP | unfrozen(4, 5e-4)),
        (TORCH,      bloodcells(80),          SHARP),
        (TENSORFLOW, bloodcells(80),          FROZEN | SHARP),
        (TORCH,      bloodcells(100),         FROZEN | SHARP | head(10, 1e-3)),
        (TENSORFLOW, bloodcells(80),          SHARP | EXERCISE),
        (TORCH,      bloodcells(60),          FULL | SHARP | unfrozen(4, 3e-4)),
        (TENSORFLOW, bloodcells(60),          FULL | SHARP | unfrozen(4, 3e-4)),
        (TORCH,      digits(10, 100),         FOR_DIGITS | TOP_3 | head(5, 3e-3) | unfrozen(6, 1e-3)),
        (TENSORFLOW, digits(10, 100),         FOR_DIGITS | TOP_3 | head(5, 3e-3) | unfrozen(6, 1e-3)),
        (TORCH,      digits(6, 100),          FROZEN | FOR_DIGITS | head(15, 3e-3)),
        (TENSORFLOW, digits(6, 100),          FOR_DIGITS | EXERCISE),
        (TORCH,      textures(4, 80),         UNCHANGED | head(5, 3e-3) | unfrozen(6, 5e-4)),
        (TENSORFLOW, textures(6, 80),         UNCHANGED | TOP | head(5, 3e-3) | unfrozen(6, 5e-4)),
        (TORCH,      textures(4, 80),         UNCHANGED | FROZEN | head(15, 3e-3)),
        (TENSORFLOW, shapes(3, 80),           FEW_VIEWS | TOP_3 | head(5, 3e-3) | unfrozen(6, 1e-3)),
    ),
}
# fmt: on


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    run = commands.add_parser("run", help="make the runs")
    run.add_argument("--to", type=Path, required=True, metavar="FOLDER")
    run.add_argument("--data", type=Path, default=Path("../shared/data"))
    run.add_argument("--only", nargs="+", metavar="CAUSE", choices=list(SPECS))
    run.add_argument("--framework", choices=FRAMEWORKS)
    run.add_argument("--seed", type=int, default=0)
    run.set_defaults(command=make_runs)
    weights = commands.add_parser("weights", help="of EfficientNet-Lite0, as one file; `run` calls it")
    weights.add_argument("file", type=Path)
    weights.set_defaults(command=write_weights)
    table = commands.add_parser("table", help="diagnose them")
    table.add_argument("folder", type=Path)
    table.set_defaults(command=print_tables)
    options = parser.parse_args()
    options.command(options)


def specs(seed: int) -> list[Spec]:
    """All, in the frameworks of this seed; the first of every cause come first."""
    named = []
    for cause, rows in SPECS.items():
        for number, (framework, pictures, changes) in enumerate(rows, start=1):
            its_own = FRAMEWORKS[(FRAMEWORKS.index(framework) + seed) % 2]
            named.append((number, Spec(f"{cause}-{number}", cause, its_own, pictures, changes)))
    return [spec for _, spec in sorted(named, key=lambda one: one[0])]


def make_runs(options: argparse.Namespace) -> None:
    """In a process for each framework: TensorFlow and PyTorch don't live well in one."""
    if options.framework is None:
        for framework in FRAMEWORKS:
            subprocess.run([sys.executable, *sys.argv, "--framework", framework], check=True)
        return
    for spec in specs(options.seed):
        wanted = spec.framework == options.framework and (options.only is None or spec.cause in options.only)
        if wanted and spec.name not in read_records(options.to):
            record = make_run(spec, options.to, options.data, options.seed)
            keep_record(options.to, record)
            print(f"{record['seconds']:6.1f} s  {spec.framework:10}  {spec.name}  {record['error'] or ''}", flush=True)


def make_run(spec: Spec, to: Path, data: Path, seed: int) -> dict[str, Any]:
    """Trains one; what it was made of, and what became of it."""
    import unfreeze

    started, folder, error = time.perf_counter(), to / spec.name, None
    with FileLock(to / ".pictures.lock"):  # the other framework may be at it as well
        pictures = make_folder(spec.pictures, seed, data, to / "pictures")
    shutil.rmtree(folder, ignore_errors=True)  # of a training that was cut off
    changes = {**EVERYWHERE, **spec.changes, "framework": spec.framework, "seed": seed}
    if changes.get("weights") in MISTOLD:
        changes |= {"model": "tf_efficientnet_lite0", "weights": str(mistold_weights(changes["weights"], to / "weights"))}
    try:
        unfreeze.train(pictures, out=folder, **changes)
    except unfreeze.UnfreezeError as raised:
        error = f"{type(raised).__name__}: {raised}"
    return {
        "name": spec.name,
        "cause": spec.cause,
        "framework": spec.framework,
        "pictures": spec.pictures.name,
        "seed": seed,
        "changes": dict(spec.changes),
        "seconds": round(time.perf_counter() - started, 1),
        "error": error,
    }


# What a config.json tells instead of mean 0.5 and std 0.5.
MISTOLD = {"mean 127, std 128": (127.0, 128.0), "mean 0, std 0.004": (0.0, 1 / 255), "mean 0, std 255": (0.0, 255.0)}


def mistold_weights(which: str, to: Path) -> Path:
    """A folder as the hub lays it out, with the right weights and the wrong mean and std."""
    folder = to / which.replace(" ", "").replace(",", "-")
    if not (folder / "config.json").is_file():
        folder.mkdir(parents=True, exist_ok=True)
        # PyTorch has the weights, and may not be loaded after TensorFlow.
        subprocess.run([sys.executable, __file__, "weights", str(folder / "model.safetensors")], check=True)
        mean, std = MISTOLD[which]
        told = {
            "mean": [mean] * 3,
            "std": [std] * 3,
            "input_size": [3, 224, 224],
            "interpolation": "bicubic",
            "crop_pct": 0.875,
        }
        config = {"architecture": "tf_efficientnet_lite0", "num_classes": 1000, "num_features": 1280, "pretrained_cfg": told}
        (folder / "config.json").write_text(json.dumps(config))
    return folder


def write_weights(options: argparse.Namespace) -> None:
    import torch
    from safetensors.torch import save_file

    from unfreeze.backends.torch import bundled
    from unfreeze.backends.torch.networks import create_base

    base = create_base(bundled.ARCHITECTURE)
    bundled.load_into(base)
    unused = {"classifier.weight": torch.zeros(1000, 1280), "classifier.bias": torch.zeros(1000)}
    save_file({name: tensor.contiguous() for name, tensor in (base.state_dict() | unused).items()}, options.file)


def read_records(folder: Path) -> dict[str, dict[str, Any]]:
    path = folder / "runs.json"
    return {one["name"]: one for one in json.loads(path.read_text())} if path.is_file() else {}


def keep_record(folder: Path, record: dict[str, Any]) -> None:
    with FileLock(folder / ".runs.lock"):
        records = {**read_records(folder), record["name"]: record}
        new = folder / ".runs.json"
        new.write_text(json.dumps(list(records.values()), indent=1))
        new.replace(folder / "runs.json")


def print_tables(options: argparse.Namespace) -> None:
    from unfreeze import api

    records = read_records(options.folder)
    judged = [(spec, api.diagnose(options.folder / spec["name"])) for spec in records.values()]
    if not judged:
        raise SystemExit(f"{options.folder}: no runs there; make some with: {Path(__file__).name} run --to {options.folder}")
    sick = [(spec, found_in(findings)) for spec, findings in judged if spec["cause"] != HEALTHY]
    healthy = [(spec, found_in(findings)) for spec, findings in judged if spec["cause"] == HEALTHY]
    print("\n\n".join((confusion_table(sick), healthy_table(healthy), misnamed_table(sick))))


def found_in(findings: Sequence[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.is_found]


def first_of(findings: Sequence[Finding]) -> str:
    return findings[0].code if findings else "nothing"


def confusion_table(sick: Judged) -> str:
    """Cause against first finding; `also` counts the runs in which the cause is found, but not first."""
    causes = list(dict.fromkeys(spec["cause"] for spec, _ in sick))
    rows = []
    for cause in causes:
        of_cause = [findings for spec, findings in sick if spec["cause"] == cause]
        firsts = Counter(first_of(findings) for findings in of_cause)
        right = firsts.pop(cause, 0)
        others = ", ".join(f"{code} {count}" for code, count in firsts.most_common())
        also = sum(cause in [finding.code for finding in findings[1:]] for findings in of_cause)
        rows.append((cause, len(of_cause), right, also, others))
    total, right = sum(row[1] for row in rows), sum(row[2] for row in rows)
    rows.append((f"**all: {right / total:.0%} right**" if total else "all", total, right, sum(row[3] for row in rows), ""))
    frameworks = ", ".join(f"{name} {count}" for name, count in Counter(spec["framework"] for spec, _ in sick).items())
    return f"{total} sick runs ({frameworks})\n\n" + markdown(
        ("cause", "runs", "named first", "named later", "first instead"), rows
    )


def healthy_table(healthy: Judged) -> str:
    """Each with the worst that is found."""
    rows, clean = [], 0
    for spec, findings in healthy:
        worst = max((SEVERITIES.index(finding.severity) for finding in findings), default=0)
        clean += worst <= SEVERITIES.index("note")
        found = ", ".join(f"{finding.code} ({finding.severity})" for finding in findings)
        rows.append((spec["name"], spec["framework"], spec["pictures"], SEVERITIES[worst], found))
    heading = f"{len(healthy)} healthy runs, {clean} of them with notes at most"
    return f"{heading}\n\n" + markdown(("run", "framework", "pictures", "worst", "found"), rows)


def misnamed_table(sick: Judged) -> str:
    """What was found first in place of the cause, with its numbers."""
    rows = []
    for spec, findings in sick:
        if first_of(findings) != spec["cause"]:
            measured = findings[0].measured if findings else {}
            numbers = ", ".join(f"{name} {value:.3g}" for name, value in measured.items())
            later = ", ".join(finding.code for finding in findings[1:])
            rows.append((spec["name"], spec["framework"], spec["pictures"], first_of(findings), numbers, later))
    return "Named otherwise\n\n" + markdown(("run", "framework", "pictures", "first", "its numbers", "later"), rows)


def markdown(heading: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [heading, ["---"] * len(heading), *rows]
    return "\n".join(f"| {' | '.join(str(cell) for cell in line)} |" for line in lines)


if __name__ == "__main__":
    main()
