"""What a training step does, by value: rates by stage, several batches as one, the running mean, L2-SP, mixed pictures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from support import numpy_backend
from support.rates import everywhere
from unfreeze.backends import tensorflow as tensorflow_backend
from unfreeze.backends import torch as torch_backend
from unfreeze.data.load import Batch, Mix
from unfreeze.recipe.plan import Phase
from unfreeze.recipe.read import read_recipe
from unfreeze.recipe.strategies import make_phases
from unfreeze.training.backend import Backend, Encoded, EpochResult, LossSettings

CLASSES = ("red", "green", "blue")
# For each backend the network, and the rate at which its steps are as long as those of the others.
BACKENDS: dict[str, tuple[ModuleType, str, float]] = {
    "numpy": (numpy_backend, "tiny", 0.001),
    "torch": (torch_backend, "test_resnet", 0.1),
    "tensorflow": (tensorflow_backend, "test_resnet", 0.1),
}
EVERYTHING = LossSettings(0.1, np.array([1, 5, 0.5], np.float32), 1.5, np.log(np.array([0.1, 0.2, 0.7], np.float32)))
Tensors = dict[str, NDArray[np.float64]]


class Trained:
    """A backend with a phase of plain SGD in which the last stage and the head train."""

    def __init__(self, package: ModuleType, model: str, rate: float) -> None:
        changes = {
            "model": model, "weights": "none", "precision": "float32", "input.side_px": 32, "head.dropout": 0.0,
            "strategy": "fine-tune-top", "unfreeze.stages": 1, "unfreeze.batchnorm": "frozen",
            "unfrozen.optimizer.name": "sgd", "unfrozen.optimizer.momentum": 0.0, "unfrozen.schedule.name": "constant",
        }  # fmt: skip
        recipe = read_recipe(None, changes)
        self.backend: Backend = package.open_network(recipe, CLASSES)
        self.phase: Phase = make_phases(self.backend.network, recipe)[-1]
        self.rate = rate
        self._start = self.backend.snapshot()
        self.start = self.tensors()

    def tensors(self) -> Tensors:
        return {name: np.asarray(values, np.float64) for name, values in self.backend.snapshot().items()}

    def restart(self, phase: Phase | None = None, loss: LossSettings | None = None, *more: Any) -> None:
        self.backend.restore(self._start)
        self.backend.start_phase(phase or self.phase, loss or LossSettings(), *more)

    def epoch(self, batches: Iterator[Batch] | list[Any], rates: Mapping[str, float] | None = None) -> EpochResult:
        return self.backend.train_epoch(batches, (lambda _: rates) if rates else everywhere(self.rate), lambda _: None)

    def with_optimizer(self, **values: Any) -> Phase:
        return self.phase.model_copy(update={"optimizer": self.phase.optimizer.model_copy(update=values)})


@pytest.fixture(scope="module", params=BACKENDS)
def trained(request: pytest.FixtureRequest) -> Trained:
    return Trained(*BACKENDS[request.param])


def batches(size: int, count: int = 24, mixed: bool = False) -> Iterator[Batch]:
    generator = np.random.default_rng(0)
    labels = (np.arange(count) % 3).astype(np.int64)
    images = generator.integers(0, 60, (count, 32, 32, 3), dtype=np.uint8)
    images[np.arange(count), :, :, labels] += 180
    others, parts = generator.integers(0, 3, count), generator.random(count).astype(np.float32)
    for start in range(0, count, size):
        some = slice(start, start + size)
        yield Batch(images[some], labels[some], Mix(others[some], parts[some]) if mixed else None)


def furthest(one: Tensors, other: Tensors) -> float:
    return max(float(np.abs(one[name] - other[name]).max()) for name in one)


@pytest.mark.parametrize("mixed", [False, True], ids=["plain", "mixed"])
def test_several_batches_make_the_step_of_one(trained: Trained, mixed: bool) -> None:
    """Whatever the weights of their classes, which batches have in unequal parts, and the last with fewer pictures."""
    phase, results = trained.with_optimizer(clip_norm=0.05), []
    for accumulate, size in ((1, 22), (3, 8)):
        trained.restart(phase, EVERYTHING, accumulate)
        results.append((trained.epoch(batches(size, 22, mixed)), trained.tensors()))
    (result, tensors), (theirs, their_tensors) = results
    assert furthest(tensors, trained.start) > 1e-3
    assert furthest(tensors, their_tensors) < 1e-6
    for name in ("objective", "loss", "accuracy", "gradient_norm"):
        assert getattr(theirs, name) == pytest.approx(getattr(result, name), rel=1e-5)


def test_the_last_step_of_an_epoch_takes_what_is_left(trained: Trained) -> None:
    asked: list[int] = []
    shown: list[int] = []

    def rates(step: int) -> dict[str, float]:
        asked.append(step)
        return dict.fromkeys(trained.backend.network.stage_names, trained.rate)

    trained.restart(None, None, 2)
    result = trained.backend.train_epoch(batches(4, 18), rates, shown.append)
    assert (asked, shown, result.pictures) == ([0, 1, 2], [8, 8, 2], 18)
    through = trained.tensors()
    trained.restart()
    trained.epoch([*batches(8, 18)])
    assert furthest(through, trained.tensors()) < 1e-6


@pytest.mark.parametrize("mixed", [False, True], ids=["plain", "mixed"])
def test_parts_of_batches_make_the_same_steps(trained: Trained, mixed: bool) -> None:
    """Also where two batches make a step, the last step has one batch, and that is too small for all parts."""
    results = []
    for parts in (1, 2, 4):
        shown: list[int] = []
        trained.restart(None, EVERYTHING, 2, 0.5)
        trained.backend.start_phase(trained.phase, EVERYTHING, 2, 0.5, parts=parts)
        trained.backend.train_epoch(batches(9, 21, mixed), everywhere(trained.rate), shown.append)
        assert shown == [18, 3]
        results.append(trained.tensors())
    assert furthest(results[0], trained.start) > 1e-3
    assert all(furthest(tensors, results[0]) < 1e-6 for tensors in results[1:])


def test_each_stage_has_its_rate(trained: Trained) -> None:
    below = trained.backend.network.stage_names[-2]
    rates, moved = {below: trained.rate, "head": trained.rate}, []
    for factor in (1.0, 0.25, 0.0):
        trained.restart()
        trained.epoch(batches(24), rates | {below: factor * trained.rate})
        moved.append({name: values - trained.start[name] for name, values in trained.tensors().items()})
    whole, quarter, none = moved
    parts = {name: 1.0 if "head" in name else 0.25 for name in whole}
    assert all(np.abs(none[name]).max() == 0 for name in none if "head" not in name)
    assert sum(np.abs(values).max() > 1e-3 for name, values in whole.items() if "head" not in name) > 0
    for name, part in parts.items():
        np.testing.assert_allclose(quarter[name], part * whole[name], atol=1e-6)


def test_the_mean_follows_the_weights_and_is_seen_only_where_asked(trained: Trained) -> None:
    decay = 0.4
    trained.restart(None, None, 1, decay)
    mean = trained.start
    for step in range(1, 6):
        trained.epoch(list(batches(8, 8)))
        part = 1 - min(decay, (1 + step) / (10 + step))
        mean = {name: values + part * (trained.tensors()[name] - values) for name, values in mean.items()}
    backend = trained.backend
    weights, predicted = bytes_of(backend), backend.predict(batches(24))
    with backend.averaged():
        assert furthest(trained.tensors(), mean) < 1e-6
        kept, meant = backend.snapshot(), backend.predict(batches(24))
    assert np.abs(meant - predicted).max() > 1e-3
    assert bytes_of(backend) == weights
    assert backend.predict(batches(24)).tobytes() == predicted.tobytes()
    backend.restore(kept)
    assert backend.predict(batches(24)).tobytes() == meant.tobytes()
    backend.finish()
    with backend.averaged():
        assert backend.predict(batches(24)).tobytes() == backend.predict(batches(24)).tobytes()


def test_pictures_and_their_activations_train_alike(trained: Trained) -> None:
    """Mixed, with a mean, several to a step: what the cache keeps changes nothing."""
    results = []
    for from_cache in (False, True):
        trained.restart(None, EVERYTHING, 2, 0.5)
        shown: list[Any] = [*batches(6, mixed=True)]
        if from_cache:
            shown = [*trained.backend.encode(shown, trained.phase.boundary)]
            assert all(isinstance(batch, Encoded) and batch.mix is not None for batch in shown)
        result = trained.epoch(shown)
        with trained.backend.averaged():
            results.append((result, trained.tensors()))
    (result, tensors), (theirs, their_tensors) = results
    assert theirs.objective == pytest.approx(result.objective, rel=1e-5)
    assert furthest(tensors, their_tensors) < 1e-5


def test_without_a_mean_nothing_is_averaged(trained: Trained) -> None:
    trained.restart()
    trained.epoch(batches(24))
    before = bytes_of(trained.backend)
    with trained.backend.averaged():
        assert bytes_of(trained.backend) == before


def test_l2_sp_pulls_the_base_to_where_it_started(trained: Trained) -> None:
    """And the head not, which L2 has for itself then."""
    pulling, results = trained.with_optimizer(l2_sp=0.5), []
    for phase in (trained.phase, pulling):
        trained.restart(pulling)
        trained.epoch(batches(24))
        first = trained.tensors()
        trained.backend.start_phase(phase, LossSettings())  # which remembers where the phase before started
        trained.epoch(batches(24))
        results.append(trained.tensors())
    without, pulled = results
    for name, values in without.items():
        away = first[name] - trained.start[name] if "head" not in name and values.ndim > 1 else np.zeros(values.shape)
        np.testing.assert_allclose(pulled[name], values - 0.1 * 0.5 * away, atol=1e-6)
    assert furthest(without, pulled) > 1e-5


def test_what_an_epoch_reports_of_mixed_pictures(trained: Trained) -> None:
    trained.restart()
    logs = trained.backend.predict(batches(24)).astype(np.float64)
    (batch,) = batches(24, mixed=True)
    assert batch.mix is not None
    rows, parts = np.arange(24), batch.mix.parts.astype(np.float64)
    losses = -(parts * logs[rows, batch.labels] + (1 - parts) * logs[rows, batch.mix.labels])
    result = trained.epoch(batches(24, mixed=True), dict.fromkeys(trained.backend.network.stage_names, 0.0))
    assert result.loss == pytest.approx(losses.mean(), abs=1e-5)
    assert result.objective == pytest.approx(losses.mean(), abs=1e-5)
    assert result.accuracy == (logs.argmax(axis=1) == np.where(parts >= 0.5, batch.labels, batch.mix.labels)).mean()


def bytes_of(backend: Backend) -> dict[str, bytes]:
    return {name: np.asarray(values).tobytes() for name, values in backend.snapshot().items()}


@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_stages_that_train_already_keep_their_moments_when_another_joins(trained: Trained, name: str) -> None:
    """Those of two stages, each at its rate: they go on as if nothing had joined."""
    *_, lower, upper, head = trained.backend.network.stage_names
    first = trained.with_optimizer(name=name, momentum=0.9, weight_decay=0.0, clip_norm=None)
    rates, ends = {lower: 0.0, upper: 0.01 * trained.rate, head: 0.02 * trained.rate}, []
    for boundary in (upper, lower):
        trained.restart(trained.with_optimizer(name="adam"))  # another kind, which forgets the moments of tests before
        trained.backend.start_phase(first, LossSettings())
        trained.epoch(batches(8), rates)
        parted = trained.tensors()
        trained.backend.start_phase(first.model_copy(update={"boundary": boundary}), LossSettings())
        trained.epoch(batches(24), rates)
        ends.append(trained.tensors())
    alone, joined = ends
    assert furthest(joined, alone) < 1e-6
    assert furthest(alone, parted) > 1e-5


@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_moments_that_arent_finite_end_with_their_phase(trained: Trained, name: str) -> None:
    phase = trained.with_optimizer(name=name, momentum=0.9)
    trained.restart(phase)
    assert not np.isfinite(trained.backend.train_epoch(batches(6), everywhere(1e30), lambda _: None).objective)
    trained.restart(phase)
    assert np.isfinite(trained.epoch(batches(6)).objective)
    assert all(np.isfinite(values).all() for values in trained.tensors().values())
