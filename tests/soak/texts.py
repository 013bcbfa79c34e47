"""Recipes, manifests, run folders, models and caches, damaged or edited: a clear error, never a traceback, never a hang."""

from __future__ import annotations

import importlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

from soak.commands import run, wrong_with
from soak.mutations import PLACES, misplace, mutate, put_back
from soak.rows import Row
from support.folders import class_folder, manifest
from unfreeze import api
from unfreeze.training.history import EpochRecord
from unfreeze.training.watcher import Silent

# What is typed after `unfreeze`, for a place as `_make` leaves it.
Typed = Callable[[Path], Sequence[object]]

NUMPY = ("--framework", "numpy", "--model", "tiny")
# A network of timm's for tests, which has 10,000 numbers.
_SMALL = (
    "--model", "test_resnet", "--weights", "none", "--strategy", "feature-extraction", "--epochs", 1,
    "--set", "input.side_px=32", "--set", "explain=false", "--set", "data.inspect=none",
)  # fmt: skip


@dataclass(frozen=True)
class Target:
    """A file, by its path in the place, and the commands that read it; they take turns.

    Attributes:
        framework: without which it isn't there.
        named: what else than the file an error may name.
        whole: a folder that the command changes, to be put back as it was.
        same: predictions that a command makes as before, taking no notice of the damage; of others it may say so.
    """

    path: str
    commands: tuple[Typed, ...]
    framework: str = "numpy"
    named: str = ""
    whole: str = ""
    same: str = ""


def _of_run(run: str) -> dict[str, Typed]:
    return {
        "report": lambda place: ("report", place / run, "--to", place / "out"),
        "diagnose": lambda place: ("diagnose", place / run),
        "predict": lambda place: ("predict", place / run, place / "photos/cat/000.png"),
        "predict surely": lambda place: ("predict", place / run, place / "photos/cat/000.png", "--min-precision", 0.5),
        "evaluate": lambda place: ("evaluate", place / run, place / "photos"),
        "compare": lambda place: ("compare", place / run, place / "other"),
        "write comparison": lambda place: ("compare", place / "other", place / run, "--to", place / "out"),
        "improve": lambda place: ("improve", place / run, "--dry-run"),
        "convert": lambda place: ("convert", place / run, "--to", "second", "--out", place / "converted"),
    }  # fmt: skip


_RUN = _of_run("run")
_ALL = tuple(_RUN.values())
_OF_MODEL = tuple(_RUN[name] for name in ("predict", "evaluate", "convert"))


def _plan_by(recipe: str) -> Typed:
    return lambda place: ("plan", place / "photos", *NUMPY, "--recipe", place / recipe)


_AS_TRAINED: dict[str, Any] = {"framework": "numpy", "model": "tiny", "unfrozen": {"epochs": 1}}


def _train(place: Path) -> Sequence[object]:
    return ("train", place / "photos", *NUMPY, "--epochs", 1, "--out", place / "trained", "--quiet")


def _resume(place: Path) -> Sequence[object]:
    return ("resume", place / "stopped", "--quiet")


RECIPES = [Target("recipe.yaml", (_plan_by("recipe.yaml"),))]
MANIFESTS = [Target("photos/manifest.csv", (
    lambda place: ("inspect", place / "photos/manifest.csv"),
    lambda place: ("plan", place / "photos/manifest.csv", *NUMPY),
    lambda place: ("evaluate", place / "run", place / "photos/manifest.csv"),
))]  # fmt: skip
# Files of a finished run.
RUNS = [
    Target("run/plan.yaml", _ALL, named="no run of unfreeze"),  # as which a folder without a plan is taken
    *(Target(f"run/{name}", _ALL) for name in (
        "recipe.yaml", "data.json", "history.jsonl", "metrics.json", "predictions.csv", "findings.json",
    )),
    Target("run/history.csv", (lambda place: ("diagnose", place / "run/history.csv"),)),
    Target("run/gradcam.json", (_RUN["report"],)),
    Target("run/improvement.json", (_RUN["improve"],)),
    Target("run/next-recipe.yaml", (_plan_by("run/next-recipe.yaml"),)),
    # model/manifest.json is read by each framework in its own way: see MODELS.
    Target("run/model/calibration.json", (*_OF_MODEL, _RUN["report"])),
]  # fmt: skip


# Files of a run that was stopped. Of a checkpoint the one before it is used, to the same end.
STOPPED = [
    *(Target(f"stopped/{name}", (_resume,), whole="stopped") for name in (
        "plan.yaml", "recipe.yaml", "start.json", "data.json",
    )),
    *(Target(f"stopped/{name}", (_resume,), whole="stopped", same="stopped/predictions.csv") for name in (
        "history.jsonl", "model/manifest.json", "checkpoints/00000002.checkpoint", "checkpoints/00000003.checkpoint",
    )),
]  # fmt: skip


def _tune(place: Path) -> Sequence[object]:
    values = ("--set", "head_only.epochs=1", "--set", "unfrozen.epochs=1", "--set", "unfrozen.schedule.warmup_epochs=0")
    return ("tune", place / "photos", *NUMPY, "--out", place / "tuned", "--trials", 2, "--search", "rate", "--quiet", *values)


TUNINGS = [
    Target("tuned/tuning.json", (_tune,), named="holds trials of something else"),
    *(Target(f"tuned/{name}", (_tune,)) for name in ("study.jsonl", "trials/1/predictions.csv")),
    Target("tuned/trials/1/history.jsonl", (lambda place: ("diagnose", place / "tuned/trials/1/history.jsonl"),)),
    Target("tuned/best.yaml", (_plan_by("tuned/best.yaml"),)),
]
_CACHE_COMMANDS: tuple[Typed, ...] = (
    _train,
    lambda place: ("cache", "list"),
    _train,
    lambda place: ("inspect", place / "photos"),
)
CACHES = [
    Target(f"cache/{pattern}", _CACHE_COMMANDS, whole="cache", same="trained/predictions.csv")
    for pattern in (
        "scans.sqlite",
        "activations/*/store.json",
        "activations/*/*.rows",
        "activations/*/*.index",
        "inputs/*.json",
    )
]


def _models(framework: str, *names: str) -> list[Target]:
    commands = _of_run(framework)
    picked = (commands["predict"], commands["evaluate"])
    return [Target(f"{framework}/model/{name}", picked, framework) for name in ("manifest.json", *names)]


MODELS = {
    "torch": _models("torch", "weights.safetensors"),
    "tensorflow": _models("tensorflow", "model.keras"),
}


# What is damaged, and its part of all; each of the frameworks' models has a twentieth on top.
KINDS: dict[str, tuple[list[Target], float]] = {
    "recipes": (RECIPES, 0.3),
    "manifests": (MANIFESTS, 0.1),
    "run folders": (RUNS, 0.4),
    "stopped runs": (STOPPED, 0.1),
    "tune folders": (TUNINGS, 0.06),
    "caches": (CACHES, 0.04),
}


def soak(count: int, seed: int, frameworks: Sequence[str]) -> Iterator[Row]:
    """`count` damaged texts, most of them recipes and files of runs."""
    with place() as where:
        for name, (targets, part) in KINDS.items():
            yield damaged(name, targets, where, max(len(targets), round(count * part)), seed)
        for framework in frameworks:
            _done("train", where / "photos", "--framework", framework, *_SMALL, "--out", where / framework, "--quiet")
            yield damaged("models", MODELS[framework], where, max(2, count // 20), seed)


def damaged(name: str, targets: Sequence[Target], place: Path, count: int, seed: int) -> Row:
    """Damages files, one at a time and each in turn, and gives a command that reads it each of them."""
    lost = []
    for number in range(count):
        target = targets[number % len(targets)]
        path = next(iter(sorted(place.glob(target.path))))
        wrong = _try(target, path, place, number // len(targets), Random(f"{seed} {name} {number}"))
        if wrong:
            lost.append(f"seed {seed}, {name} {number}, {path.relative_to(place)}, {wrong}")
    return Row(f"damaged texts: {name}", targets[0].framework, count, count - len(lost), lost)


def _try(target: Target, path: Path, place: Path, turn: int, random: Random) -> str:
    """What is wrong with how a command takes a file that is damaged; empty where nothing is."""
    content = path.read_bytes()
    command = target.commands[turn % len(target.commands)](place)
    if random.random() < 0.1:
        kind = random.choice(PLACES)
        misplace(path, kind)
    else:
        kind, changed = mutate(content, path.name, random)
        path.write_bytes(changed)
    try:
        ended = run(command)
        wrong = wrong_with(ended, (path.name, target.named or path.name))
        if target.same and not wrong:
            wrong = f"status {ended.status}: {ended.err[-300:]}" if ended.status else _not_as_before(place / target.same, place)
        return f"{kind}, {command[0]}: {wrong}" if wrong else ""
    finally:
        if target.whole:
            shutil.rmtree(place / target.whole)
            shutil.copytree(place / f"{target.whole}-as-made", place / target.whole)
        else:
            put_back(path, content)
        for left in ("trained", "converted"):
            shutil.rmtree(place / left, ignore_errors=True)


def _not_as_before(made: Path, place: Path) -> str:
    """Whether a training gave other predictions than the one that nothing happened to."""
    before = place / "trained-before/predictions.csv"
    return "other predictions" if made.is_file() and made.read_bytes() != before.read_bytes() else ""


@contextmanager
def place() -> Iterator[Path]:
    """A folder with pictures, a manifest of them, a recipe, two runs, a tuning and a cache; made with the NumPy backend."""
    with tempfile.TemporaryDirectory(prefix="texts-") as folder, _surroundings(Path(folder)):
        where = Path(folder)
        _make(where)
        yield where


@contextmanager
def _surroundings(where: Path) -> Iterator[None]:
    backends = {"numpy": ("support.numpy_backend", "none"), "second": ("support.second_backend", "none")}
    with (
        patch.dict(api.BACKENDS, backends),
        patch.dict(os.environ, UNFREEZE_CACHE=str(where / "cache"), UNFREEZE_ENGINE="off", COLUMNS="200"),
        patch("unfreeze.exchange.apart.call", _call),
    ):
        yield


def _call(function: str, **arguments: object) -> object:
    """What would run in a process of its own, which doesn't know these backends."""
    module, _, name = function.partition(":")
    return getattr(importlib.import_module(module), name)(**arguments)


def _make(where: Path) -> None:
    class_folder(where / "photos", {"cat": 12, "dog": 12, "été": 12})
    names = sorted(path.relative_to(where / "photos") for path in (where / "photos").rglob("*.png"))
    rows = [
        {"path": name.as_posix(), "label": name.parts[0], "split": "", "group": str(n // 2)} for n, name in enumerate(names)
    ]
    manifest(where / "photos/manifest.csv", rows)
    for epochs, out in ((2, "run"), (1, "other")):
        _done("train", where / "photos", *NUMPY, "--out", where / out, "--epochs", epochs, "--quiet")
    _done(*_train(where))
    shutil.move(where / "trained", where / "trained-before")
    with suppress(_Stopped):
        api.train(where / "photos", out=where / "stopped", watcher=_Stops(), **_AS_TRAINED)
    _done("improve", where / "run", "--dry-run", "--quiet")
    _done(*_tune(where))
    shutil.copy(where / "run/recipe.yaml", where / "recipe.yaml")
    if not (where / "run/next-recipe.yaml").exists():
        shutil.copy(where / "run/recipe.yaml", where / "run/next-recipe.yaml")
    for name in ("cache", "stopped"):
        shutil.copytree(where / name, where / f"{name}-as-made")


class _Stopped(BaseException):
    """As if the process were gone."""


class _Stops(Silent):
    """Stops a training in its third epoch, when there are two checkpoints and one is due."""

    def epoch_done(self, record: EpochRecord) -> None:
        if record.epoch == 3:
            raise _Stopped


def _done(*arguments: object) -> None:
    ended = run(arguments)
    if ended.status != 0:
        raise RuntimeError(f"{arguments}: {ended.err}{ended.escaped}")
