"""Whether memory stays flat as pictures and epochs grow, and the cache within its limit when three trainings fill it at once.

    python benchmarks/load.py [--few 1000] [--many 20000] [--frameworks torch tensorflow] [--only pictures epochs cache]

Draws the pictures first, 96 px JPEGs of some 2 KB in ten classes, none like another. Every command is a process of its own; its
peak of resident memory is the system's account of it. Printed as Markdown tables:

    pictures    the peak with few and with many pictures, and the bytes that each more of them takes
    epochs      the peak after 10 and after 100 epochs of the head on kept activations, and of the last stages as well
    cache       three trainings at once with one cache folder: its limit, and the most it held, looked at 20 times a second
"""

from __future__ import annotations

import argparse
import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from measure import Measured, cores, measure
from PIL import Image, ImageDraw

SIDE_PX, CLASSES, COLOURS_ACROSS, BOXES = 96, 10, 6, 8
EPOCHS = 10, 100
CACHE_LIMIT_MB, LOOK_EVERY_S = 12, 0.05
HEAD = ("--strategy", "feature-extraction", "--head-epochs", "1")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--few", type=int, default=1000)
    parser.add_argument("--many", type=int, default=20_000)
    parser.add_argument("--frameworks", nargs="+", default=["torch", "tensorflow"])
    parser.add_argument("--only", nargs="+", choices=TABLES, default=[*TABLES])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="unfreeze-load-") as folder:
        for table in options.only:
            TABLES[table](Path(folder), options)
            print(flush=True)


def pictures(folder: Path, options: argparse.Namespace) -> None:
    head = f"peak MB, {options.few:,}", f"peak MB, {options.many:,}", "bytes a picture", "seconds, few", "seconds, many"
    row("what", "framework", *head)
    row(*["---"] * 7)
    sizes = options.few, options.many
    folders = [draw_pictures(folder / str(count), count) for count in sizes]
    jobs: list[tuple[str, str, Sequence[str]]] = [("inspect", "-", ("inspect",))]
    for framework in options.frameworks:
        job = ("train", "--framework", framework, "--side", str(SIDE_PX), "--quiet")
        jobs.append(("train the head, cache on", framework, (*job, *HEAD, "--cache", "on")))
        jobs.append(("train the head, cache off", framework, (*job, *HEAD, "--cache", "off")))
    for what, framework, command in jobs:
        few, many = (unfreeze([command[0], str(photos), *command[1:]], folder) for photos in folders)
        each = (many.peak_mb - few.peak_mb) * 1e6 / (sizes[1] - sizes[0])
        measured = few.peak_mb, many.peak_mb, each, few.seconds, many.seconds
        row(what, framework, *(f"{value:.0f}" for value in measured))


def epochs(folder: Path, options: argparse.Namespace) -> None:
    row("what", "framework", *(f"peak MB, {count} epochs" for count in EPOCHS))
    row(*["---"] * 4)
    photos = draw_pictures(folder / "epochs", 200)
    patience = [f"--set={phase}.stopping.patience_epochs=null" for phase in ("head_only", "unfrozen")]
    for framework in options.frameworks:
        for what, asked in (
            ("the head, cache on", ("--strategy", "feature-extraction", "--cache", "on", "--head-epochs")),
            ("the head, cache off", ("--strategy", "feature-extraction", "--cache", "off", "--head-epochs")),
            ("the last stage", ("--stages", "1", "--head-epochs", "1", "--epochs")),
        ):
            command = ["train", str(photos), "--framework", framework, "--side", "64", "--quiet", *patience, *asked]
            peaks = [unfreeze([*command, str(count)], folder).peak_mb for count in EPOCHS]
            row(what, framework, *(f"{peak:.0f}" for peak in peaks))


def cache(folder: Path, options: argparse.Namespace) -> None:
    row("framework", "limit MB", "most MB held", "times looked", "exit statuses")
    row(*["---"] * 5)
    photos = draw_pictures(folder / "cache-photos", 400)
    for framework in options.frameworks:
        shared = folder / f"cache-{framework}"
        command = [
            "train", str(photos), "--framework", framework, "--side", "64", "--quiet", "--stages", "2", "--head-epochs", "4",
            "--epochs", "4", "--cache", str(shared), "--set=cache.use=on", f"--cache-limit={CACHE_LIMIT_MB}MB",
        ]  # fmt: skip
        running = [
            subprocess.Popen(
                [sys.executable, "-m", "unfreeze", *command, f"--set=augment.seed={number}", f"--out={shared}-{number}"],
                stdout=subprocess.DEVNULL,
            )
            for number in range(3)
        ]
        held = []
        while any(process.poll() is None for process in running):
            held.append(size_mb(shared / "activations"))
            time.sleep(LOOK_EVERY_S)
        row(framework, CACHE_LIMIT_MB, f"{max(held):.1f}", len(held), ", ".join(str(process.returncode) for process in running))


TABLES = {"pictures": pictures, "epochs": epochs, "cache": cache}


def unfreeze(command: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None) -> Measured:
    """A command with an empty cache and a run folder of its own."""
    with tempfile.TemporaryDirectory(dir=folder) as own:
        out = ["--out", str(Path(own, "run"))] if command[0] == "train" else []
        log = Path(own, "log.txt")
        surroundings = {"UNFREEZE_CACHE": str(Path(own, "cache")), "HF_HUB_OFFLINE": "1", **(environment or {})}
        measured = measure([sys.executable, "-m", "unfreeze", *command, *out], surroundings, log)
        if measured.status:
            raise SystemExit(f"{' '.join(command)} ended with status {measured.status}:\n{log.read_text(encoding='utf-8')}")
    return measured


def draw_pictures(folder: Path, count: int) -> Path:
    """Ten classes in a folder, each picture drawn by its number."""
    for label in range(CLASSES):
        (folder / f"class {label}").mkdir(parents=True)
    with ProcessPoolExecutor(cores()) as pool:
        list(pool.map(partial(draw_picture, folder), range(count), chunksize=100))
    return folder


def draw_picture(folder: Path, number: int) -> None:
    random = np.random.default_rng(number)
    coarse = random.integers(30, 226, (COLOURS_ACROSS, COLOURS_ACROSS, 3), np.uint8)
    image = Image.fromarray(coarse).resize((SIDE_PX, SIDE_PX), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(image)
    for _ in range(BOXES):
        left, upper, width, height = random.uniform(0, 0.5, 4) * SIDE_PX
        draw.rectangle((left, upper, left + width, upper + height), tuple(random.integers(0, 256, 3).tolist()))
    image.save(folder / f"class {number % CLASSES}" / f"{number:06d}.jpg", quality=80)


def size_mb(folder: Path) -> float:
    """What lies in it, in 10⁶ bytes."""
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):  # deleted meanwhile
            total += path.stat().st_size
    return total / 1e6


def row(*cells: object) -> None:
    print("|", " | ".join(map(str, cells)), "|", flush=True)


if __name__ == "__main__":
    main()
