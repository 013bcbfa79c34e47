"""One training epoch, frozen and full: `unfreeze` against the plain torchvision loop of a tutorial, paired in one run.

    python benchmarks/one_epoch.py DATA [--pictures 384] [--repeats 3]

DATA holds one folder of pictures per class. Both train the same network (EfficientNet-Lite0, the same weights) on the same
pictures, resized and cropped alike, without augmentation, in batches of 32, with Adam. The plain loop is what tutorials write:
`ImageFolder`, `DataLoader` with two workers, float32, NCHW. `same means` is the plain loop given our allocator settings,
channels last and the same precision, to show what is left without them. Each measurement is a process of its own, taken in
turn, and medians are printed as a Markdown table.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BATCH_SIZE, SIDE_PX = 32, 224
WHO = ("unfreeze", "plain", "same means")
WORK = ("frozen", "full")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--pictures", type=int, default=384)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--measure", nargs=2, metavar=("WHO", "WORK"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        who, work = options.measure
        seconds = measure_unfreeze(options.data, work) if who == "unfreeze" else measure_plain(options.data, work, who)
        print(json.dumps(seconds))
        return
    with tempfile.TemporaryDirectory() as folder:
        subset = choose(options.data, options.pictures, Path(folder))
        compare(subset, options.pictures, options.repeats)


def choose(data: Path, count: int, folder: Path) -> Path:
    """Links to every n-th picture, so that all classes take part."""
    pictures = sorted(path for path in data.glob("*/*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    for path in pictures[:: max(1, len(pictures) // count)][:count]:
        link = folder / path.parent.name / path.name
        link.parent.mkdir(exist_ok=True)
        link.symlink_to(path.resolve())
    return folder


def compare(data: Path, pictures: int, repeats: int) -> None:
    print(f"| one epoch of {pictures} pictures | " + " | ".join(f"{who}, pictures/s" for who in WHO) + " | ratio to plain |")
    print("|---|" + "---|" * (len(WHO) + 1))
    for work in WORK:
        speeds: dict[str, list[float]] = {who: [] for who in WHO}
        for _ in range(repeats):
            for who in WHO:
                command = [sys.executable, __file__, str(data), "--measure", who, work]
                printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
                speeds[who].append(pictures / json.loads(printed.splitlines()[-1]))
        ratios = [ours / plain for ours, plain in zip(speeds["unfreeze"], speeds["plain"], strict=True)]
        medians = [f"{statistics.median(speeds[who]):.1f}" for who in WHO]
        low, high = min(ratios), max(ratios)
        print(f"| {work} | {' | '.join(medians)} | {statistics.median(ratios):.2f} ({low:.2f} to {high:.2f}) |", flush=True)


def measure_unfreeze(data: Path, work: str) -> float:
    from unfreeze.backends.torch import open_network
    from unfreeze.data.load import Loader
    from unfreeze.data.scan import scan
    from unfreeze.data.split import split_records
    from unfreeze.recipe.read import read_recipe
    from unfreeze.recipe.recipe import Augment
    from unfreeze.recipe.strategies import make_phases
    from unfreeze.training.backend import LossSettings

    scanned = scan(data)
    dataset = type(scanned)(scanned.root, scanned.classes, tuple(split_records(scanned.records, {"train": 1.0}, 0)))
    recipe = read_recipe(None, {"strategy": "full" if work == "full" else "feature-extraction"})
    backend = open_network(recipe, dataset.classes)
    off = Augment(crop_min_area=1, flip=False, rotation_degrees=0, jitter=0)
    loader = Loader(dataset, backend.network.contract, BATCH_SIZE, off, threads=2)
    backend.start_phase(make_phases(backend.network, recipe)[-1], LossSettings())
    warm_up = [batch for batch, _ in zip(loader.training(0), range(2), strict=False)]
    backend.train_epoch(warm_up, lambda _: 1e-4, lambda _: None)
    started = time.perf_counter()
    backend.train_epoch(loader.training(1), lambda _: 1e-4, lambda _: None)
    return time.perf_counter() - started


def measure_plain(data: Path, work: str, who: str) -> float:
    import timm
    import torch
    from torch import nn
    from torchvision import datasets, transforms

    from unfreeze.backends.torch import bundled
    from unfreeze.backends.torch.machine import autocast, choose_precision
    from unfreeze.training.allocator import keep_freed_memory

    same_means = who == "same means"
    if same_means:
        keep_freed_memory()
    prepare = transforms.Compose([
        transforms.Resize(256, transforms.InterpolationMode.BICUBIC), transforms.CenterCrop(SIDE_PX), transforms.ToTensor(),
        transforms.Normalize([0.5] * 3, [0.5] * 3),
    ])  # fmt: skip
    pictures = datasets.ImageFolder(str(data), prepare)
    loader = torch.utils.data.DataLoader(pictures, batch_size=BATCH_SIZE, shuffle=True, num_workers=2)
    base = timm.create_model(bundled.ARCHITECTURE, num_classes=0)
    bundled.load_into(base)
    base.requires_grad_(work == "full")
    model = nn.Sequential(base, nn.Dropout(0.3), nn.Linear(1280, len(pictures.classes)))
    if same_means:
        model = model.to(memory_format=torch.channels_last)
    # bfloat16 pays without a backward pass only: docs/decisions/0005-precision-on-a-cpu.md.
    precision = choose_precision("auto", torch.device("cpu")) if same_means and work == "frozen" else "float32"
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=1e-4)
    criterion = nn.CrossEntropyLoss()

    def epoch(most_batches: int | None) -> None:
        model.train()
        for number, (images, labels) in enumerate(loader):
            if number == most_batches:
                return
            optimizer.zero_grad()
            with autocast(torch.device("cpu"), precision):
                outputs = model(images.contiguous(memory_format=torch.channels_last) if same_means else images)
            criterion(outputs.float(), labels).backward()
            optimizer.step()

    epoch(2)
    started = time.perf_counter()
    epoch(None)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
