"""How many wrong labels `unfreeze inspect --model` finds: a part of the pictures of a folder is put into another class.

    python benchmarks/flipped_labels.py DATA [--part 0.05] [--seeds 0 1 2] [--model efficientnet_lite0] [--framework torch]

DATA is a folder as the other benchmarks take it; its training pictures are linked, a seeded part of each class into another
one at random. A label counts as found where the picture is listed, whatever class is suggested; wrong labels that DATA itself
has count as false alarms. Printed as a Markdown table: of all that is listed, and of as many from the top as were flipped.
"""

from __future__ import annotations

import argparse
import random
import tempfile
from pathlib import Path

from subset import find_pictures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--part", type=float, default=0.05)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--model", default="efficientnet_lite0")
    parser.add_argument("--framework", choices=("torch", "tensorflow"), default="torch")
    options = parser.parse_args()
    pictures = sorted(path for split, path in find_pictures(options.data) if split == "train")
    print("| seed | pictures | flipped | listed | precision | recall | precision at the top | suggested is true |")
    print("|---|---|---|---|---|---|---|---|")
    for seed in options.seeds:
        with tempfile.TemporaryDirectory(prefix="unfreeze-flipped-") as folder:
            print(row(seed, pictures, options, Path(folder)), flush=True)


def row(seed: int, pictures: list[Path], options: argparse.Namespace, folder: Path) -> str:
    import unfreeze

    truth = link_flipped(pictures, options.part, seed, folder)
    inspection = unfreeze.inspect(folder, model=options.model, framework=options.framework)
    found = inspection.found("disputed-labels")
    listed = list(found[0].pictures) if found else []
    details = found[0].details if found else {}
    right = [name for name in listed if name in truth]
    top = [name for name in listed[: len(truth)] if name in truth]
    suggested = [name for name in right if f"looks like '{truth[name]}'" in details[name]]
    parts = (ratio(right, listed), ratio(right, truth), ratio(top, truth), ratio(suggested, right))
    cells = [str(seed), str(len(pictures)), str(len(truth)), str(len(listed)), *(f"{part:.3f}" for part in parts)]
    return f"| {' | '.join(cells)} |"


def link_flipped(pictures: list[Path], part: float, seed: int, folder: Path) -> dict[str, str]:
    """Links the pictures by class, a part of them in a wrong one; returns the true class of those, by their name there."""
    generator = random.Random(seed)
    classes = sorted({path.parent.name for path in pictures})
    flipped = set(generator.sample(range(len(pictures)), round(part * len(pictures))))
    truth = {}
    for number, path in enumerate(pictures):
        label = path.parent.name
        if number in flipped:
            label = generator.choice([other for other in classes if other != label])
            truth[f"{label}/{number:06d}{path.suffix}"] = path.parent.name
        link = folder / label / f"{number:06d}{path.suffix}"
        link.parent.mkdir(exist_ok=True)
        link.symlink_to(path.resolve())
    return truth


def ratio(some: object, of: object) -> float:
    return len(some) / len(of) if of else float("nan")  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
