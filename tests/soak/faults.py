"""What happens to the machine while a training runs: full and read-only disks, limits, files that change, clocks that jump,
two processes at once, Ctrl-C. Nothing may be lost or half-written, and what stops goes on when the cause is gone.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

import numpy as np
import yaml

import unfreeze
from soak.commands import Ended, run, wrong_with
from soak.rows import Row
from support.folders import class_folder, write_picture
from unfreeze import api
from unfreeze.cache import folder as cache_folders
from unfreeze.cache.store import Store
from unfreeze.cli.options import INTERRUPTED
from unfreeze.errors import FrameworkError, UnfreezeError
from unfreeze.exchange import apart

SMALLEST_NETWORKS = {"numpy": "tiny", "torch": "mobilenetv3_small_050", "tensorflow": "mobilenetv3_small_050"}
# What a fault does: given the place, a framework and what draws, it gives what is wrong, or nothing.
Fault = Callable[["Place", Random], str]
_STORES, _ROWS, _ROW_BYTES = 6, 40, 4096


class Place:
    """Pictures, what a training of them comes to when nothing happens, and a folder for one fault."""

    def __init__(self, root: Path, framework: str) -> None:
        self.root, self.framework = root, framework
        self.photos = class_folder(root / "photos", {"cat": 12, "dog": 12, "été": 12})
        self.whole = root / "whole"
        ended = run(self.train(self.whole))
        if ended.status != 0:
            raise RuntimeError(f"an undisturbed training ended with {ended.status}: {ended.err}{ended.escaped}")

    def train(self, out: Path, photos: Path | None = None, *more: object) -> list[object]:
        model = SMALLEST_NETWORKS[self.framework]
        head, rest = ("head_only.epochs", 2), ("unfrozen.epochs", 1)
        sets = [word for name, value in (head, rest) for word in ("--set", f"{name}={value}")]
        known = ["--framework", self.framework, "--model", model, "--set", "weights=none", "--set", "input.side_px=32"]
        return ["train", photos or self.photos, "--out", out, "--quiet", *known, *sets, *more]

    @property
    def bytes_of_run(self) -> int:
        return sum(path.stat().st_size for path in self.whole.rglob("*") if path.is_file())

    @contextlib.contextmanager
    def folder(self) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(dir=self.root) as folder:
            yield Path(folder)


def soak(count: int, seed: int, frameworks: Sequence[str]) -> Iterator[Row]:
    """Each fault so many times in each framework; those without one once for all."""
    for framework in frameworks:
        yield from of_framework(framework, count, seed)
    yield from of_none(count, seed)


def of_framework(framework: str, count: int, seed: int) -> Iterator[Row]:
    """Faults during trainings."""
    with surroundings() as root:
        place = Place(root, framework)
        for fault in FAULTS:
            yield tried(fault, partial_of(place), framework, count, seed)


def of_none(count: int, seed: int) -> Iterator[Row]:
    """Faults in which no framework takes part."""
    with surroundings() as root:
        for fault in (stores_share_a_limit, child_dies):
            yield tried(fault, lambda fault, random: fault(root, random), "-", count, seed)


def partial_of(place: Place) -> Callable[[Fault, Random], str]:
    return lambda fault, random: fault(place, random)


def tried(fault: Any, once: Callable[[Any, Random], str], framework: str, count: int, seed: int) -> Row:
    """The row of a fault."""
    lost = []
    for number in range(seed, seed + count):
        try:
            wrong = once(fault, Random(number))
        except NotHere as reason:
            return Row(f"{fault.__doc__} (not tried: {reason})", framework, 0, 0, [])
        if wrong:
            lost.append(f"{fault.__name__} --seed {number}: {wrong}")
    return Row(str(fault.__doc__).rstrip("."), framework, count, count - len(lost), lost)


class NotHere(Exception):  # noqa: N818 – a reason
    """A fault that can't be made on this machine."""


def run_folder_is_full(place: Place, random: Random) -> str:
    """The disk of the run folder becomes full."""
    with place.folder() as folder, tmpfs(folder / "disk", random.randint(16, place.bytes_of_run // 1024)) as disk:
        out = disk / "run"
        wrong = ended_well(run(place.train(out)), "disk") or damage_in(place, out)
        subprocess.run(["mount", "-o", "remount,size=1g", disk], check=True)
        return wrong or goes_on(place, out)


def cache_is_full(place: Place, random: Random) -> str:
    """The disk of the cache becomes full."""
    with place.folder() as folder, tmpfs(folder / "disk", random.randint(4, 64)) as disk:
        ended = run(place.train(folder / "run", None, "--set", f"cache.folder={disk}", "--set", "cache.use=on"))
        with patch.dict(os.environ, UNFREEZE_CACHE=str(disk)):
            scanned = run(["inspect", place.photos])
        return must_succeed(ended) or must_succeed(scanned) or same_as_whole(place, folder / "run")


def report_is_full(place: Place, random: Random) -> str:
    """The disk that a report is written to becomes full."""
    with place.folder() as folder, tmpfs(folder / "disk", random.randint(4, 200)) as disk:
        ended = run(["report", place.whole, "--to", disk])
        return ended_well(ended, "disk") or damage_in(place, disk)


def files_are_limited(place: Place, random: Random) -> str:
    """Files may not grow beyond a limit."""
    with place.folder() as folder, limited("RLIMIT_FSIZE", random.randint(100, 300_000)) as limit:
        ended = run(place.train(folder / "run", None, "--log", "tensorboard"))
        limit.lift()
        return ended_well(ended, "run") or damage_in(place, folder / "run") or goes_on(place, folder / "run")


def run_folder_is_read_only(place: Place, random: Random) -> str:
    """The run folder is read-only."""
    with place.folder() as folder, tmpfs(folder / "disk", 1024) as disk:
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        return must_fail(run(place.train(disk / "run")), "disk")


def cache_is_read_only(place: Place, random: Random) -> str:
    """The cache is read-only."""
    with place.folder() as folder, tmpfs(folder / "disk", 8192) as disk:
        caching = ("--set", f"cache.folder={disk}", "--set", "cache.use=on")
        if random.random() < 0.5:  # with all in it already
            run(place.train(folder / "first", None, *caching))
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        with patch.dict(os.environ, UNFREEZE_CACHE=str(disk)):
            ended = run(place.train(folder / "run", None, *caching))
        return must_succeed(ended) or same_as_whole(place, folder / "run")


def disk_goes_away(place: Place, random: Random) -> str:
    """The disk of the run folder goes away."""
    with place.folder() as folder, contextlib.ExitStack() as stack:
        out = folder / "run"

        def go_away() -> None:  # another one, empty and read-only, hides it
            stack.enter_context(tmpfs(out, 4, "ro"))

        with at_write(random.randint(5, 40), go_away):
            wrong = ended_well(run(place.train(out)), "run")
        stack.close()
        # What was being written couldn't be removed; the next process does it.
        return wrong or damage_in(place, out, leftovers=True) or goes_on(place, out, leftovers=True)


def picture_vanishes(place: Place, random: Random) -> str:
    """A picture vanishes while it is trained on."""
    return _with_picture(place, random, Path.unlink)


def picture_changes(place: Place, random: Random) -> str:
    """Another picture is written over one while it is trained on."""
    return _with_picture(place, random, lambda path: write_picture(path, seed=random.randint(0, 10**6)))


def picture_is_damaged(place: Place, random: Random) -> str:
    """A picture is cut off while it is trained on."""
    return _with_picture(place, random, lambda path: path.write_bytes(path.read_bytes()[: random.randint(0, 100)]))


def _with_picture(place: Place, random: Random, harm: Callable[[Path], Any]) -> str:
    with place.folder() as folder:
        photos = shutil.copytree(place.photos, folder / "photos")
        harmed = random.choice(sorted(photos.rglob("*.png")))
        content = harmed.read_bytes()
        cached = "on" if random.random() < 0.5 else "off"
        with at_write(random.randint(3, 30), lambda: harm(harmed)):
            ended = run(
                place.train(folder / "run", photos, "--set", f"cache.use={cached}", "--set", f"cache.folder={folder}/c")
            )
        harmed.write_bytes(content)
        return ended_well(ended, harmed.name) or damage_in(place, folder / "run") or goes_on(place, folder / "run", photos)


def clock_jumps(place: Place, random: Random) -> str:
    """The clock jumps back and ahead, by years."""

    def jumping() -> float:
        return real() + random.choice((-1, 1)) * random.random() * 3e8

    real = time.time
    with place.folder() as folder, patch("time.time", jumping), patch("time.time_ns", lambda: int(jumping() * 1e9)):
        wrong = must_succeed(run(place.train(folder / "run", None, "--log", "tensorboard")))
        return wrong or must_succeed(run(["cache", "clear"])) or same_as_whole(place, folder / "run")


def interrupted(place: Place, random: Random) -> str:
    """Ctrl-C while a file is being written."""

    def press() -> None:
        raise KeyboardInterrupt

    with place.folder() as folder, at_write(random.randint(1, 40), press):
        ended = run(place.train(folder / "run"))
        if ended.escaped or ended.status not in (0, INTERRUPTED):
            return ended.escaped or f"status {ended.status}: {ended.err[-300:]}"
        return damage_in(place, folder / "run") or goes_on(place, folder / "run")


def two_at_once(place: Place, random: Random) -> str:
    """Another process trains into the same run folder."""
    with place.folder() as folder:
        out, said = folder / "run", []

        def try_as_well() -> None:
            said.append(run(place.train(out)))
            said.append(run(["resume", out]))

        with at_write(random.randint(8, 25), try_as_well):
            wrong = must_succeed(run(place.train(out)))
        return wrong or "".join(must_fail(ended, "run") for ended in said) or same_as_whole(place, out)


def cache_is_cleared(place: Place, random: Random) -> str:
    """The cache is cleared while a training uses it."""
    with place.folder() as folder, patch.dict(os.environ, UNFREEZE_CACHE=str(folder / "cache")):
        said = []
        with at_write(random.randint(3, 40), lambda: said.append(run(["cache", "clear"]))):
            ended = run(place.train(folder / "run", None, "--set", "cache.use=on"))
        return must_succeed(ended) or "".join(map(must_succeed, said)) or same_as_whole(place, folder / "run")


FAULTS: tuple[Fault, ...] = (
    run_folder_is_full, cache_is_full, report_is_full, files_are_limited, run_folder_is_read_only, cache_is_read_only,
    disk_goes_away, picture_vanishes, picture_changes, picture_is_damaged, clock_jumps, interrupted, two_at_once,
    cache_is_cleared,
)  # fmt: skip


def stores_share_a_limit(root: Path, random: Random) -> str:
    """Processes fill and evict within one limit, and one of them is killed."""
    with tempfile.TemporaryDirectory(dir=root) as folder:
        limit = _STORES // 2 * _ROWS * _ROW_BYTES
        spawn = multiprocessing.get_context("spawn")
        workers = [spawn.Process(target=fill, args=(folder, limit, random.random())) for _ in range(3)]
        for worker in workers:
            worker.start()
        kill_at, most = time.monotonic() + 1 + random.random(), 0
        while any(worker.is_alive() for worker in workers):
            most = max(most, sum(entry.size for entry in cache_folders.entries(Path(folder))))
            if time.monotonic() > kill_at:
                workers[0].kill()
            time.sleep(0.002)
        if any(worker.exitcode for worker in workers[1:]):
            return f"a process ended with {[worker.exitcode for worker in workers]}"
        index_bytes = _STORES * _ROWS * 20
        return f"{most:,} bytes, {limit:,} allowed" if most > limit + index_bytes else ""


def fill(folder: str, limit: int, seed: float) -> None:
    """A process that fills stores one after another and looks whether what it reads is right."""
    random, root = Random(seed), Path(folder)
    for _ in range(30):
        name = random.randrange(_STORES)
        path = root / cache_folders.ACTIVATIONS / f"{name:032x}"
        store = Store(path, _ROW_BYTES)
        keys = np.stack([np.arange(_ROWS), np.full(_ROWS, name)], axis=1).astype(np.uint64)
        rows = np.random.default_rng(name).integers(0, 256, (_ROWS, _ROW_BYTES), np.uint8)
        lacking = ~store.has(keys)
        with contextlib.suppress(OSError):
            reserved = None
            with cache_folders.taking_room(root):
                if lacking.any() and cache_folders.make_room(root, int(lacking.sum()) * _ROW_BYTES, limit, keep=path):
                    reserved = store.reserve(int(lacking.sum()))
            if reserved is not None:
                store.append([(keys[lacking], rows[lacking])], reserved)
        there = store.has(keys)
        assert (store.read(keys[there]) == rows[there]).all()
        store.close()


def child_dies(root: Path, random: Random) -> str:
    """A process that was started for a part of the work dies."""
    try:
        apart.call(random.choice(("os:abort", "soak.faults:die", "soak.faults:run_out_of_memory")))
    except FrameworkError as error:
        return "" if "in a process of its own" in str(error) else str(error)
    return "no error"


def die() -> None:
    os.kill(os.getpid(), 9)


def run_out_of_memory() -> None:
    raise MemoryError("Unable to allocate 9 GiB")


def ended_well(ended: Ended, named: str) -> str:
    """What is wrong with a command that may have failed, and then must have named a file."""
    return wrong_with(ended, [named])


def must_succeed(ended: Ended) -> str:
    return wrong_with(ended) or (f"status {ended.status}: {ended.err[-300:]}" if ended.status else "")


def must_fail(ended: Ended, named: str) -> str:
    return wrong_with(ended, [named]) or ("it succeeded" if not ended.status else "")


def goes_on(place: Place, out: Path, photos: Path | None = None, leftovers: bool = False) -> str:
    """What is wrong with a training that is resumed, or begun again where it hadn't begun."""
    if not out.is_dir() or not (out / "plan.yaml").is_file():
        shutil.rmtree(out, ignore_errors=True)
        wrong = must_succeed(run(place.train(out, photos)))
    else:
        wrong = must_succeed(run(["resume", out, "--quiet"]))
    return (wrong and f"resumed: {wrong}") or damage_in(place, out, leftovers) or same_as_whole(place, out)


def same_as_whole(place: Place, out: Path) -> str:
    """Whether a training came to other predictions than an undisturbed one."""
    ours, theirs = (np.genfromtxt(path / "predictions.csv", delimiter=",", skip_header=1) for path in (out, place.whole))
    if ours.shape != theirs.shape:
        return f"predictions of another shape, {ours.shape}"
    return "" if np.allclose(ours, theirs, atol=1e-3, equal_nan=True) else "other predictions"


def damage_in(place: Place, folder: Path, leftovers: bool = False) -> str:
    """What can't be read in a run folder, or was left half-written there."""
    readers = {".json": json.loads, ".yaml": yaml.safe_load, ".jsonl": lambda text: [*map(json.loads, text.splitlines())]}
    for path in folder.rglob("*"):
        if ".tmp" in path.name and not leftovers:
            return f"{path.name} was left"
        if path.suffix in readers:
            try:
                readers[path.suffix](path.read_text(encoding="utf-8"))
            except ValueError as error:
                return f"{path.name} is damaged: {error}"
    if (folder / "model" / "manifest.json").is_file():
        try:
            unfreeze.predict(folder, [place.photos / "cat" / "000.png"])
        except UnfreezeError as error:
            return f"its model is damaged: {error}"
    return ""


@contextlib.contextmanager
def surroundings() -> Iterator[Path]:
    with (
        tempfile.TemporaryDirectory(prefix="faults-") as folder,
        patch.dict(api.BACKENDS, {"numpy": ("support.numpy_backend", "none")}),
        patch.dict(os.environ, UNFREEZE_CACHE=str(Path(folder, "cache")), UNFREEZE_ENGINE="off", COLUMNS="200"),
    ):
        yield Path(folder)


@contextlib.contextmanager
def tmpfs(folder: Path, kilobytes: int, options: str = "rw") -> Iterator[Path]:
    """A file system of this size."""
    folder.mkdir(exist_ok=True)
    mount = shutil.which("mount")
    made = mount and subprocess.run(
        [mount, "-t", "tmpfs", "-o", f"size={kilobytes}k,{options}", "tmpfs", folder], capture_output=True
    )
    if not made or made.returncode:
        raise NotHere("mounting a tmpfs isn't allowed here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


class _Limit:
    def __init__(self, name: str, value: int) -> None:
        import resource

        self._resource, self._number = resource, getattr(resource, name)
        self._before = resource.getrlimit(self._number)
        resource.setrlimit(self._number, (value, self._before[1]))

    def lift(self) -> None:
        self._resource.setrlimit(self._number, self._before)


@contextlib.contextmanager
def limited(name: str, value: int) -> Iterator[_Limit]:
    """A limit of the system on this process, until it is lifted."""
    if sys.platform == "win32":
        raise NotHere("Windows has no such limits")
    limit = _Limit(name, value)
    try:
        yield limit
    finally:
        limit.lift()


@contextlib.contextmanager
def at_write(number: int, act: Callable[[], Any]) -> Iterator[None]:
    """Does something once, when the so many-th file is written under its temporary name and not yet renamed."""
    seen = 0
    replace = Path.replace

    def counting(self: Path, target: Path) -> Path:
        nonlocal seen
        seen += 1
        if seen == number:
            act()
        return replace(self, target)

    with patch.object(Path, "replace", counting):
        yield
