"""Two runs of one seed: the same bytes, in weights, history and predictions."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

import unfreeze
from support.folders import class_folder
from support.rates import everywhere
from unfreeze.api.frameworks import load_backend
from unfreeze.backends import tensorflow as tensorflow_backend
from unfreeze.backends import torch as torch_backend
from unfreeze.data.load import Batch
from unfreeze.recipe.read import read_recipe
from unfreeze.recipe.strategies import make_phases
from unfreeze.training.backend import LossSettings
from unfreeze.training.within import within

PACKAGES = (torch_backend, tensorflow_backend)
TIMES = {"train_seconds", "val_seconds", "fill_seconds", "pictures_per_second"}
# Every source of chance at once: order, views, mixing, dropout, residual blocks left out.
NETWORK = {"model": "mobilenetv3_small_050", "weights": "none", "input.side_px": 32}
CHANCE = {
    **NETWORK,
    "head.hidden": [8],
    "unfrozen.epochs": 2,
    "strategy": "full",
    "augment.mixup": 0.2,
    "augment.trivial": True,
    "stochastic_depth": 0.2,
    "ema": 0.9,
    "explain": False,
}


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return class_folder(tmp_path_factory.mktemp("photos"), {"a": 16, "b": 12})


def test_two_runs_of_one_seed_are_the_same_to_the_byte(photos: Path, tmp_path: Path) -> None:
    """In TensorFlow, where tracing takes long, `soak.kills` holds one that was killed against one left alone."""
    runs = [tmp_path / name for name in ("one", "other")]
    for run in runs:
        unfreeze.train(photos, out=run, framework="torch", **CHANCE)
    one, other = (facts(run, "torch") for run in runs)
    assert one == other


def test_the_plan_says_whether_it_is_deterministic(photos: Path, numpy_framework: str, tmp_path: Path) -> None:
    for asked in (True, False):
        plan = unfreeze.plan(photos, framework=numpy_framework, model="tiny", deterministic=asked)
        assert plan.deterministic is asked


@pytest.mark.parametrize("package", PACKAGES)
def test_the_framework_is_deterministic_while_it_trains_and_only_then(package: ModuleType, tmp_path: Path) -> None:
    recipe = read_recipe(None, {**NETWORK, "framework": name_of(package), "strategy": "full", "deterministic": True})
    backend = package.open_network(recipe, ("a", "b"))
    (phase,) = make_phases(backend.network, recipe)
    backend.start_phase(phase, LossSettings())
    batch = Batch(np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), np.uint8), np.array([0, 1, 0, 1]))
    seen: list[bool] = []
    backend.train_epoch([batch], everywhere(0.01), lambda _: seen.append(is_deterministic(package)))
    assert seen == [True]
    assert not is_deterministic(package)
    backend.save_model(tmp_path)
    assert json.loads((tmp_path / "manifest.json").read_text())["recipe"]["deterministic"] is True


@pytest.mark.parametrize("package", PACKAGES)
def test_a_generator_leaves_the_mode_between_what_it_gives(package: ModuleType) -> None:
    machine = importlib.import_module(f"{package.__name__}.machine")

    class Worker:
        @within(lambda self: machine.deterministic(True))
        def modes(self) -> Iterator[bool]:
            yield is_deterministic(package)
            yield is_deterministic(package)

    for inside in Worker().modes():
        assert inside
        assert not is_deterministic(package)


def name_of(package: ModuleType) -> str:
    return package.__name__.rpartition(".")[2]


def facts(run: Path, framework: str) -> tuple[dict[str, bytes], list[dict[str, Any]], bytes]:
    """Tensors and history without its times, and predictions."""
    tensors = load_backend(framework).read_tensors(run / "model")
    history = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
    timeless = [{name: value for name, value in epoch.items() if name not in TIMES} for epoch in history]
    weights = {name: np.ascontiguousarray(values).tobytes() for name, values in tensors.items()}
    return weights, timeless, (run / "predictions.csv").read_bytes()


def is_deterministic(package: ModuleType) -> bool:
    if package is torch_backend:
        return torch.are_deterministic_algorithms_enabled()
    from tensorflow.python.framework import config

    return bool(config.is_op_determinism_enabled())
