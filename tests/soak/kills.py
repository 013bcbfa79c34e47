"""Trainings that are killed, and resumed, and killed again: they end as one left alone, byte for byte.

The moments are drawn among those that a training left alone has: within a step, at a change of phase, in a checkpoint half
written, while the cache is filled, between a file's writing and its renaming, while the final scores are made; or by the clock.
"""

from __future__ import annotations

import io
import json
import os
import re
import signal
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Any

import h5py
import yaml

from soak.killing import CALLS, CHECKPOINT, SECONDS, Job, Killing, Moment
from soak.rows import Row
from support.folders import class_folder
from unfreeze.cli.options import INTERRUPTED, TERMINATED
from unfreeze.training.checkpoint import CHECKPOINTS
from unfreeze.training.run_lock import LOCK

NETWORKS = {"numpy": "tiny", "torch": "test_resnet", "tensorflow": "test_resnet"}
TIMES = ("train_seconds", "val_seconds", "fill_seconds", "pictures_per_second")
EACH_STEP = {"checkpoint_minutes": 1e-9}
PLAIN = {"input.side_px": 32, "input.batch_size": 8, "head_only.epochs": 2, "unfrozen.epochs": 3, "explain": False}
# Ways to train; the pictures of some are decoded anew, those of others are activations from the cache.
KINDS: dict[str, dict[str, Any]] = {
    "last stage, plateau, kept": {
        "strategy": "fine-tune-top", "unfreeze.stages": 1, "unfrozen.schedule.name": "plateau",
        "unfrozen.schedule.patience_epochs": 1, "unfrozen.stopping.patience_epochs": 2, "head.dropout": 0.5, "cache.use": "on",
    },
    "gradual, mean": {
        "strategy": "gradual", "unfreeze.stages": 2, "unfrozen.stopping.patience_epochs": 1, "ema": 0.9, "cache.use": "off",
        "unfreeze.batchnorm": "update", "augment.trivial": True, **EACH_STEP,
    },
    "auto": {"strategy": "auto", "weights": "file", "unfrozen.epochs": 2, "cache.use": "on", "explain": True, **EACH_STEP},
    "everything": {
        "strategy": "full", "augment.mixup": 0.3, "augment.cutmix": 0.3, "augment.erasing": 0.5, "input.accumulate": 2,
        "input.batch_size": 4, "stochastic_depth": 0.3, "unfrozen.optimizer.name": "sgd", "unfrozen.optimizer.l2_sp": 0.1,
        "unfreeze.batchnorm": "update", "head.hidden": "[8]", "cache.use": "off", **EACH_STEP,
    },
}  # fmt: skip
# What a family of moments is called, and the events it is drawn from.
MOMENTS = {
    "within an epoch": ("step", "epoch"),
    "at a change of phase": ("phase",),
    "while a checkpoint is written": (CHECKPOINT,),
    "while the cache is filled": ("fill",),
    "while files are written": ("file",),
    "while the final scores are made": ("end",),
    "by the clock": (SECONDS,),
}
SIGNALS = {signal.SIGTERM: TERMINATED, signal.SIGINT: INTERRUPTED}
_MOST_KILLS = 8


class Place:
    """Pictures, what trainings of them come to that are left alone, and a folder for one that isn't.

    Args:
        killing: starts commands of the framework.
    """

    def __init__(self, root: Path, framework: str, killing: Killing, size_px: int = 56) -> None:
        self.root, self.framework, self._killing = root, framework, killing
        self.photos = class_folder(root / "photos", {"cat": 16, "dog": 16, "été": 16}, (size_px, size_px))
        self._alone: dict[str, Path] = {}
        self._counts: dict[str, dict[str, int]] = {}

    def train(self, kind: str, run: Path) -> list[str]:
        """The command that trains into a run's folder, with a cache of its own beside it."""
        known = {"weights": "none", **PLAIN, **KINDS[kind], "cache.folder": run.with_suffix(".cache")}
        if self.framework == "numpy":
            known.pop("stochastic_depth", None)
        if known["weights"] == "file":
            known["weights"] = self._weights
        sets = [word for name, value in known.items() for word in ("--set", f"{name}={value}")]
        model = ["--framework", self.framework, "--model", NETWORKS[self.framework], "--set", "precision=float32"]
        return ["train", self.photos.name, "--out", str(run), "--quiet", *model, *sets]

    def do(self, arguments: Sequence[str], printed: Path, moment: Moment | None = None, folder: Path | None = None) -> int:
        """Carries a command out; its status."""
        counts = printed.with_suffix(".json")
        return self._killing.run(Job(arguments, str(folder or self.root), str(printed), str(counts), moment))

    def alone(self, kind: str) -> tuple[Path, Mapping[str, int]]:
        """The run of a training left alone, and how many moments of each event it had; made when it is asked for."""
        if kind not in self._alone:
            run, printed = self.root / f"alone-{len(self._alone)}", self.root / f"alone-{len(self._alone)}.txt"
            status = self.do(self.train(kind, run), printed)
            if status:
                raise RuntimeError(f"{kind}, left alone, ended with {status}: {printed.read_text(encoding='utf-8')}")
            self._alone[kind] = run
            self._counts[kind] = json.loads(printed.with_suffix(".json").read_text(encoding="utf-8"))["moments"]
        return self._alone[kind], self._counts[kind]

    @contextmanager
    def folder(self) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(dir=self.root) as folder:
            yield Path(folder)

    @cached_property
    def _weights(self) -> str:
        """A file of weights, which count as pretrained."""
        if self.framework == "numpy":
            return "pretrained"
        import timm
        import torch
        from safetensors.torch import save_file

        torch.manual_seed(0)
        path = self.root / "pretrained.safetensors"
        save_file(timm.create_model(NETWORKS[self.framework]).state_dict(), path)
        return str(path)


def soak(count: int, seed: int, frameworks: Sequence[str]) -> Iterator[Row]:
    """At least `count` kills of each framework and of the NumPy backend, and a fifth as many of the other faults."""
    if not hasattr(os, "fork"):
        return
    yield from of_framework("numpy", count, seed)
    for framework in frameworks:
        yield from of_framework(framework, count, seed)


def of_framework(framework: str, count: int, seed: int) -> Iterator[Row]:
    """All faults of one framework."""
    each, others = -(-count // len(MOMENTS)), -(-count // 5)
    with place_of(framework) as place:
        for what in MOMENTS:
            yield killed(place, what, each, seed)
        for number in SIGNALS:
            yield signalled(place, number, others, seed)
        yield damaged(place, others, seed)


@contextmanager
def place_of(framework: str) -> Iterator[Place]:
    """A place, and a process that starts others."""
    cache = Path(os.environ.get("UNFREEZE_CACHE") or tempfile.gettempdir())
    with tempfile.TemporaryDirectory(prefix="soak-kills-") as root, Killing(framework, cache) as killing:
        yield Place(Path(root), framework, killing)


def killed(place: Place, what: str, count: int, seed: int, kinds: Sequence[str] = tuple(KINDS)) -> Row:
    """SIGKILL at so many moments, the first of each training one of a family, in all ways to train in turn."""
    tried, survived, lost = 0, 0, list[str]()
    for number in range(10 * count):  # a moment that doesn't come kills nothing
        if tried >= count:
            break
        kind = kinds[number % len(kinds)]
        kills, wrong = killed_once(place, kind, MOMENTS[what], Random(f"{seed} {what} {number}"))
        tried, survived = tried + kills, survived + (0 if wrong else kills)
        if wrong:
            lost.append(_named(place, seed, f"{what}, training {number}", wrong))
    return Row(f"SIGKILL {what}, then resume", place.framework, tried, survived, lost)


def killed_once(place: Place, kind: str, events: Sequence[str], random: Random) -> tuple[int, str]:
    """Kills one training at a moment drawn, and perhaps again while it is resumed: how often, and what is wrong, or nothing."""
    counts = place.alone(kind)[1]
    possible = [event for event in events if event == SECONDS or counts.get(event)]
    event = random.choice(possible or ["file"])  # nothing is kept in some ways to train
    moments = [_drawn(event, counts, random, 1.0)]
    while random.random() < 0.75 and len(moments) < _MOST_KILLS:
        moments.append(_drawn(random.choice([*CALLS, CHECKPOINT]), counts, random, 0.4))
    return killed_at(place, kind, *moments)


def killed_at(place: Place, kind: str, *moments: Moment) -> tuple[int, str]:
    """As `killed_once`, at these moments, one for each process."""
    with place.folder() as folder:
        kills, wrong = _goes_on(place, kind, folder, moments)
        return kills, wrong or unlike(folder / "run", place.alone(kind)[0])


def signalled(place: Place, number: signal.Signals, count: int, seed: int) -> Row:
    """A signal that asks to end, once or while it is resumed again: all is kept, it is said how to go on, with a status."""

    def once(training: int) -> str:
        random = Random(f"{seed} {number.name} {training}")
        kind = [*KINDS][training % len(KINDS)]
        alone, counts = place.alone(kind)
        events = [event for event in ("step", "epoch", "phase", "fill") if counts.get(event)]
        with place.folder() as folder:
            run, printed = folder / "run", folder / "printed.txt"
            first = random.choice(events)
            moments = [Moment(first, random.randint(1, counts[first]), number), Moment("step", random.randint(1, 9), number)]
            for moment in moments[: random.choice([1, 2])]:
                command = ["resume", str(run)] if run.is_dir() else _loud(place.train(kind, run))
                status, said = place.do(command, printed, moment), printed.read_text(encoding="utf-8")
                if status == 0 and command[0] == "resume":
                    break  # there was less left to do
                wrong = f"status {status}" if status != SIGNALS[number] else _not_kept(run, said, moment)
                if wrong:
                    return f"{kind}, {moment}: {wrong}: {said[-300:]}"
            return _goes_on(place, kind, folder, [])[1] or unlike(run, alone)

    return _row(place, number.name, once, count, seed)


def _not_kept(run: Path, said: str, moment: Moment) -> str:
    """What is wrong with how a training ended that was asked to."""
    if "unfreeze resume" not in said or "Traceback" in said:
        return "doesn't say how to go on"
    before_all = moment.event == "phase" and moment.number <= 2  # as the first begins
    return "" if before_all or list((run / CHECKPOINTS).glob("*.checkpoint")) else "left no checkpoint"


def damaged(place: Place, count: int, seed: int) -> Row:
    """The newest checkpoint is damaged, or both: the one before it serves, or the training starts again, and it is said."""

    def once(number: int) -> str:
        random = Random(f"{seed} damaged {number}")
        kind = [*KINDS][number % len(KINDS)]
        alone, counts = place.alone(kind)
        with place.folder() as folder:
            run, printed = folder / "run", folder / "resumed.txt"
            moment = _drawn(CHECKPOINT, {CHECKPOINT: counts[CHECKPOINT] - 12}, random, 1.0)
            place.do(place.train(kind, run), folder / "printed.txt", Moment(CHECKPOINT, 12 + moment.number))
            found = sorted((run / CHECKPOINTS).glob("*.checkpoint"), reverse=True)
            victims = found[: random.choice([1, 1, 2])]
            how = [_damage(victim, random) for victim in victims]
            status, said = place.do(["resume", str(run)], printed), printed.read_text(encoding="utf-8")
            told = re.sub(r"\s+", " ", said).count("is damaged")
            if status or told < len(victims):
                return f"{how}: status {status}, says so {told} times: {said[-500:]}"
            return unlike(run, alone)

    return _row(place, "damaged checkpoints", once, count, seed)


def unlike(run: Path, alone: Path) -> str:
    """In what a run is otherwise than one left alone, but for times; empty where in nothing."""
    for what, facts in FACTS.items():
        try:
            one, other = facts(run), facts(alone)
        except (OSError, ValueError, KeyError) as error:
            return f"its {what}: {error}"
        if one != other:
            named = sorted(name for name in {*one, *other} if one.get(name) != other.get(name)) if isinstance(one, dict) else []
            return f"another {what} {named[:3]}"
    return ""


def _goes_on(place: Place, kind: str, folder: Path, moments: Sequence[Moment]) -> tuple[int, str]:
    """Trains, and resumes until it ends, with a kill at each moment that comes: how many, and what is wrong, or nothing."""
    run, printed, told, kills = folder / "run", folder / "printed.txt", [], 0
    for moment in [*moments, None]:
        is_there = (run / "plan.yaml").is_file()
        command = ["resume", str(run), "--quiet"] if is_there else place.train(kind, run)
        status = place.do(command, printed, moment)
        told.append(f"{command[0]}{'' if moment is None else f' ({moment.event} {moment.number:g})'}: {status}")
        if moment is None or status != -signal.SIGKILL:
            break
        kills += 1
    said = printed.read_text(encoding="utf-8") if printed.is_file() else ""
    left = {path.name for path in folder.iterdir()} - {"run", "run.cache", "printed.txt", "printed.json"}
    wrong = f": {said[-600:]}" if status or "Traceback" in said else f": left {sorted(left)}" if left else ""
    return kills, wrong and f"{kind}: {', '.join(told)}{wrong}"


def _drawn(event: str, counts: Mapping[str, int], random: Random, part: float) -> Moment:
    if event == SECONDS:
        return Moment(SECONDS, random.uniform(0.05, 6.0))
    return Moment(event, random.randint(1, max(1, int(part * counts.get(event, 1)))))


def _loud(arguments: list[str]) -> list[str]:
    return [word for word in arguments if word != "--quiet"]


def _damage(path: Path, random: Random) -> str:
    content = path.read_bytes()
    place = random.randrange(len(content))
    how = {
        "cut off": content[:place],
        "a bit flipped": content[:place] + bytes([content[place] ^ 1 << random.randrange(8)]) + content[place + 1 :],
        "emptied": b"",
        "replaced by text": b"once upon a time\n" * 9,
        "zeroes in it": content[:place] + bytes(len(content) - place),
        "longer": content + b"\0",
    }
    name = random.choice([*how])
    if how[name] == content:  # the zeroes were zeroes
        name = "emptied"
    path.write_bytes(how[name])
    return f"{path.name} {name}"


def _tensors(run: Path) -> dict[str, Any]:
    folder = run / "model"
    if (folder / "weights.safetensors").is_file():
        return {"weights.safetensors": (folder / "weights.safetensors").read_bytes()}
    if not (folder / "model.keras").is_file():
        return {"manifest.json": (folder / "manifest.json").read_bytes()}  # the NumPy backend's
    found: dict[str, Any] = {}

    def take(name: str, node: Any) -> None:
        if isinstance(node, h5py.Dataset):
            found[name] = (str(node.dtype), node.shape, node[()].tobytes())

    with zipfile.ZipFile(folder / "model.keras") as archive, h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as content:
        content.visititems(take)
    return found


def _history(run: Path) -> dict[str, Any]:
    lines = (run / "history.jsonl").read_text(encoding="utf-8").splitlines()
    records = [json.loads(line) for line in lines]
    return {str(record["epoch"]): {name: record[name] for name in record if name not in TIMES} for record in records}


def _metrics(run: Path) -> dict[str, Any]:
    metrics: dict[str, Any] = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    return {name: value for name, value in metrics.items() if name != "seconds"}


def _phases(run: Path) -> dict[str, Any]:
    plan = yaml.safe_load((run / "plan.yaml").read_text(encoding="utf-8"))
    evidence = [{name: row[name] for name in row if "seconds" not in name} for row in plan.get("evidence", [])]
    return {"phases": plan["phases"], "evidence": evidence}


def _files(run: Path) -> dict[str, Any]:
    # One killed after all was done leaves its lock file, which nobody holds any more.
    return {path.relative_to(run).as_posix(): True for path in run.rglob("*") if path.is_file() and path.name != LOCK}


FACTS: dict[str, Callable[[Path], Any]] = {
    "model": _tensors,
    "history": _history,
    "predictions": lambda run: (run / "predictions.csv").read_bytes(),
    "metrics": _metrics,
    "findings": lambda run: (run / "findings.json").read_bytes(),
    "plan": _phases,
    "set of files": _files,
}


def _named(place: Place, seed: int, name: str, wrong: str) -> str:
    return f"kills --framework {place.framework} --seed {seed}, {name}: {wrong}"


def _row(place: Place, fault: str, once: Callable[[int], str], count: int, seed: int) -> Row:
    """Of faults that are tried once in a training."""
    found = [(number, once(number)) for number in range(count)]
    lost = [_named(place, seed, f"{fault} {number}", wrong) for number, wrong in found if wrong]
    return Row(f"{fault}, then resume", place.framework, count, count - len(lost), lost)
