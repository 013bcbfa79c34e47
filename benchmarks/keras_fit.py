"""One training epoch in TensorFlow: `unfreeze` against plain Keras `fit`, the same model, paired in one run.

    python benchmarks/keras_fit.py DATA [--model efficientnet_lite0] [--pictures 384] [--repeats 3] [--precision auto]

DATA holds one folder of pictures per class. Both train the same Keras network with the same head on the same pictures without
augmentation, in batches of 32, with AdamW. `fit` is what tutorials write: `image_dataset_from_directory` with prefetching,
`base.trainable = False`, `compile`, `fit`; float32. `frozen` trains the head, `top` the last two stages too, `full` all.
Each measurement is a process of its own, taken in turn; medians are printed as a Markdown table. The first epoch,
which traces, is not counted for either.
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
from typing import Any

from one_epoch import choose

BATCH_SIZE = 32
WHO, WORK = ("unfreeze", "fit"), ("frozen", "top", "full")
STRATEGIES = {"frozen": "feature-extraction", "top": "fine-tune-top", "full": "full"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", default="efficientnet_lite0")
    parser.add_argument("--pictures", type=int, default=384)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--precision", default="auto", help="of unfreeze")
    parser.add_argument("--measure", nargs=2, metavar=("WHO", "WORK"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        who, work = options.measure
        measure = measure_unfreeze if who == "unfreeze" else measure_fit
        print(json.dumps(measure(options.data, options.model, work, options.precision)))
        return
    with tempfile.TemporaryDirectory() as folder:
        compare(choose(options.data, options.pictures, Path(folder)), options)


def compare(data: Path, options: argparse.Namespace) -> None:
    print(
        f"| one epoch of {options.pictures} pictures, {options.model} | unfreeze, pictures/s | Keras fit, pictures/s | ratio |"
    )
    print("|---|---|---|---|")
    for work in WORK:
        speeds: dict[str, list[float]] = {who: [] for who in WHO}
        for _ in range(options.repeats):
            for who in WHO:
                command = [
                    sys.executable,
                    __file__,
                    str(data),
                    "--model",
                    options.model,
                    "--precision",
                    options.precision,
                    "--measure",
                    who,
                    work,
                ]
                printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
                speeds[who].append(options.pictures / json.loads(printed.splitlines()[-1]))
        ratios = [ours / theirs for ours, theirs in zip(speeds["unfreeze"], speeds["fit"], strict=True)]
        medians = " | ".join(f"{statistics.median(speeds[who]):.1f}" for who in WHO)
        print(f"| {work} | {medians} | {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}) |", flush=True)


def open_backend(model: str, work: str, precision: str, classes: tuple[str, ...]) -> tuple[Any, Any]:
    """The backend and the phase to be measured."""
    from unfreeze.backends.tensorflow import open_network
    from unfreeze.recipe.read import read_recipe
    from unfreeze.recipe.strategies import make_phases

    weights = "pretrained" if model == "efficientnet_lite0" else "none"
    recipe = read_recipe(
        None,
        {
            "framework": "tensorflow",
            "model": model,
            "weights": weights,
            "precision": precision,
            "strategy": STRATEGIES[work],
            "unfreeze.batchnorm": "update",  # as in `fit`
        },
    )
    backend = open_network(recipe, classes)
    return backend, make_phases(backend.network, recipe)[-1]


def measure_unfreeze(data: Path, model: str, work: str, precision: str) -> float:
    from unfreeze.data.load import Loader
    from unfreeze.data.scan import scan
    from unfreeze.data.split import split_records
    from unfreeze.recipe.recipe import Augment
    from unfreeze.training.backend import LossSettings

    scanned = scan(data)
    dataset = type(scanned)(scanned.root, scanned.classes, tuple(split_records(scanned.records, {"train": 1.0}, 0)))
    backend, phase = open_backend(model, work, precision, dataset.classes)
    off = Augment(crop_min_area=1, flip=False, rotation_degrees=0, jitter=0)
    loader = Loader(dataset, backend.network.contract, BATCH_SIZE, off, threads=2)
    backend.start_phase(phase, LossSettings())
    warm_up = [batch for batch, _ in zip(loader.training(0), range(2), strict=False)]
    backend.train_epoch(warm_up, lambda _: 1e-4, lambda _: None)
    started = time.perf_counter()
    backend.train_epoch(loader.training(1), lambda _: 1e-4, lambda _: None)
    return time.perf_counter() - started


def measure_fit(data: Path, model: str, work: str, _: str) -> float:
    # Our backend makes the same model, and chooses which layers train; the rest is Keras's.
    backend, phase = open_backend(model, work, "float32", tuple(sorted(path.name for path in data.iterdir())))

    import keras
    import tensorflow as tf

    from unfreeze.backends.tensorflow.freezing import freeze

    freeze(backend._model, *backend.network.split(phase.boundary), backend.network, freeze_statistics=False)
    side = backend.network.contract.side_px
    pictures = keras.utils.image_dataset_from_directory(
        data, image_size=(side, side), batch_size=BATCH_SIZE, interpolation="bicubic", crop_to_aspect_ratio=True, seed=0
    )
    pictures = pictures.map(lambda images, labels: (images / 127.5 - 1, labels), num_parallel_calls=tf.data.AUTOTUNE)
    backend._model.compile(
        keras.optimizers.AdamW(1e-4), keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"]
    )
    backend._model.fit(pictures.take(2), verbose=0)
    started = time.perf_counter()
    backend._model.fit(pictures.prefetch(tf.data.AUTOTUNE), verbose=0)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
