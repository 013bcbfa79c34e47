"""Looking at a folder of pictures."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from unfreeze.api.finished import PREDICTION_BATCH
from unfreeze.api.frameworks import load_backend
from unfreeze.cache.folder import cache_folder
from unfreeze.data.dataset import Dataset
from unfreeze.data.load import Loader
from unfreeze.data.picture import decoding_threads
from unfreeze.data.scan import Progress, scan
from unfreeze.errors import ModelError
from unfreeze.inspection.finding import DataFinding
from unfreeze.inspection.inspection import Inspection, inspect_dataset
from unfreeze.inspection.labels import find_in_labels, judgeable
from unfreeze.recipe.network import HEAD
from unfreeze.recipe.read import read_recipe
from unfreeze.recipe.recipe import Augment, Recipe
from unfreeze.training.activations import Activations, Place
from unfreeze.training.encoding import as_float32


def inspect(
    data: str | Path,
    *,
    classes: Sequence[str] | None = None,
    model: str | None = None,
    framework: str = "torch",
    page: str | Path | None = None,
    progress: Progress | None = None,
) -> Inspection:
    """Looks at a folder or manifest: counts, files, duplicates, splits and, with a network, labels. Changes nothing.

    Twin of `unfreeze inspect`.

    Args:
        classes: look at these only.
        model: a network, as for `train`, whose frozen features are asked about the labels and whose input side small pictures
            are held against. What it gives for each picture is kept in the cache, where a training finds it.
        framework: `torch` or `tensorflow`, in which the network runs.
        page: where to write everything as one HTML page with the pictures concerned.
        progress: of the scan.

    Raises:
        DataError: it can't be used at all.
        ModelError, FrameworkError: the network can't be had.
    """
    dataset = scan(Path(data), tuple(classes) if classes else None, progress, cache_folder())
    asked = read_recipe(None, {"framework": framework, **({"model": model} if model else {})})
    disputes = _ask_network(dataset, asked) if model else []
    inspection = inspect_dataset(dataset, tuple(disputes))
    if page is not None:
        from unfreeze.report.inspection import write_inspection  # draws, which takes a while to import

        write_inspection(inspection, {record.name: record.path for record in dataset.records}, Path(page))
    return inspection


def _ask_network(dataset: Dataset, asked: Recipe) -> list[DataFinding]:
    """What the frozen network's features say of the labels; nothing where fewer than two classes can be judged."""
    records = judgeable(dataset)
    if len({record.label for record in records}) < 2:
        return []
    package = load_backend(asked.framework)
    package.check(asked)
    backend = package.open_network(asked, dataset.classes)
    whole = replace(dataset, records=tuple(replace(record, split="train") for record in records))
    loader = Loader(whole, backend.network.contract, PREDICTION_BATCH, Augment(), threads=decoding_threads())
    identity = backend.identify_prefix(HEAD)
    views = loader.evaluation_views("train")
    if identity is None:
        raise ModelError(f"{asked.model}: its features can't be had apart from its head, so it can't be asked about labels")
    kept = Activations(HEAD, False, identity, loader, backend, Place(cache_folder(), int(asked.cache.limit_gb * 10**9)))
    with contextlib.closing(kept):
        features = np.concatenate([as_float32(batch.activations[0]) for batch in kept.batches("train", views)])
    return find_in_labels(records, features)
