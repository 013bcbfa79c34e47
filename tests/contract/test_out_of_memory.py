"""When memory runs out: training says so, prediction and encoding go on in smaller parts."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import torch
from test_steps import CLASSES, batches

from support.rates import everywhere
from unfreeze.backends import tensorflow as tensorflow_backend
from unfreeze.backends import torch as torch_backend
from unfreeze.data.load import Batch
from unfreeze.recipe.read import read_recipe
from unfreeze.recipe.strategies import make_phases
from unfreeze.training.backend import Backend, LossSettings
from unfreeze.training.memory import OutOfMemory

ERRORS: dict[str, tuple[ModuleType, Exception]] = {
    "torch": (torch_backend, torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")),
    "torch-cpu": (torch_backend, RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to …")),
    "numpy": (torch_backend, MemoryError("Unable to allocate 2 GiB")),
    "tensorflow": (tensorflow_backend, tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")),
    "tensorflow-numpy": (tensorflow_backend, MemoryError("Unable to allocate 2 GiB")),
}


@pytest.fixture(scope="module")
def opened() -> dict[ModuleType, Backend]:
    changes = {"model": "test_resnet", "weights": "none", "precision": "float32", "input.side_px": 32}
    return {
        package: package.open_network(read_recipe(None, changes), CLASSES) for package in (torch_backend, tensorflow_backend)
    }


@pytest.fixture(params=ERRORS)
def short(request: pytest.FixtureRequest, opened: Any, monkeypatch: pytest.MonkeyPatch) -> tuple[Backend, list[int]]:
    """A backend whose frozen part has memory for three pictures at once, and the sizes it was asked for."""
    package, error = ERRORS[request.param]
    backend, asked = opened[package], []
    activations = backend._activations

    def limited(batches: Any, boundary: str) -> Iterator[Any]:
        for made in activations(batches, boundary):
            asked.append(len(made[1]))
            if asked[-1] > 3:
                raise error
            yield made

    monkeypatch.setattr(backend, "_activations", limited)
    return backend, asked


def test_what_only_infers_goes_on_in_parts(short: tuple[Backend, list[int]], monkeypatch: pytest.MonkeyPatch) -> None:
    backend, asked = short
    predicted, encoded = backend.predict(batches(8, 22, True)), list(backend.encode(batches(8, 22, True), "head"))
    assert asked[:3] == [8, 4, 2]
    monkeypatch.undo()
    np.testing.assert_allclose(predicted, backend.predict(batches(8, 22)), atol=1e-5)
    for one, other in zip(encoded, backend.encode(batches(8, 22, True), "head"), strict=True):
        np.testing.assert_allclose(one.activations[0], other.activations[0], atol=1e-5)
        assert one.labels.tolist() == other.labels.tolist()
        assert one.mix is not None and other.mix is not None
        assert one.mix.parts.tolist() == other.mix.parts.tolist()


def test_training_says_so_and_goes_on_in_parts(short: tuple[Backend, list[int]]) -> None:
    backend, _ = short
    phase = make_phases(backend.network, read_recipe(None, {"strategy": "feature-extraction"}))[-1]
    backend.start_phase(phase, LossSettings(), parts=2)
    with pytest.raises(OutOfMemory, match="allocat"):
        backend.train_epoch(batches(8, 16), everywhere(0.1), lambda _: None)
    backend.start_phase(phase, LossSettings(), parts=4)
    assert backend.train_epoch(batches(8, 16), everywhere(0.1), lambda _: None).pictures == 16


def test_memory_that_runs_out_while_reading_isnt_mended_by_parts(opened: Any) -> None:
    def reading() -> Iterator[Batch]:
        yield from batches(8, 8)
        raise MemoryError("Unable to allocate 9 GiB")

    for backend in opened.values():
        with pytest.raises(OutOfMemory, match="9 GiB"):
            backend.predict(reading())


def test_what_a_network_takes_is_told_for_each_boundary(opened: Any) -> None:
    of_frameworks = [[backend.footprint(name) for name in ("stem", "stage2", "head")] for backend in opened.values()]
    for whole, upper, head in of_frameworks:
        assert whole.weights >= whole.trained > upper.trained > head.trained > 0
        assert whole.picture > upper.picture > head.picture
        assert whole.frozen_picture == 0 < upper.frozen_picture
    assert of_frameworks[0][0].weights == pytest.approx(of_frameworks[1][0].weights, rel=0.01)
    assert [one.trained for one in of_frameworks[0]] == pytest.approx([one.trained for one in of_frameworks[1]], rel=0.01)
