"""Networks, plans and histories written by hand, for tests of everything that takes numbers and no framework."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from unfreeze.data.dataset import Dataset, Record
from unfreeze.diagnosis.evidence import Evidence, phases_of
from unfreeze.recipe.network import InputContract, Layer, Network, Stage
from unfreeze.recipe.plan import Plan, PlannedData
from unfreeze.recipe.recipe import Augment, Head, Recipe
from unfreeze.recipe.strategies import make_phases
from unfreeze.training.history import EpochRecord
from unfreeze.training.run_folder import Predicted


def stage(name: str, *layers: tuple[str, int, bool]) -> Stage:
    """A stage from (path, parameters, counts) of each layer."""
    return Stage(name=name, layers=tuple(Layer(path=path, parameters=n, counts=counts) for path, n, counts in layers))


def small_network(pretrained: bool = True) -> Network:
    """Four stages below the head with 110, 230, 470 and 950 parameters, a head of 33: 1,793 in all."""
    return Network(
        name="tiny",
        architecture="tiny_net",
        framework="torch",
        weights="made up" if pretrained else "random weights",
        pretrained=pretrained,
        contract=InputContract(side_px=32),
        minimum_side_px=8,
        stages=(
            stage("stem", ("conv1", 100, True), ("bn1", 10, False)),
            stage("stage1", ("layer1.conv1", 200, True), ("layer1.bn1", 30, False)),
            stage("stage2", ("layer2.conv1", 200, True), ("layer2.conv2", 220, True), ("layer2.bn2", 50, False)),
            stage("stage3", ("layer3.conv1", 900, True), ("layer3.bn1", 50, False)),
            stage("head", ("fc", 33, True)),
        ),
    )


def small_plan(recipe: Recipe | None = None, classes: tuple[str, ...] = ("cat", "dog", "owl"), **changes: Any) -> Plan:
    """A plan for `small_network`; `changes` replace its values."""
    recipe = recipe or Recipe()
    network = changes.pop("network", small_network())
    counts = {"train": 70, "validation": 15, "test": 15}
    values: dict[str, Any] = {
        "strategy": recipe.strategy,
        "seed": recipe.seed,
        "device": "cpu",
        "precision": "float32",
        "network": network,
        "head": Head(hidden=(16,), dropout=0.4),
        "data": PlannedData(
            root="pictures",
            fingerprint="f1a9",
            classes=classes,
            counts={split: dict.fromkeys(classes, count) for split, count in counts.items()},
            left_out={"a/broken.jpg": "the file is empty (0 bytes)", "notes.txt": "not inside a class folder"},
            decisions=("split by us, seed 0",),
        ),
        "batch_size": 32,
        "loader_threads": 2,
        "augment": Augment(flip=False, views=8),
        "watch": recipe.watch,
        "label_smoothing": 0.0,
        "class_weights": None,
        "oversample": False,
        "pictures_per_epoch": 210,
        "steps_per_epoch": 7,
        "phases": make_phases(network, recipe),
        "environment": {"python": "3.11", "unfreeze": "0.1.0"},
    }
    return Plan(**values | changes)


def epoch_record(epoch: int = 1, **changes: Any) -> EpochRecord:
    """One epoch of 100 validation pictures; `changes` replace its values."""
    values: dict[str, Any] = {
        "epoch": epoch,
        "phase": 1,
        "phase_name": "head only",
        "boundary": "head",
        "rate": 0.001,
        "train_loss": 0.5,
        "train_accuracy": 0.8,
        "val_loss": 0.6,
        "val_accuracy": 0.75,
        "val_balanced_accuracy": 0.74,
        "val_macro_f1": 0.73,
        "best": False,
        "train_seconds": 1.5,
        "val_seconds": 0.5,
        "pictures_per_second": 140.0,
        "confusion": [[40, 10], [15, 35]],
    }
    return EpochRecord(**values | changes)


def epochs(**columns: Any) -> list[EpochRecord]:
    """A history: lists give a value per epoch, anything else (and the confusion matrix) is the same in all of them."""
    listed = {name: values for name, values in columns.items() if isinstance(values, list) and name != "confusion"}
    length = max(len(values) for values in listed.values())
    rows = [columns | {name: values[place] for name, values in listed.items()} for place in range(length)]
    return [epoch_record(number, **row) for number, row in enumerate(rows, start=1)]


def evidence(history: list[EpochRecord], **changes: Any) -> Evidence:
    """What a diagnosis has of a history, with 1,000 validation pictures of three classes; `changes` replace its values."""
    values: dict[str, Any] = {
        "phases": phases_of(history),
        "best_epoch": min(history, key=lambda record: record.val_loss).epoch if history else None,
        "classes": ("cat", "dog", "owl"),
        "train_counts": {"cat": 70, "dog": 70, "owl": 70},
        "val_pictures": 1000,
    }
    return Evidence(**values | changes)


def predicted(confusion: list[list[int]], confidence: float = 0.9) -> Predicted:
    """Predictions with this confusion matrix (row: true, column: predicted), all equally sure."""
    counts = np.array(confusion)
    labels, answers = (np.repeat(axis.ravel(), counts.ravel()) for axis in np.indices(counts.shape))
    probabilities = np.full((len(labels), len(counts)), (1 - confidence) / (len(counts) - 1))
    probabilities[np.arange(len(labels)), answers] = confidence
    return Predicted(tuple(f"{number}.jpg" for number in range(len(labels))), labels.astype(np.int64), probabilities)


def pixels_of(path: Path) -> np.ndarray:
    """A picture as int64 [H, W, 3], RGB, 0–255."""
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"), np.int64)


def dataset_of(**counts: dict[str, int]) -> Dataset:
    """A dataset without files that has these counts: split (or `all` for none) -> class -> pictures."""
    records = [
        Record(
            folder=Path("pictures"),
            name=f"{split}/{label}/{number}.jpg",
            label=label,
            split=None if split == "all" else split,
            group=None,
            content=f"{split}-{label}-{number}",
            width=300,
            height=200,
            mode="RGB",
        )
        for split, of_class in counts.items()
        for label, pictures in of_class.items()
        for number in range(pictures)
    ]
    classes = tuple(sorted({label for of_class in counts.values() for label in of_class}))
    return Dataset(Path("pictures"), classes, tuple(records))
