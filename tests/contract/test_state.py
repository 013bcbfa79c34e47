"""A backend's state: what one that was opened later goes on with as if it had never stopped, byte for byte."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from support import numpy_backend
from unfreeze.backends import tensorflow as tensorflow_backend
from unfreeze.backends import torch as torch_backend
from unfreeze.data.load import Batch, Mix
from unfreeze.recipe.plan import Phase
from unfreeze.recipe.read import read_recipe
from unfreeze.recipe.strategies import make_phases
from unfreeze.training.backend import MODEL, Backend, EpochResult, LossSettings, State
from unfreeze.training.encoding import in_steps

CLASSES = ("red", "green", "blue")
SIZE = 4
BACKENDS: dict[str, tuple[ModuleType, str]] = {
    "numpy": (numpy_backend, "tiny"),
    "torch": (torch_backend, "test_resnet"),
    "tensorflow": (tensorflow_backend, "test_resnet"),
}


class Case(NamedTuple):
    """How is trained."""

    optimizer: dict[str, Any]
    changes: dict[str, Any]
    accumulate: int = 1
    ema: float | None = None


CASES = {
    "adamw": Case({"name": "adamw"}, {"unfreeze.batchnorm": "update", "augment.mixup": 0.4}, 2, 0.5),
    "adam": Case({"name": "adam", "l2_sp": 0.5, "clip_norm": 0.1}, {"unfreeze.batchnorm": "update"}),
    "sgd": Case({"name": "sgd", "momentum": 0.9, "l2": 0.01}, {"unfreeze.batchnorm": "frozen"}, 1, 0.5),
}


class Trained:
    """A newly opened backend, and the two phases of its recipe: in the second layers join the head."""

    def __init__(self, package: ModuleType, model: str, case: Case) -> None:
        changes = {
            "model": model, "weights": "none", "precision": "float32", "input.side_px": 32, "head.dropout": 0.5,
            "strategy": "fine-tune-top", "unfreeze.stages": 1, "stochastic_depth": 0.4, **case.changes,
        }  # fmt: skip
        recipe = read_recipe(None, changes)
        self.backend: Backend = package.open_network(recipe, CLASSES)
        self.phases = [_with(phase, case.optimizer) for phase in make_phases(self.backend.network, recipe)]
        self.case, self.states = case, list[State]()

    def start(self, number: int) -> None:
        self.backend.start_phase(self.phases[number], LossSettings(), self.case.accumulate, self.case.ema)

    def resume(self, number: int, state: State) -> None:
        self.backend.resume_phase(self.phases[number], LossSettings(), self.case.accumulate, self.case.ema, state=state)

    def epoch(self, done: int = 0, keeps: bool = False) -> EpochResult:
        def on_step(_: int) -> None:
            if keeps:
                self.states.append(self.backend.state())

        steps = [list(step) for step in in_steps(batches(bool(self.case.changes.get("augment.mixup"))), self.case.accumulate)]
        return self.backend.train_epoch([batch for step in steps[done:] for batch in step], self._rates, on_step, done)

    def everything(self) -> dict[str, bytes]:
        with self.backend.averaged():
            shown = {f"averaged/{name}": values for name, values in self.backend.snapshot().items()}
        return bytes_of({**self.backend.state(), **shown})

    def _rates(self, step: int) -> Mapping[str, float]:
        return dict.fromkeys(self.backend.network.stage_names, 1e-3 / (1 + step))


def _with(phase: Phase, optimizer: dict[str, Any]) -> Phase:
    return phase.model_copy(update={"optimizer": phase.optimizer.model_copy(update=optimizer)})


def batches(mixed: bool) -> Iterator[Batch]:
    generator = np.random.default_rng(0)
    labels = (np.arange(6 * SIZE - 2) % 3).astype(np.int64)
    images = generator.integers(0, 60, (len(labels), 32, 32, 3), dtype=np.uint8)
    images[np.arange(len(labels)), :, :, labels] += 180
    others, parts = generator.permutation(labels), generator.random(len(labels)).astype(np.float32)
    for start in range(0, len(labels), SIZE):
        some = slice(start, start + SIZE)
        yield Batch(images[some], labels[some], Mix(others[some], parts[some]) if mixed else None)


def bytes_of(arrays: Mapping[str, NDArray[Any]]) -> dict[str, bytes]:
    assert all(isinstance(values, np.ndarray) for values in arrays.values())
    return {name: values.tobytes() for name, values in arrays.items()}


def changed(one: Mapping[str, bytes], other: Mapping[str, bytes]) -> set[str]:
    return {name for name in {*one, *other} if one.get(name) != other.get(name)}


@pytest.mark.parametrize("name", BACKENDS)
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_training_goes_on_within_an_epoch_as_if_it_had_never_stopped(name: str, case: Case) -> None:
    alone = Trained(*BACKENDS[name], case)
    alone.start(0)
    alone.epoch()
    alone.start(1)
    alone.epoch(keeps=True)
    kept = [bytes_of(state) for state in alone.states]
    results = [alone.epoch(), alone.epoch()]
    done = len(kept) - 1
    assert [bytes_of(state) for state in alone.states] == kept  # copies
    assert {name.removeprefix(MODEL) for name in kept[0] if name.startswith(MODEL)} == {*alone.backend.snapshot()}

    later = Trained(*BACKENDS[name], case)
    later.resume(1, alone.states[0])
    assert changed(bytes_of(later.backend.state()), kept[0]) == set()
    result = later.epoch(done=1, keeps=True)
    assert result.pictures == 6 * SIZE - 2
    assert changed(bytes_of(later.states[-1]), kept[done]) == set()
    assert [later.epoch(), later.epoch()] == results
    assert changed(later.everything(), alone.everything()) == set()


@pytest.mark.parametrize("name", BACKENDS)
def test_the_next_phase_begins_as_if_it_had_never_stopped(name: str) -> None:
    """From a state of the phase before: layers that join have another count of steps than those that trained."""
    alone = Trained(*BACKENDS[name], CASES["adam"])
    alone.start(0)
    alone.epoch(keeps=True)
    expected = next_phase(alone)
    later = Trained(*BACKENDS[name], CASES["adam"])  # not before: PyTorch's random numbers are those of the process
    later.resume(0, alone.states[1])
    later.epoch(done=2)
    results, everything = next_phase(later)
    assert results == expected[0]
    assert changed(everything, expected[1]) == set()


def next_phase(trained: Trained) -> tuple[list[EpochResult], dict[str, bytes]]:
    trained.start(1)
    return [trained.epoch(), trained.epoch()], trained.everything()


@pytest.mark.parametrize("name", BACKENDS)
def test_a_phase_that_starts_afresh_forgets_the_optimiser(name: str) -> None:
    """As a new backend with the same weights starts it."""
    old, new = (Trained(*BACKENDS[name], CASES["sgd"]) for _ in range(2))
    old.start(0)
    old.epoch()
    new.backend.restore(old.backend.snapshot())
    ends = []
    for each in (old, new):
        each.backend.start_phase(each.phases[0], LossSettings(), 1, None, afresh=True)
        each.backend.train_epoch([], each._rates, lambda _: None)
        ends.append({name: values for name, values in bytes_of(each.backend.state()).items() if "random" not in name})
    assert changed(*ends) == set()
