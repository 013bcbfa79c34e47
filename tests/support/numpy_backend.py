"""The smallest complete backend, in NumPy: it makes everything above the port testable in seconds, and shows how to write one.

Its network looks at the mean colours of a 4 × 4 grid: `stem` and `stage1` are dense layers with ReLU, `head` a dense layer.
The optimiser is gradient descent with the planned rate, whatever the plan names; of its settings only L2-SP counts.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unfreeze.data.load import Batch, Mix
from unfreeze.errors import ModelError, RunError
from unfreeze.files import write_json
from unfreeze.recipe.network import HEAD, STEM, InputContract, Layer, Network, Stage
from unfreeze.recipe.plan import Phase
from unfreeze.recipe.recipe import Recipe
from unfreeze.training.arrivals import Arrival
from unfreeze.training.backend import MODEL, SMALLEST_DOUBT, Encoded, EpochResult, LossSettings, ModelEntry, Rates, State
from unfreeze.training.checkpoint import members
from unfreeze.training.encoding import in_parts, in_steps
from unfreeze.training.footprint import Footprint
from unfreeze.training.gradcam import scaled

GRID, UNITS = 4, 16
CONTRACT = InputContract(side_px=16, crop_fraction=1.0, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
# Adam's usual rates are too small for plain gradient descent.
_RATE_FACTOR = 100.0


def check(recipe: Recipe) -> None:
    if recipe.model not in ("tiny", "efficientnet_lite0"):
        raise ModelError(f"no network '{recipe.model}': this backend has 'tiny'")


def open_network(recipe: Recipe, classes: tuple[str, ...]) -> NumpyBackend:
    return NumpyBackend(_initial_weights(recipe.seed, len(classes)), recipe.model, classes, recipe.head.dropout, recipe.seed)


def load_model(folder: Path, device: str = "auto", precision: str = "auto") -> NumpyBackend:
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        weights = {name: np.array(values, np.float32) for name, values in manifest["weights"].items()}
    except (OSError, ValueError) as error:
        raise RunError(f"{folder / 'manifest.json'}: can't be read ({error})") from None
    return NumpyBackend(weights, manifest["name"], tuple(manifest["classes"]), 0.0, 0)


def read_tensors(folder: Path) -> dict[str, NDArray[np.float32]]:
    return load_model(folder).weights


def write_model(folder: Path, tensors: dict[str, NDArray[np.float32]], manifest: dict[str, Any]) -> None:
    NumpyBackend(tensors, manifest["name"], tuple(manifest["classes"]), 0.0, 0).save_model(folder)


def list_models(pattern: str | None = None) -> list[ModelEntry]:
    return [ModelEntry("tiny", "random")] if pattern is None or pattern.strip("*") in "tiny" else []


def describe_network(name: str) -> Network:
    return _describe(name, _initial_weights(0, 2))


class NumpyBackend:
    device, precision = "cpu", "float32"

    def __init__(
        self, weights: dict[str, NDArray[np.float32]], name: str, classes: tuple[str, ...], dropout: float, seed: int
    ) -> None:
        self.weights = weights
        self.network = _describe(name, weights)
        self.environment: dict[str, str] = {}
        self.classes, self._dropout = classes, dropout
        self._generator = np.random.default_rng(seed)
        self._trainable: set[str] = set()
        self._loss = LossSettings()
        self._per_batch, self._per_step, self._steps, self._l2_sp = 1, 1, 0, 0.0
        self._ema: float | None = None
        self._mean: dict[str, NDArray[np.float32]] = {}
        self._origins: dict[str, NDArray[np.float32]] = {}
        self._sums = np.zeros(5)

    def start_phase(
        self,
        phase: Phase,
        loss: LossSettings,
        accumulate: int = 1,
        ema: float | None = None,
        *,
        afresh: bool = False,
        parts: int = 1,
    ) -> None:
        self._trainable = {layer.path for layer in self.network.split(phase.boundary)[1]}
        self._loss, self._per_batch, self._per_step = loss, parts, accumulate * parts
        self._l2_sp = phase.optimizer.l2_sp
        self._ema, self._steps, self._mean = ema, 0, self.weights if ema is not None else {}
        if self._l2_sp:
            self._origins = {name: self.weights[name] for name in self._trainable - {HEAD}} | self._origins

    def resume_phase(
        self, phase: Phase, loss: LossSettings, accumulate: int = 1, ema: float | None = None, *, state: State, parts: int = 1
    ) -> None:
        self.weights = members(state, MODEL)
        self.start_phase(phase, loss, accumulate, ema, parts=parts)
        self._origins, self._mean = members(state, "origin/"), members(state, "mean/")
        self._steps, self._sums = int(state["sums/steps"]), state["sums/values"]
        self._generator.bit_generator.state = json.loads(state["random/numpy"].tobytes())

    def state(self) -> State:
        parts = {
            MODEL: self.weights,
            "origin/": self._origins,
            "mean/": self._mean,
            "sums/": {"values": self._sums, "steps": np.array(self._steps)},
            "random/": {"numpy": np.frombuffer(json.dumps(self._generator.bit_generator.state).encode(), np.uint8)},
        }
        return {group + name: values.copy() for group, members in parts.items() for name, values in members.items()}

    def identify_prefix(self, boundary: str) -> dict[str, str] | None:
        frozen = [layer.path for layer in self.network.split(boundary)[0]]
        weights = b"".join(self.weights[path].tobytes() for path in frozen)
        return {"network": self.network.name, "weights": hashlib.sha256(weights).hexdigest()} if frozen else None

    def encode(self, batches: Iterable[Batch | Encoded], boundary: str) -> Iterator[Encoded]:
        for batch in batches:
            yield Encoded((self._at(batch, boundary),), batch.labels, boundary, batch.mix)

    def train_epoch(
        self, batches: Iterable[Batch | Encoded], rates: Rates, on_step: Callable[[int], None], done: int = 0
    ) -> EpochResult:
        if not done:
            self._sums = np.zeros(5)
        for step, several in enumerate(in_steps(in_parts(batches, self._per_batch), self._per_step), start=done):
            batch = _joined(list(several))
            step_sums, norm = self._step(batch, rates(step))
            self._update_mean()
            *sums, pictures, largest = self._sums
            shown = len(batch.labels)
            self._sums = np.array([*np.add(sums, step_sums), pictures + shown, np.maximum(largest, norm)])
            on_step(shown)
        *sums, pictures, largest = self._sums.tolist()
        objective, loss, right = (value / max(pictures, 1) for value in sums)
        return EpochResult(objective, loss, right, int(pictures), largest)

    @contextlib.contextmanager
    def averaged(self) -> Iterator[None]:
        kept = self.weights
        self.weights = self.weights | self._mean
        try:
            yield
        finally:
            self.weights = kept

    def predict(self, batches: Iterable[Batch | Encoded]) -> NDArray[np.float32]:
        outputs = [np.empty((0, len(self.classes)), np.float32)]
        outputs += [_log_softmax(self._at(batch, HEAD) @ self.weights[HEAD]) for batch in batches]
        return np.concatenate(outputs).astype(np.float32)

    def footprint(self, boundary: str) -> Footprint | None:
        trained = sum(self.weights[layer.path].nbytes for layer in self.network.split(boundary)[1])
        return Footprint(sum(values.nbytes for values in self.weights.values()), trained, 4 * UNITS, 4 * UNITS)

    def arrivals(self, batches: Iterable[NDArray[np.float32]], first_only: bool) -> list[Arrival]:
        return []  # no BatchNorm

    def grad_cam(self, batches: Iterable[Batch]) -> NDArray[np.float32] | None:
        return scaled([self._maps(batch) for batch in batches])

    def finish(self) -> None:
        self._ema, self._mean = None, {}

    def snapshot(self) -> Any:
        return {name: values.copy() for name, values in self.weights.items()}

    def restore(self, snapshot: Any) -> None:
        self.weights = {name: values.copy() for name, values in snapshot.items()}

    def save_model(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        weights = {name: values.tolist() for name, values in self.weights.items()}
        write_json(folder / "manifest.json", {"name": self.network.name, "classes": self.classes, "weights": weights})

    def _at(self, batch: Batch | Encoded, boundary: str) -> NDArray[np.float32]:
        """What the layers before the boundary give."""
        encoded = isinstance(batch, Encoded)
        values, start = (batch.activations[0], batch.boundary) if encoded else (_features(batch.images), STEM)
        for name in self.network.stage_names[self.network.place(start) : self.network.place(boundary)]:
            values = np.maximum(values @ self.weights[name], 0)
        return values

    def _maps(self, batch: Batch) -> NDArray[np.float32]:
        """Of the grid of mean colours, which is its only feature map."""
        gradient = self.weights[HEAD].T[batch.labels]
        for name, after in (("stage1", HEAD), (STEM, "stage1")):
            gradient = gradient * (self._at(batch, after) > 0) @ self.weights[name].T
        colours, gradient = (values.reshape(-1, GRID, GRID, 3) for values in (_features(batch.images), gradient))
        return np.maximum((gradient.mean(axis=(1, 2), keepdims=True) * colours).sum(axis=-1), 0)

    def _update_mean(self) -> None:
        if self._ema is not None:
            self._steps += 1
            part = np.float32(1 - min(self._ema, (1 + self._steps) / (10 + self._steps)))
            self._mean = {name: mean + part * (self.weights[name] - mean) for name, mean in self._mean.items()}

    def _step(self, batch: Batch | Encoded, rates: Mapping[str, float]) -> tuple[list[float], float]:
        """One step. Objective and loss, each times the pictures, and how many were named right; the gradient's norm."""
        rows = np.arange(len(batch.labels))
        mask = ((self._generator.random((len(rows), UNITS)) >= self._dropout) / (1 - self._dropout)).astype(np.float32)
        inputs = {name: self._at(batch, name) for name in self.network.stage_names if name in self._trainable}
        inputs[HEAD] = inputs[HEAD] * mask
        logits = inputs[HEAD] @ self.weights[HEAD]
        objective, backward = objective_and_gradient(logits, batch.labels, self._loss, batch.mix)
        squares = 0.0
        for name in reversed(list(inputs)):
            gradient = inputs[name].T @ backward
            squares += float((gradient**2).sum())
            if name != next(iter(inputs)):
                backward = backward @ self.weights[name].T * (inputs[name] > 0) * (mask if name == HEAD else 1)
            if name in self._origins and self._l2_sp:
                gradient = gradient + self._l2_sp * (self.weights[name] - self._origins[name])
            moved = self.weights[name] - rates[name] * _RATE_FACTOR * gradient
            self.weights = self.weights | {name: moved.astype(np.float32)}
        loss = -(_targets(batch.labels, batch.mix, logits.shape[1]) * _log_softmax(logits)).sum()
        shown = batch.labels if batch.mix is None else np.where(batch.mix.parts >= 0.5, batch.labels, batch.mix.labels)
        right = (logits.argmax(1) == shown).sum()
        return [objective * len(rows), float(loss), float(right)], float(np.sqrt(squares))


def objective_and_gradient(
    logits: NDArray[np.float32], labels: NDArray[np.int64], settings: LossSettings, mix: Mix | None = None
) -> tuple[float, NDArray[np.float64]]:
    """What `LossSettings` says of a batch, and its gradient by the logits, [B, K]."""
    gamma, smoothing = settings.focal_gamma, settings.label_smoothing
    logs = _log_softmax(logits if settings.logit_offsets is None else logits + settings.logit_offsets).astype(np.float64)
    target = _targets(labels, mix, logs.shape[1])
    if settings.class_weights is not None:
        target = np.where(target > 0, target * settings.class_weights, 0)
    target = target / target.sum()
    target = (1 - smoothing) * target + smoothing / logs.shape[1] * target.sum(axis=1, keepdims=True)
    likely, doubt = np.exp(logs), np.maximum(-np.expm1(logs), SMALLEST_DOUBT)
    by_logs = target * (gamma * likely * doubt ** (gamma - 1) * logs - doubt**gamma)
    return float(-(target * doubt**gamma * logs).sum()), by_logs - likely * by_logs.sum(axis=1, keepdims=True)


def _targets(labels: NDArray[np.int64], mix: Mix | None, classes: int) -> NDArray[np.float64]:
    """[B, K]: the part of each class in each picture."""
    one_hot = np.eye(classes)
    if mix is None:
        return one_hot[labels]
    parts = mix.parts[:, None].astype(np.float64)
    return parts * one_hot[labels] + (1 - parts) * one_hot[mix.labels]


def _joined(batches: list[Batch | Encoded]) -> Batch | Encoded:
    """Several as one."""
    if len(batches) == 1:
        return batches[0]
    labels = np.concatenate([batch.labels for batch in batches])
    mixes = [batch.mix or Mix(batch.labels, np.ones(len(batch.labels), np.float32)) for batch in batches]
    mix = Mix(*(np.concatenate(values) for values in zip(*mixes, strict=True)))
    first = batches[0]
    if isinstance(first, Batch):
        return Batch(np.concatenate([batch.images for batch in batches]), labels, mix)
    activations = tuple(np.concatenate(values) for values in zip(*(batch.activations for batch in batches), strict=True))
    return Encoded(activations, labels, first.boundary, mix)


def _initial_weights(seed: int, classes: int) -> dict[str, NDArray[np.float32]]:
    generator = np.random.default_rng(seed)
    shapes = {STEM: (3 * GRID * GRID, UNITS), "stage1": (UNITS, UNITS), HEAD: (UNITS, classes)}
    return {name: (generator.standard_normal(shape) / np.sqrt(shape[0])).astype(np.float32) for name, shape in shapes.items()}


def _describe(name: str, weights: dict[str, NDArray[np.float32]]) -> Network:
    stages = tuple(
        Stage(name=stage, layers=(Layer(path=stage, parameters=values.size, counts=True),)) for stage, values in weights.items()
    )
    return Network(
        name=name, architecture="tiny", framework="numpy", weights="random weights", pretrained=True, contract=CONTRACT,
        minimum_side_px=8, stages=stages,
    )  # fmt: skip


def _features(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """uint8 [B, S, S, 3] to the mean colours of a grid, float32 [B, 48], in about -1 … 1."""
    batch, side = len(images), images.shape[1] // GRID * GRID
    cells = images[:, :side, :side].reshape(batch, GRID, side // GRID, GRID, side // GRID, 3)
    pooled = cells.mean(axis=(2, 4)).reshape(batch, -1) / 255
    return ((pooled - 0.5) / 0.5).astype(np.float32)


def _log_softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
