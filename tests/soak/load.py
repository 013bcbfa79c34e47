"""Many pictures, many epochs, many processes: memory, open files and threads must not grow, nor the cache beyond its limit.

Looked at in child processes, by what Linux says of them in /proc; elsewhere nothing is tried.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import unfreeze
from soak.rows import Row
from support.folders import scene_folder
from unfreeze import api
from unfreeze.cache.store import Store
from unfreeze.training.history import EpochRecord
from unfreeze.training.watcher import Silent

FEW, CLASSES, SIDE_PX = 1000, 4, 32
# What a picture may take: its record, what tells it from near-identical ones, its views, its predictions. And what the
# allocator, the decoder's buffers and the report may take more in one run than in another.
BYTES_A_PICTURE, SPARE_MB = 8_000, 64
# When everything that is made once is made, in each phase; nothing of it may grow until its last epoch.
SETTLED, EPOCHS = 5, 100
ROW_BYTES, SEGMENTS = 4096, 3
SMALLEST_NETWORKS = {"numpy": "tiny", "torch": "mobilenetv3_small_050", "tensorflow": "mobilenetv3_small_050"}

Work = Callable[..., Any]


class Held(NamedTuple):
    """What a process holds: resident memory now and at its peak, open files, threads."""

    mb: float
    peak_mb: float
    files: int
    threads: int


def soak(count: int, seed: int, frameworks: Sequence[str]) -> Iterator[Row]:
    """`count` pictures against a thousand, a hundred epochs, as many stores as epochs, and three trainings with one cache."""
    if not sys.platform.startswith("linux"):
        return
    with tempfile.TemporaryDirectory(prefix="soak-load-") as folder:
        few, many = (drawn(Path(folder, str(number)), number, seed) for number in (FEW, count))
        yield of_pictures("scan", "-", _scanned, few, many, count - FEW)
        for framework in frameworks:
            yield of_pictures("head, cache on", framework, partial(_trained_head, framework, "on"), few, many, count - FEW)
            yield of_pictures("head, cache off", framework, partial(_trained_head, framework, "off"), few, many, count - FEW)
            yield from of_epochs(framework, drawn(Path(folder, f"epochs-{framework}"), 120, seed), EPOCHS)
            yield of_one_cache(framework, drawn(Path(folder, f"cache-{framework}"), 200, seed))
    yield of_stores(EPOCHS)


def of_pictures(what: str, framework: str, work: Work, few: Path, many: Path, more: int) -> Row:
    """The peak of a process with many pictures against that with few."""
    peaks = [apart(work, photos).peak_mb for photos in (few, many)]
    grown, allowed = peaks[1] - peaks[0], SPARE_MB + more * BYTES_A_PICTURE / 1e6
    lost = [f"{peaks[0]:.0f} MB, with {more:,} pictures more {peaks[1]:.0f}: {allowed:.0f} MB are allowed for them"]
    return _row(f"{more:,} pictures more: {what}", framework, lost if grown > allowed else [])


def of_epochs(framework: str, photos: Path, epochs: int) -> Iterator[Row]:
    """So many epochs of the head on kept activations, then of the last stages: held after a few and the last."""
    held = apart(_over_epochs, framework, photos, epochs)
    for number, what in enumerate(("head", "last stages")):
        of_phase = held[number * epochs : (number + 1) * epochs]
        lost = _grown(of_phase[SETTLED - 1], of_phase[-1]) if len(of_phase) == epochs else [f"{len(held)} epochs in all"]
        yield _row(f"{epochs} epochs: {what}", framework, lost)


def _grown(first: Held, last: Held) -> list[str]:
    lost = [] if last.mb <= first.mb + SPARE_MB else [f"{first.mb:.0f} MB after epoch {SETTLED}, then {last.mb:.0f}"]
    names = [name for name in ("files", "threads") if getattr(last, name) > getattr(first, name)]
    return lost + [f"{getattr(first, name)} {name} after epoch {SETTLED}, then {getattr(last, name)}" for name in names]


def of_stores(count: int) -> Row:
    """Open files, once so many stores were filled, read and closed."""
    before, after = apart(_fill_stores, count)
    return _row(f"{count} stores of the cache", "-", [f"{before} open files, then {after}"] if after != before else [])


def of_one_cache(framework: str, photos: Path) -> Row:
    """Three trainings at once whose activations don't fit into one cache folder: the most it held."""
    lost = []
    with tempfile.TemporaryDirectory(prefix="soak-load-") as folder:
        cache = Path(folder, "cache")
        apart(_fill_cache, framework, photos, cache, 0, 1.0)
        limit = 1.5 * _size(cache)  # of what each of them wants to keep
        with _children(3) as children:
            work = [children.submit(_fill_cache, framework, photos, cache, number, limit / 1e9) for number in range(1, 4)]
            held = list(_watched(cache, work))
        if max(held) > limit:
            lost.append(f"{max(held):,} bytes in a cache limited to {int(limit):,}")
    return _row("three trainings fill one cache", framework, lost)


def drawn(folder: Path, count: int, seed: int) -> Path:
    """A folder of so many pictures, none like another."""
    return scene_folder(folder, {f"class {number}": count // CLASSES for number in range(CLASSES)}, seed * 1_000_000)


def apart(work: Work, *arguments: Any) -> Any:
    """What `work` gives in a process of its own."""
    with _children(1) as child:
        return child.submit(work, *arguments).result()


def _children(count: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(count, multiprocessing.get_context("spawn"))


def _row(fault: str, framework: str, lost: list[str]) -> Row:
    return Row(fault, framework, 1, 0 if lost else 1, lost)


def _scanned(photos: Path) -> Held:
    unfreeze.inspect(photos)
    return _held()


def _trained_head(framework: str, use: str, photos: Path) -> Held:
    _train(framework, photos, Silent(), {"strategy": "feature-extraction", "head_only.epochs": 1, "cache.use": use})
    return _held()


def _over_epochs(framework: str, photos: Path, epochs: int) -> list[Held]:
    held: list[Held] = []

    class Gauge(Silent):
        def epoch_done(self, record: EpochRecord) -> None:
            held.append(_held())

    changes = {"head_only.epochs": epochs, "unfrozen.epochs": epochs, "unfreeze.batchnorm": "update", "cache.use": "on"}
    _train(framework, photos, Gauge(), changes)
    return held


def _fill_cache(framework: str, photos: Path, cache: Path, number: int, limit_gb: float) -> None:
    changes = {"strategy": "feature-extraction", "head_only.epochs": 4, "augment.seed": number}
    _train(framework, photos, Silent(), {**changes, "cache.use": "on", "cache.folder": str(cache), "cache.limit_gb": limit_gb})


def _train(framework: str, photos: Path, watcher: Silent, changes: Mapping[str, Any]) -> None:
    os.environ["UNFREEZE_ENGINE"] = "off"
    if framework == "numpy":
        api.BACKENDS["numpy"] = ("support.numpy_backend", "none")
    patient = {f"{phase}.stopping.patience_epochs": None for phase in ("head_only", "unfrozen")}
    small = {"model": SMALLEST_NETWORKS[framework], "weights": "none", "input.side_px": SIDE_PX, "explain": False}
    with tempfile.TemporaryDirectory() as folder:
        every = {"framework": framework, **small, **patient, **changes}
        unfreeze.train(photos, out=Path(folder, "run"), watcher=watcher, **every)


def _fill_stores(count: int) -> tuple[int, int]:
    before = _held().files
    with tempfile.TemporaryDirectory() as folder:
        for number in range(count):
            store = Store(Path(folder, str(number)), ROW_BYTES)
            for segment in range(SEGMENTS):
                keys = np.full((1, 2), segment, np.uint64)
                store.append([(keys, np.zeros((1, ROW_BYTES), np.uint8))])
                store.read(keys)
            store.close()
    return before, _held().files


def _held() -> Held:
    told = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines())
    mb, peak_mb = (int(told[name].split()[0]) * 1024 / 1e6 for name in ("VmRSS", "VmHWM"))
    return Held(mb, peak_mb, len([*Path("/proc/self/fd").iterdir()]), int(told["Threads"]))


def _watched(folder: Path, work: Sequence[Future[None]]) -> Iterator[int]:
    """The size of a folder, again and again until all work is done."""
    while not all(one.done() for one in work):
        yield _size(folder)
        time.sleep(0.02)
    for one in work:
        one.result()
    yield _size(folder)


def _size(folder: Path) -> int:
    """Of all rows of a cache folder; what names them is small, and counted when they are finished."""
    size = 0
    for path in (folder / "activations").rglob("*.rows"):
        with contextlib.suppress(OSError):  # deleted meanwhile
            size += path.stat().st_size
    return size
