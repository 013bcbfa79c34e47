"""Run folders written by hand, by the functions that trainings write them with: for tests of whatever reads runs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from support.made_up import epochs, small_plan
from unfreeze.data.dataset import Dataset, Record
from unfreeze.diagnosis.finding import Finding
from unfreeze.inspection.finding import DataFinding
from unfreeze.recipe.plan import Plan
from unfreeze.recipe.recipe import Recipe
from unfreeze.training import run_folder
from unfreeze.training.history import EpochRecord, write_history
from unfreeze.training.scores import score

CLASSES = ("cat", "<b>dog</b> & co", 'owl "x"')
HISTORY = epochs(
    phase=[1, 1, 2, 2],
    phase_name=["head only", "head only", "last stage", "last stage"],
    val_loss=[0.9, 0.71234, 0.5, 0.6],
    train_accuracy=[0.5, 0.6, 0.98, 0.99],
    val_accuracy=[0.5, 0.6, 0.7123, 0.7],
    best=[True, True, True, False],
    boundary=["head", "head", "stage3", "stage3"],
)
OVERFITTING = Finding(
    "overfitting", "found", "warning", "training accuracy 99%, validation accuracy <70%>", {"gap": 0.2812}, {"gap": 0.1}, 4,
    {"head.dropout": 0.5, "augment.rotation_degrees": 15.0},
)  # fmt: skip
UNCLEAR = Finding("underfitting", "could not tell", "warning", "two epochs show no trend", epoch=2)
ABSENT = Finding("trained-too-long", "not found", "note", "validation loss didn't turn up")
SPLITS = ("train", "validation", "test")


def made_up_dataset(
    root: Path, classes: Sequence[str], of_class: int, names: str = "{split}/{place:02d}-{number}.png"
) -> Dataset:
    """A dataset of `of_class` pictures of each class in each split, whose files needn't exist."""
    records = [
        Record(root, name, label, split, None, f"content of {name}", 32, 32, "RGB")
        for split in SPLITS
        for place, label in enumerate(classes)
        for number in range(of_class)
        for name in [names.format(split=split, place=place, number=number)]
    ]
    return Dataset(root, tuple(classes), tuple(records))


def with_pictures(dataset: Dataset, side_px: int = 32) -> Dataset:
    """Writes a picture for each record, no two alike, and gives the dataset with their hashes."""
    records = []
    for number, record in enumerate(dataset.records):
        record.path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 256, (4, 4, 3), np.uint8)
        Image.fromarray(pixels).resize((side_px, side_px)).save(record.path)
        content = hashlib.blake2b(record.path.read_bytes(), digest_size=16).hexdigest()
        records.append(Record(**{name: getattr(record, name) for name in Record.__slots__} | {"content": content}))
    return Dataset(dataset.root, dataset.classes, tuple(records))


def made_up_predictions(dataset: Dataset, split: str, wrong: float = 0.25, seed: int = 0) -> NDArray[np.float32]:
    """Log-probabilities, float32 [N, K], of which about `wrong` name another class."""
    random, classes = np.random.default_rng(seed), len(dataset.classes)
    labels = np.array([dataset.classes.index(record.label) for record in dataset.split(split)])
    named = np.where(random.random(len(labels)) < wrong, random.integers(0, classes, len(labels)), labels)
    logits = random.normal(0, 1, (len(labels), classes))
    logits[np.arange(len(labels)), named] = logits.max(axis=1) + random.uniform(0.1, 4, len(labels))
    return (logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))).astype(np.float32)


def write_run(
    folder: Path,
    dataset: Dataset | None = None,
    *,
    plan: Plan | None = None,
    history: Sequence[EpochRecord] = HISTORY,
    splits: Sequence[str] = ("validation", "test"),
    findings: Sequence[Finding] = (OVERFITTING, UNCLEAR, ABSENT),
    data_findings: Sequence[DataFinding] = (),
    wrong: float = 0.25,
    **metrics: Any,
) -> dict[str, Any]:
    """Writes a run folder, all but the model, and gives what metrics.json holds; `splits` are those that were scored."""
    folder.mkdir(parents=True, exist_ok=True)
    dataset = dataset or made_up_dataset(folder.parent / "pictures", CLASSES, 15)
    plan = plan or small_plan(classes=dataset.classes)
    plan = plan.model_copy(update={"data": plan.data.model_copy(update={"root": str(dataset.root)})})
    run_folder.write_plan(folder, plan, Recipe(seed=7))
    run_folder.write_data(folder, dataset, [asdict(finding) for finding in data_findings])
    write_history(history, folder)
    predicted = {split: made_up_predictions(dataset, split, wrong, seed) for seed, split in enumerate(splits)}
    run_folder.write_predictions(folder, dataset, predicted)
    run_folder.write_findings(folder, [asdict(finding) for finding in findings])
    scores: dict[str, Any] = {"validation": None, "test": None}
    for split, rows in predicted.items():
        labels = np.array([dataset.classes.index(record.label) for record in dataset.split(split)])
        scores[split] = score(rows, labels, dataset.classes).as_dict()
    values = scores | {
        "best_epoch": max((record.epoch for record in history if record.best), default=None),
        "phase_endings": ["all epochs done", "no better for 5 epochs"],
        "interrupted": False,
        "seconds": {"preparing": 1.25, "training": 60.5, "scoring": 2.0},
    }
    run_folder.write_metrics(folder, values | metrics)
    return values | metrics


def write_maps(folder: Path, names: Sequence[str], side: int = 4) -> None:
    """Writes a `gradcam.json` for some pictures."""
    heat = np.linspace(0, 1, side * side).reshape(side, side).tolist()
    maps = {name: {"class": "cat", "map": heat} for name in names}
    (folder / "gradcam.json").write_text(json.dumps({"layer": "the last stage, stage3", "maps": maps}), encoding="utf-8")
