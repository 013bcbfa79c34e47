"""Damaged, deceptive and huge picture files, and file names that folders can hold, through everything that reads pictures."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from soak.child import Ended, run_bounded
from soak.odd_places import PLACES, PROMISED_GOOD
from soak.picture_mutations import BOMBS, mutated
from soak.rows import Row
from support.folders import write_picture
from unfreeze.data.layout import find_files

# Some hundred files take seconds on a machine that does nothing else; what takes longer than this is a hang.
PATIENCE_S = 300.0
# Of addresses. The interpreter with its libraries and threads has 1 GiB of them.
MEMORY_BYTES = 4 * 2**30
BOMB_MEMORY_BYTES = 3 * 2**29
# A child process tries so many files; after one that ends it the next goes on.
_PER_CHILD = 250
# The command line is slower a file: the folder it reads holds this many at most of each mutation.
_IN_FOLDER = 600
TINY = ("--framework", "numpy", "--model", "tiny")


def soak(count: int, seed: int, frameworks: Sequence[str]) -> Iterator[Row]:
    """`count` mutated files in this process's children, then the command line over folders of them."""
    with tempfile.TemporaryDirectory(prefix="soak-pictures-") as place:
        folder = Path(place)
        yield from in_process(folder / "files", count, seed)
        yield from bombs(folder / "bombs")
        yield from odd_places(folder / "places")
        yield from command_line(folder / "commands", min(count, _IN_FOLDER), seed, ("numpy", *frameworks))
        yield changed_in_training(folder / "changed", min(count // 20, 60), seed)


def in_process(folder: Path, count: int, seed: int) -> Iterator[Row]:
    """Mutated files, each by `read_pixels`, `prepared`, `examine`, `look_closely`; all of them by `scan` and `load_files`."""
    kinds: dict[str, str] = {}
    lost: list[tuple[str, str]] = []
    for start in range(0, count, _PER_CHILD):
        cats = _good(folder / str(start))
        for number in range(start, min(count, start + _PER_CHILD)):
            kind, ending, content = mutated(number, seed)
            (cats / f"{number:05d}{ending}").write_bytes(content)
            kinds[f"{number:05d}{ending}"] = kind
        lost += _lost(cats)
    yield from _rows("pictures", kinds, [(name, f"{what} (--seed {seed})") for name, what in lost])


def bombs(folder: Path) -> Iterator[Row]:
    """Small files that unpack to far more: what each takes is bounded."""
    cats = _good(folder)
    kinds = {}
    for number, (kind, make) in enumerate(BOMBS.items()):
        ending, content = make()
        (cats / f"{number:02d}{ending}").write_bytes(content)
        kinds[f"{number:02d}{ending}"] = f"bomb: {kind}"
    yield from _rows("bombs", kinds, _lost(cats, {"UNFREEZE_MAX_PIXELS": "4000000"}, BOMB_MEMORY_BYTES))


def odd_places(folder: Path) -> Iterator[Row]:
    """What is under a name though it is no picture, and pictures under names that few programs expect."""
    cats = _good(folder)
    made = _make_places(cats)
    promised = [f"{place}/{name}" for place, name in made.items() if place in PROMISED_GOOD]
    kinds = {place: f"place: {place}" for place in made}
    yield from _rows("places", kinds, [(name.split("/")[0], what) for name, what in _lost(cats, promised=promised)])


def _good(folder: Path) -> Path:
    """Two good pictures of each of two classes; the folder of the first, for others to be put beside them."""
    for number in range(4):
        write_picture(folder / ("cat", "dog")[number % 2] / f"good {number // 2}.png", seed=number)
    return folder / "cat"


def _make_places(folder: Path) -> dict[str, str]:
    """Each odd place in a folder of its own, as far as this file system has it -> the name that is odd."""
    made = {}
    for place, make in PLACES.items():
        (folder / place).mkdir()
        with contextlib.suppress(OSError):
            made[place] = make(folder / place)
    return made


def _rows(what: str, kinds: dict[str, str], lost: Sequence[tuple[str, str]]) -> Iterator[Row]:
    """A row for each kind of file, and one for what can't be told to be of one file."""
    for kind, tried in Counter(kinds.values()).items():
        mine = [f"{name}: {reason}" for name, reason in lost if kinds.get(name) == kind]
        yield Row(f"{what}: {kind}", "-", tried, max(0, tried - len(mine)), mine)
    others = [f"{name}: {reason}" for name, reason in lost if name not in kinds]
    yield Row(f"{what}: all of them at once", "-", 1, int(not others), others)


def _lost(
    cats: Path, environment: dict[str, str] | None = None, memory: int = MEMORY_BYTES, promised: Sequence[str] = ()
) -> Iterator[tuple[str, str]]:
    """Files that weren't survived, and what happened; a child that ends is begun again after the file that ended it."""
    first = 0
    while True:
        command = [sys.executable, "-m", "soak.try_pictures", str(cats.parent), str(first), *promised]
        ended = run_bounded(command, PATIENCE_S, memory, environment)
        lines = [json.loads(line) for line in ended.out.splitlines()]
        yield from ((line["file"], line["lost"]) for line in lines if "lost" in line)
        begun = [line for line in lines if "begun" in line]
        if not begun or "end" in lines[-1]:
            if ended.status != 0 or not begun:
                yield "", _in_words(ended)
            return
        yield begun[-1]["file"], _in_words(ended)
        first = begun[-1]["begun"] + 1


def command_line(folder: Path, count: int, seed: int, frameworks: Sequence[str]) -> Iterator[Row]:
    """`inspect`, `plan`, `train`, `evaluate`, `predict` over one folder with `count` mutated files and every odd place."""
    pictures = folder / "pictures"
    for colour, label in enumerate(("cat", "dog")):
        for number in range(12):
            write_picture(
                pictures / label / f"good {number}.png", ((210, 40, 40), (40, 60, 210))[colour], seed=number + 12 * colour
            )
    for number in range(count):
        _, ending, content = mutated(number, seed)
        (pictures / "cat" / f"{number:05d}{ending}").write_bytes(content)
    _make_places(pictures / "dog")
    for framework in frameworks:
        lost = [f"--seed {seed}: {what}" for what in _commands(pictures, folder / f"run-{framework}", framework)]
        yield Row(
            "the commands over a folder of all of it", framework, count + len(PLACES), (count + len(PLACES)) * (not lost), lost
        )


def _commands(pictures: Path, run: Path, framework: str) -> Iterator[str]:
    network = TINY if framework == "numpy" else ("--framework", framework, "--side", "64")
    short = () if framework == "numpy" else ("--head-epochs", "1", "--strategy", "feature-extraction", "--set", "explain=false")
    asked = [
        ["inspect", pictures],
        ["plan", pictures, *network],
        ["train", pictures, *network, *(short or ("--epochs", "1", "--head-epochs", "1")), "--out", run],
        ["evaluate", run, pictures],
        ["predict", run, pictures],
        ["predict", run, pictures, "--to", run.parent / f"{framework}.csv"],
    ]
    for arguments in asked[:1] * (framework == "numpy") + asked[1:]:
        command = [sys.executable, "-m", "soak.unfreeze_with_numpy", *map(os.fspath, arguments)]
        ended = run_bounded(command, 300, None)
        if ended.status != 0 or "Traceback" in ended.err:
            yield f"unfreeze {arguments[0]}: {_in_words(ended)}"
    if not (run.parent / f"{framework}.csv").is_file():
        yield "unfreeze predict: no table"
        return
    with (run.parent / f"{framework}.csv").open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        said = {Path(row["path"]): row for row in csv.DictReader(file)}
    if {*said} != {*find_files([pictures])}:
        yield "unfreeze predict: not one row for each file"
    if silent := [path.name for path, row in said.items() if bool(row["predicted"]) == bool(row["error"])]:
        yield f"unfreeze predict: neither or both of a class and a reason: {silent}"
    if harmed := [path.name for path, row in said.items() if path.name.startswith("good") and not row["predicted"]]:
        yield f"unfreeze predict: good and not named: {harmed}"


def changed_in_training(folder: Path, count: int, seed: int) -> Row:
    """A picture vanishes, is damaged, replaced by another, by a pipe or a folder, between the scan and the training."""
    from soak.changing import CHANGES, changed_after_scan

    random, lost = np.random.default_rng(seed), []
    kinds = [*CHANGES]
    tried = max(count, len(kinds))
    for number in range(tried):
        kind = kinds[number % len(kinds)]
        what = changed_after_scan(folder / str(number), kind, int(random.integers(2**31)))
        lost += [f"{kind} {number} --seed {seed}: {what}"] if what else []
    return Row("pictures: changed after the scan", "-", tried, tried - len(lost), lost)


def _in_words(ended: Ended) -> str:
    if ended.status is None:
        return f"still running after {ended.seconds:.0f} s"
    return f"status {ended.status}: {ended.err.strip()[-600:]}"
