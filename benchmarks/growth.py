"""How feature extraction grows with the number of pictures: seconds, disk and peak memory.

    python benchmarks/growth.py DATA [--sizes 1000 5000 20000] [--framework torch] [--epochs 5]

The pictures are those of DATA's training folder (or of all, where it has no splits), repeated; a few bytes after the end of
each file, which decoders don't read, give every copy a content of its own, so that no cache takes two for one. Each size is
trained on by `unfreeze train` at its defaults without augmentation, in a process of its own, with an empty cache; 70 % of the
pictures are trained on. Seconds and disk should grow in proportion and memory not at all. Printed as a Markdown table.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import tempfile
from pathlib import Path

from measure import measure
from subset import find_pictures, warm_up

SPLIT = "train"
NO_AUGMENTATION = ("crop_min_area=1", "flip=false", "rotation_degrees=0", "jitter=0")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 5000, 20000])
    parser.add_argument("--framework", choices=("torch", "tensorflow"), default="torch")
    parser.add_argument("--epochs", type=int, default=5)
    options = parser.parse_args()
    found = sorted(path for split, path in find_pictures(options.data) if split == SPLIT)
    print("| pictures | seconds | ms a picture | preparing, s | training, s | cache, MB | KB a picture | peak memory, MB |")
    print("|---|---|---|---|---|---|---|---|")
    for size in options.sizes:
        with tempfile.TemporaryDirectory(prefix="unfreeze-growth-") as folder:
            print(row(size, found, options, Path(folder)), flush=True)


def row(size: int, found: list[Path], options: argparse.Namespace, folder: Path) -> str:
    data, cache, out, log = (folder / name for name in ("data", "cache", "run", "log.txt"))
    repeat_pictures(found, size, data)
    warm_up(data)
    settings = ["label_smoothing=0", *(f"augment.{value}" for value in NO_AUGMENTATION)]
    command = [
        *(sys.executable, "-m", "unfreeze", "train", str(data), "--out", str(out), "--framework", options.framework),
        *("--strategy", "feature-extraction", "--head-epochs", str(options.epochs)),
        *(part for value in settings for part in ("--set", value)),
    ]
    measured = measure(command, {"UNFREEZE_CACHE": str(cache)}, log)
    if measured.status != 0:
        raise SystemExit(f"{size} pictures: status {measured.status}: {log.read_text(encoding='utf-8').strip()[-1000:]}")
    seconds = json.loads((out / "metrics.json").read_text(encoding="utf-8"))["seconds"]
    disk_mb = sum(file.stat().st_size for file in cache.rglob("*") if file.is_file()) / 1e6
    values = (measured.seconds, 1e3 * measured.seconds / size, seconds["preparing"], seconds["training"])
    cells = [f"{size:,}", *(f"{value:.1f}" for value in values), f"{disk_mb:.1f}", f"{1e3 * disk_mb / size:.1f}"]
    return f"| {' | '.join(cells)} | {measured.peak_mb:.0f} |"


def repeat_pictures(found: list[Path], size: int, folder: Path) -> None:
    """Fills `folder` with `size` pictures <class>/*, no two with the same content."""
    # Every n-th where fewer are wanted than there are, so that all classes take part.
    found = found[:: max(1, len(found) // size)]
    for number, path in enumerate(itertools.islice(itertools.cycle(found), size)):
        copy = folder / path.parent.name / f"{number:06d}{path.suffix}"
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes() + number.to_bytes(4, "big"))


if __name__ == "__main__":
    main()
