"""What every backend must do, by value. One suite; a difference of behaviour is a bug in one of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from support import numpy_backend
from support.rates import everywhere
from unfreeze.backends import tensorflow as tensorflow_backend
from unfreeze.backends import torch as torch_backend
from unfreeze.data.load import Batch
from unfreeze.recipe.plan import Phase
from unfreeze.recipe.read import read_recipe
from unfreeze.recipe.recipe import Recipe
from unfreeze.recipe.strategies import make_phases
from unfreeze.training.backend import Backend, EpochResult, LossSettings

CLASSES = ("red", "green", "blue")
SIDE_PX = 32
BACKENDS: dict[str, tuple[ModuleType, str]] = {
    "numpy": (numpy_backend, "tiny"),
    "torch": (torch_backend, "mobilenetv3_small_050"),
    "tensorflow": (tensorflow_backend, "mobilenetv3_small_050"),
}
STILL = {"head.dropout": 0.0, "unfreeze.batchnorm": "frozen"}
Open = Callable[..., tuple[Backend, tuple[Phase, ...]]]


@pytest.fixture(params=BACKENDS)
def package(request: pytest.FixtureRequest) -> ModuleType:
    return BACKENDS[request.param][0]


@pytest.fixture
def opened(request: pytest.FixtureRequest, package: ModuleType) -> Open:
    model = next(model for module, model in BACKENDS.values() if module is package)

    def open_(**changes: Any) -> tuple[Backend, tuple[Phase, ...]]:
        recipe: Recipe = read_recipe(
            None,
            {
                "model": model,
                "weights": "none",
                "precision": "float32",
                "input.side_px": SIDE_PX,
                "unfrozen.schedule.name": "constant",
                **changes,
            },
        )
        backend: Backend = package.open_network(recipe, CLASSES)
        return backend, make_phases(backend.network, recipe)

    return open_


def pictures(count: int = 24, seed: int = 0) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Noise with one strong colour channel, which is the class: learnable in a few steps."""
    generator = np.random.default_rng(seed)
    labels = np.arange(count) % len(CLASSES)
    images = generator.integers(0, 60, (count, SIDE_PX, SIDE_PX, 3), dtype=np.uint8)
    images[np.arange(count), :, :, labels] += 180
    return images, labels.astype(np.int64)


def batches(size: int = 8, count: int = 24) -> Iterator[Batch]:
    images, labels = pictures(count)
    for start in range(0, count, size):
        yield Batch(images[start : start + size], labels[start : start + size])


def tensors(backend: Backend) -> dict[str, bytes]:
    return {name: np.asarray(values).tobytes() for name, values in backend.snapshot().items()}


def train(
    backend: Backend, phase: Phase, epochs: int = 1, rate: float = 1e-3, loss: LossSettings | None = None, size: int = 8
) -> list[EpochResult]:
    backend.start_phase(phase, loss or LossSettings())
    return [backend.train_epoch(batches(size), everywhere(rate), lambda _: None) for _ in range(epochs)]


def layer_of(name: str, paths: list[str]) -> str | None:
    inner = name.removeprefix("base.")
    return max((path for path in paths if inner == path or inner.startswith(f"{path}.")), key=len, default=None)


@pytest.mark.parametrize("strategy", ["feature-extraction", "fine-tune-top", "gradual"])
def test_the_frozen_prefix_keeps_its_bytes(opened: Open, strategy: str) -> None:
    backend, phases = opened(strategy=strategy, **{"unfreeze.stages": 1, "unfreeze.batchnorm": "update"})
    for phase in phases:
        frozen = [layer.path for layer in backend.network.split(phase.boundary)[0]]
        everything = [layer.path for layer in backend.network.layers]
        before = tensors(backend)
        train(backend, phase)
        after = tensors(backend)
        kept = {name for name in before if layer_of(name, everything) in frozen}
        assert len(kept) >= len(frozen)
        assert {name for name in kept if before[name] != after[name]} == set()
        assert any(before[name] != after[name] for name in before)


def test_training_learns(opened: Open) -> None:
    backend, phases = opened(strategy="full", **{"head.dropout": 0.0})
    losses = train(backend, phases[-1], epochs=12, rate=3e-3)
    assert losses[-1].loss < 0.5 * losses[0].loss


def test_the_rate_of_every_step_is_asked_for_and_used(opened: Open) -> None:
    backend, phases = opened(strategy="feature-extraction")
    asked: list[int] = []
    shown: list[int] = []

    def rates(step: int) -> dict[str, float]:
        asked.append(step)
        return {"head": 0.0}

    before = tensors(backend)
    backend.start_phase(phases[0], LossSettings())
    result = backend.train_epoch(batches(size=10), rates, shown.append)
    assert asked == [0, 1, 2]
    assert (shown, result.pictures) == ([10, 10, 4], 24)
    assert tensors(backend) == before


def test_predictions_are_log_probabilities_in_order(opened: Open) -> None:
    backend, _ = opened()
    predicted = backend.predict(batches())
    assert (predicted.shape, predicted.dtype) == ((24, 3), np.float32)
    np.testing.assert_allclose(np.exp(predicted).sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(backend.predict(batches(size=5)), predicted, atol=1e-5)


def test_predicting_changes_nothing_and_repeats(opened: Open) -> None:
    backend, phases = opened(**{"head.dropout": 0.5})
    train(backend, phases[0])
    before, first = tensors(backend), backend.predict(batches())
    assert backend.predict(batches()).tobytes() == first.tobytes()
    assert tensors(backend) == before


def test_predicting_nothing_gives_nothing(opened: Open) -> None:
    assert opened()[0].predict(iter(())).shape == (0, 3)


def test_dropout_in_the_head_is_active_while_training(opened: Open) -> None:
    losses = []
    for dropout in (0.0, 0.9):
        backend, phases = opened(strategy="feature-extraction", **{"head.dropout": dropout})
        losses.append(train(backend, phases[0], rate=0.0)[0].loss)
    assert losses[0] != losses[1]


def test_restore_brings_the_bytes_back(opened: Open) -> None:
    backend, phases = opened(strategy="full")
    train(backend, phases[-1])
    before, snapshot = tensors(backend), backend.snapshot()
    train(backend, phases[-1], epochs=2)
    assert tensors(backend) != before
    backend.restore(snapshot)
    assert tensors(backend) == before


def test_the_seed_decides_the_first_weights(opened: Open) -> None:
    one, again, other = (tensors(opened(seed=seed)[0]) for seed in (7, 7, 8))
    assert one == again != other


def test_an_optimiser_goes_on_from_phase_to_phase(opened: Open) -> None:
    results = []
    for epochs in ([2], [1, 1]):
        changes = {"head_only.optimizer.name": "sgd", "head_only.optimizer.momentum": 0.9, **STILL}
        backend, phases = opened(strategy="feature-extraction", **changes)
        for count in epochs:
            train(backend, phases[0], epochs=count, rate=0.01)
        results.append(tensors(backend))
    assert results[0] == results[1]


def test_layers_that_join_start_with_a_fresh_optimiser(opened: Open) -> None:
    """Their first step with Adam is as long as the rate, whatever the count of the head's steps."""
    backend, phases = opened(
        strategy="fine-tune-top", **{"unfreeze.stages": 1, "unfrozen.optimizer.weight_decay": 0.0, **STILL}
    )
    train(backend, phases[0], epochs=3)
    before = backend.snapshot()
    train(backend, phases[-1], rate=1e-4, size=24)
    after = backend.snapshot()
    joined = [name for name in before if "new_head" not in name and name != "head"]
    moved = max(np.abs(np.asarray(after[name], np.float64) - np.asarray(before[name], np.float64)).max() for name in joined)
    assert 0 < moved < 1.01e-4 or backend.network.framework == "numpy"  # which has no Adam


def test_the_loss_is_cross_entropy(opened: Open) -> None:
    backend, phases = opened(strategy="feature-extraction", **STILL)
    logs, labels = backend.predict(batches()).astype(np.float64), pictures()[1]
    result = train(backend, phases[0], rate=0.0)[0]
    assert result.loss == pytest.approx(-logs[np.arange(24), labels].mean(), abs=1e-5)
    assert result.objective == pytest.approx(result.loss, abs=1e-6)
    assert result.accuracy == (logs.argmax(axis=1) == labels).mean()


def test_what_is_minimised_is_as_asked_and_what_is_reported_is_plain(opened: Open) -> None:
    """Each kind of loss through the port; test_losses.py holds more of them against NumPy."""
    backend, phases = opened(strategy="feature-extraction", **STILL)
    logs, labels = backend.predict(batches()).astype(np.float64), pictures()[1]
    rows, weights = np.arange(24), np.array([1.0, 5.0, 0.5], np.float32)
    offsets = np.log(np.array([0.1, 0.2, 0.7], np.float32))
    adjusted = logs + offsets - np.log(np.exp(logs + offsets).sum(axis=1, keepdims=True))
    smoothed = 0.7 * logs[rows, labels] + 0.3 * logs.mean(axis=1)
    focal = (1 - np.exp(logs[rows, labels])) ** 2 * logs[rows, labels]
    expected = [
        (LossSettings(label_smoothing=0.3), -smoothed.mean()),
        # A picture is weighed whatever its smoothed target, and a batch divided by the sum of weights.
        (LossSettings(label_smoothing=0.3, class_weights=weights), -np.average(smoothed, weights=weights[labels])),
        (LossSettings(class_weights=weights, focal_gamma=2.0), -np.average(focal, weights=weights[labels])),
        (LossSettings(logit_offsets=offsets), -adjusted[rows, labels].mean()),
    ]
    for settings, objective in expected:
        result = train(backend, phases[0], rate=0.0, loss=settings, size=24)[0]
        assert result.objective == pytest.approx(objective, abs=1e-5)
        assert result.loss == pytest.approx(-logs[rows, labels].mean(), abs=1e-5)
        assert result.accuracy == (logs.argmax(axis=1) == labels).mean()
        np.testing.assert_allclose(backend.predict(batches()), logs, atol=1e-5)


def test_the_gradient_norm_is_the_length_of_a_plain_step(opened: Open) -> None:
    """Of what trains, whatever is clipped and whatever L2 adds after it."""
    plain = {f"head_only.optimizer.{name}": value for name, value in {"name": "sgd", "momentum": 0.0, "l2": 0.0}.items()}
    backend, phases = opened(strategy="feature-extraction", **STILL, **plain)
    clipping = phases[0].optimizer.model_copy(update={"clip_norm": 0.001, "l2": 10.0})
    rate = 10.0 if backend.network.framework == "numpy" else 0.1
    start, norms, lengths = backend.snapshot(), [], []
    for phase in (phases[0], phases[0].model_copy(update={"optimizer": clipping})):
        backend.restore(start)
        norms.append(train(backend, phase, rate=0.1, size=24)[0].gradient_norm)
        moved = [np.asarray(after, np.float64) - np.asarray(start[name]) for name, after in backend.snapshot().items()]
        lengths.append(np.sqrt(sum((values**2).sum() for values in moved)) / rate)
    assert norms == pytest.approx([lengths[0]] * 2, rel=1e-3)
    assert lengths[1] != pytest.approx(lengths[0], rel=0.1) or backend.network.framework == "numpy"  # which has neither


def test_the_gradient_norm_is_the_largest_of_an_epoch(opened: Open) -> None:
    backend, phases = opened(strategy="feature-extraction", **STILL)

    def norm(*shown: Batch) -> float | None:
        return backend.train_epoch(shown, everywhere(0.0), lambda _: None).gradient_norm

    backend.start_phase(phases[0], LossSettings())
    each = [norm(batch) for batch in batches()]
    assert len(set(each)) == len(each)
    assert norm(*batches()) == pytest.approx(max(each), rel=1e-5)
    backend.start_phase(phases[0], LossSettings(class_weights=np.array([np.nan, 1, 1], np.float32)))
    without_red = [Batch(batch.images, np.ones(8, np.int64)) for batch in batches()]
    assert np.isfinite(norm(*without_red))
    assert np.isnan(norm(without_red[0], next(batches()), without_red[1]))


@pytest.mark.parametrize("engine", ["off", "on"])
def test_a_saved_model_predicts_the_same(
    opened: Open, package: ModuleType, tmp_path: Path, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNFREEZE_ENGINE", engine)
    backend, phases = opened(strategy="full")
    train(backend, phases[-1])
    backend.finish()
    backend.save_model(tmp_path / "model")
    again: Backend = package.load_model(tmp_path / "model", "auto", "float32")
    assert again.predict(batches()).tobytes() == backend.predict(batches()).tobytes()
    assert again.environment == backend.environment
    if package is not numpy_backend:
        assert again.environment["frozen part by"].startswith("OpenVINO") == (engine == "on")
    assert again.network.contract == backend.network.contract
    assert not list((tmp_path / "model").glob("*.tmp"))
