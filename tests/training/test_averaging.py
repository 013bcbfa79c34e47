"""With a running mean of the weights it is the mean that is scored, kept and exported."""

from __future__ import annotations

from pathlib import Path

import pytest

from support import numpy_backend
from support.folders import class_folder
from unfreeze.data.load import Loader
from unfreeze.data.scan import scan_for_training
from unfreeze.recipe.read import read_recipe
from unfreeze.training.activations import Place
from unfreeze.training.feeding import Feeding
from unfreeze.training.loop import train_plan
from unfreeze.training.planning import make_plan
from unfreeze.training.scores import score
from unfreeze.training.watcher import Silent


def trained(folder: Path, ema: float | None) -> tuple[float, float]:
    """The best validation loss in the history, and that of the model the run ends with."""
    recipe = read_recipe(None, {"model": "tiny", "strategy": "full", "head_only.epochs": 2, "unfrozen.epochs": 2, "ema": ema})
    dataset = scan_for_training(folder, recipe.data, recipe.seed)
    backend = numpy_backend.open_network(recipe, dataset.classes)
    plan = make_plan(recipe, dataset, backend)
    loader = Loader(dataset, plan.network.contract, plan.batch_size, plan.augment)
    outcome = train_plan(plan, backend, Feeding(loader, backend, plan, Place(folder, 0)), Silent())
    assert outcome.best is not None
    predicted = backend.predict(loader.evaluation("validation"))
    return outcome.best.val_loss, score(predicted, loader.labels("validation"), dataset.classes).loss


def test_what_is_scored_is_what_is_kept(tmp_path: Path) -> None:
    folder = class_folder(tmp_path / "photos", {"cat": 20, "dog": 20})
    best, kept = trained(folder, ema=0.9)
    assert kept == pytest.approx(best, rel=1e-9)
    assert best != pytest.approx(trained(folder, ema=None)[0], rel=1e-3)
