"""How long `unfreeze inspect` takes on very many files, and what it holds in memory.

    python benchmarks/scale.py DATA [--files 100000]

Makes the files first: two of DATA's pictures blended and cut, each another one, 320 × 240 JPEGs of some 15 KB in ten classes.
Then, each in a process of its own: a first look, a second, one after 1 % of the files changed, and one that is killed half-way
and begun again. Printed as a Markdown table, and what it would be for a million files if time grew in proportion.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from measure import cores, measure
from PIL import Image
from subset import find_pictures

SIZE, QUALITY, CLASSES, SOURCES = (320, 240), 80, 10, 600
MILLION = 1_000_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--files", type=int, default=100_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="unfreeze-scale-") as folder:
        photos = Path(folder, "photos")
        sources = sorted(path for _, path in find_pictures(options.data))
        make_files(random.Random(0).sample(sources, min(SOURCES, len(sources))), photos, options.files)
        print("| look at | files | seconds | processor seconds | peak MB | a million files, minutes |", flush=True)
        print("|---|---|---|---|---|---|", flush=True)
        cache = Path(folder, "cache")
        first = look("all for the first time", photos, cache, options.files)
        look("nothing changed", photos, cache, options.files)
        change(photos, options.files // 100)
        look("1 % changed", photos, cache, options.files)
        shutil.rmtree(cache)
        stop_after(first / 2, photos, cache)
        look(f"killed after {first / 2:.0f} s, the rest", photos, cache, options.files)


def make_files(sources: list[Path], photos: Path, count: int) -> None:
    for label in range(CLASSES):
        (photos / f"class {label}").mkdir(parents=True)
    with ProcessPoolExecutor(cores()) as pool:
        list(pool.map(partial(make_file, sources, photos), range(count), chunksize=500))


def make_file(sources: list[Path], photos: Path, number: int) -> None:
    chance = random.Random(number)
    first, other = (cut(source, chance) for source in chance.sample(sources, 2))
    blended = Image.blend(first, other, chance.uniform(0.3, 0.7))
    blended.save(photos / f"class {number % CLASSES}" / f"{number:07d}.jpg", quality=QUALITY)


def cut(source: Path, chance: random.Random) -> Image.Image:
    """A quarter of a picture or more, enlarged."""
    with Image.open(source) as image:
        image.draft("RGB", SIZE)
        part = chance.uniform(0.5, 1)
        width, height = (round(part * side) for side in image.size)
        left, upper = chance.randint(0, image.width - width), chance.randint(0, image.height - height)
        return image.convert("RGB").resize(SIZE, box=(left, upper, left + width, upper + height))


def change(photos: Path, count: int) -> None:
    for path in itertools.islice(sorted(photos.rglob("*.jpg")), count):
        path.write_bytes(path.read_bytes() + b"changed")


def command(photos: Path) -> list[str]:
    return [sys.executable, "-m", "unfreeze", "inspect", str(photos), "--json"]


def look(what: str, photos: Path, cache: Path, files: int) -> float:
    log = photos.parent / "log.txt"
    measured = measure(command(photos), {"UNFREEZE_CACHE": str(cache)}, log)
    if measured.status != 0:
        raise SystemExit(f"status {measured.status}: {log.read_text(encoding='utf-8')[-1000:]}")
    assert json.loads(log.read_text(encoding="utf-8"))["pictures"] == files
    processor = measured.user_seconds + measured.system_seconds
    minutes = measured.seconds * MILLION / files / 60
    print(f"| {what} | {files:,} | {measured.seconds:.0f} | {processor:.0f} | {measured.peak_mb} | {minutes:.0f} |", flush=True)
    return measured.seconds


def stop_after(seconds: float, photos: Path, cache: Path) -> None:
    environment = {**os.environ, "UNFREEZE_CACHE": str(cache)}
    process = subprocess.Popen(command(photos), env=environment, stdout=subprocess.DEVNULL)
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    process.wait()


if __name__ == "__main__":
    main()
