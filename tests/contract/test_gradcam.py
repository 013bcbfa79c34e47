"""Grad-CAM: it looks where the object is, changes nothing, and is the same in both frameworks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from support import numpy_backend
from support.rates import everywhere
from unfreeze.backends import tensorflow as tensorflow_backend
from unfreeze.backends import torch as torch_backend
from unfreeze.data.load import Batch
from unfreeze.recipe.read import read_recipe
from unfreeze.recipe.strategies import make_phases
from unfreeze.training.backend import Backend, LossSettings
from unfreeze.training.gradcam import scaled

PACKAGES = {"numpy": numpy_backend, "torch": torch_backend, "tensorflow": tensorflow_backend}
PLAIN = {"model": "efficientnet_lite0", "strategy": "feature-extraction", "head.dropout": 0.0}


def scenes(count: int, side_px: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Grey noise; in every second picture, of class 1, with a red ball: on the left, then on the right, and so on."""
    generator = np.random.default_rng(seed)
    images = generator.integers(98, 158, (count, side_px, side_px, 3), dtype=np.uint8)
    down, across = np.mgrid[:side_px, :side_px] / side_px
    for place in range(1, count, 2):
        height, width = generator.uniform(0.25, 0.75), generator.uniform(0.17, 0.28) + (0.55 if place % 4 == 3 else 0)
        images[place, np.hypot(down - height, across - width) < 0.16] = (230, 30, 30)
    return images, np.arange(count) % 2


def batches(images: NDArray[np.uint8], labels: NDArray[np.int64], size: int) -> Iterator[Batch]:
    for start in range(0, len(images), size):
        yield Batch(images[start : start + size], labels[start : start + size])


# In TensorFlow it would take a minute; the test below says that maps are the same there.
@pytest.mark.parametrize(("framework", "side_px"), [("numpy", 64), ("torch", 128)])
def test_the_map_is_heavier_where_the_object_is(framework: str, side_px: int, tmp_path: Path) -> None:
    package = PACKAGES[framework]
    recipe = read_recipe(None, {**PLAIN, "input.side_px": side_px})
    backend = package.open_network(recipe, ("nothing", "ball"))
    backend.start_phase(make_phases(backend.network, recipe)[0], LossSettings())
    for epoch in range(10 if framework == "numpy" else 2):
        backend.train_epoch(batches(*scenes(16, side_px, seed=epoch), size=8), everywhere(1e-2), lambda _: None)
    with_ball = scenes(12, side_px, seed=9)[0][1::2]
    shown = [*batches(with_ball, np.ones(6, np.int64), size=4)]

    tensors, predictions = bytes_of(backend), backend.predict(shown).tobytes()
    maps = backend.grad_cam(iter(shown))
    assert bytes_of(backend) == tensors
    assert backend.predict(shown).tobytes() == predictions

    assert (maps.shape, maps.dtype) == ((6, 4, 4), np.float32)
    np.testing.assert_array_equal(maps.max(axis=(1, 2)), 1)
    assert maps.min() >= 0
    left, right = maps[:, :, :2].sum(axis=(1, 2)), maps[:, :, 2:].sum(axis=(1, 2))
    assert np.where(left > right, "left", "right").tolist() == ["left", "right"] * 3

    backend.finish()
    backend.save_model(tmp_path)
    again = package.load_model(tmp_path).grad_cam(batches(with_ball, np.ones(6, np.int64), size=6))
    np.testing.assert_allclose(again, maps, atol=1e-4)


def test_both_frameworks_see_the_same() -> None:
    """In float32, whatever they otherwise compute in."""
    images, maps = scenes(6, 64, seed=3)[0], []
    for framework in ("torch", "tensorflow"):
        settings = {"framework": framework, "input.side_px": 64, "head.hidden": [8], "precision": "bfloat16"}
        recipe = read_recipe(None, {**PLAIN, **settings})
        backend = PACKAGES[framework].open_network(recipe, ("a", "b", "c", "d", "e", "f"))
        tensors = bytes_of(backend)
        maps.append(backend.grad_cam(batches(images, np.arange(6), size=4)))
        assert bytes_of(backend) == tensors
    assert (maps[0].max(axis=(1, 2)) == 1).sum() >= 2
    np.testing.assert_allclose(maps[1], maps[0], atol=1e-3)


def bytes_of(backend: Backend) -> dict[str, bytes]:
    return {name: np.asarray(values).tobytes() for name, values in backend.snapshot().items()}


def test_maps_are_scaled_each_by_its_own_maximum() -> None:
    maps = [np.array([[[0, 2], [1, 4]]], np.float32), np.array([[[0, 0], [0, 0]], [[1, np.nan], [0, 0]]], np.float32)]
    expected = [[[0, 0.5], [0.25, 1]], [[0, 0], [0, 0]], [[0, 0], [0, 0]]]
    np.testing.assert_array_equal(scaled(maps), np.array(expected, np.float32))
    assert scaled([]).shape == (0, 0, 0)
