"""Where a model looked, for the pictures that its report shows large."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from unfreeze.api.finished import PREDICTION_BATCH
from unfreeze.api.preparation import Preparation
from unfreeze.data.load import Batch, load_files
from unfreeze.files import write_json
from unfreeze.report.examples import choose_examples
from unfreeze.report.run_files import GRADCAM
from unfreeze.training import run_folder

_LAYER = "the last feature map before global pooling"
_DECIMALS = 3


def explain(folder: Path, job: Preparation) -> None:
    """Writes `gradcam.json`: for each example of the report a map h × w, 0–1, of what spoke for the class it was given.

    Nothing where the run has no predictions, or the network no feature map.
    """
    classes = job.plan.data.classes
    predicted = run_folder.read_predictions(folder, classes)
    shown = predicted.get("test") or predicted.get("validation")
    if shown is None:
        return
    named = dict(zip(shown.names, shown.classes.tolist(), strict=True))
    names = choose_examples(shown).names
    paths = job.dataset.paths
    places: list[int] = []
    unreadable: dict[int, str] = {}  # since it was scored: it stays without a map

    def batches() -> Iterator[Batch]:
        files = [paths[name] for name in names]
        for batch in load_files(files, job.loader.contract, PREDICTION_BATCH, job.plan.loader_threads, unreadable):
            here = batch.labels.tolist()
            places.extend(here)
            yield Batch(batch.images, np.array([named[names[place]] for place in here], np.int64))

    maps = job.backend.grad_cam(batches())
    if maps is None:
        return
    values = {
        names[place]: {"class": classes[named[names[place]]], "map": one.round(_DECIMALS).astype(float).tolist()}
        for place, one in zip(places, maps, strict=True)
    }
    write_json(folder / GRADCAM, {"layer": _LAYER, "maps": values})
