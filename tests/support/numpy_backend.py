"""The smallest complete backend, in NumPy: it makes everything above the port testable in seconds, and shows how to write one.

Its network looks at the mean colours of a 4 × 4 grid: `stem` and `stage1` are dense layers with ReLU, `head` a dense layer.
The optimiser is gradient descent with the planned rate, whatever the plan names.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unfreeze.data.load import Batch
from unfreeze.errors import ModelError, RunError
from unfreeze.files import write_json
from unfreeze.recipe.network import HEAD, STEM, InputContract, Layer, Network, Stage
from unfreeze.recipe.plan import Phase
from unfreeze.recipe.recipe import Recipe
from unfreeze.training.arrivals import Arrival
from unfreeze.training.backend import SMALLEST_DOUBT, Encoded, EpochResult, LossSettings, ModelEntry
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

    def start_phase(self, phase: Phase, loss: LossSettings) -> None:
        self._trainable = {layer.path for layer in self.network.split(phase.boundary)[1]}
        self._loss = loss

    def identify_prefix(self, boundary: str) -> dict[str, str] | None:
        frozen = [layer.path for layer in self.network.split(boundary)[0]]
        weights = b"".join(self.weights[path].tobytes() for path in frozen)
        return {"network": self.network.name, "weights": hashlib.sha256(weights).hexdigest()} if frozen else None

    def encode(self, batches: Iterable[Batch | Encoded], boundary: str) -> Iterator[Encoded]:
        for batch in batches:
            yield Encoded((self._at(batch, boundary),), batch.labels, boundary)

    def train_epoch(
        self, batches: Iterable[Batch | Encoded], rate: Callable[[int], float], on_step: Callable[[int], None]
    ) -> EpochResult:
        sums, norms, pictures = np.zeros(3), [0.0], 0
        for step, batch in enumerate(batches):
            step_sums, norm = self._step(batch, rate(step) * _RATE_FACTOR)
            sums += step_sums
            norms.append(norm)
            pictures += len(batch.labels)
            on_step(len(batch.labels))
        objective, loss, right = (sums / max(pictures, 1)).tolist()
        return EpochResult(objective, loss, right, pictures, float(np.max(norms)))

    def predict(self, batches: Iterable[Batch | Encoded]) -> NDArray[np.float32]:
        outputs = [np.empty((0, len(self.classes)), np.float32)]
        outputs += [_log_softmax(self._at(batch, HEAD) @ self.weights[HEAD]) for batch in batches]
        return np.concatenate(outputs).astype(np.float32)

    def arrivals(self, batches: Iterable[NDArray[np.float32]], first_only: bool) -> list[Arrival]:
        return []  # no BatchNorm

    def grad_cam(self, batches: Iterable[Batch]) -> NDArray[np.float32] | None:
        return scaled([self._maps(batch) for batch in batches])

    def finish(self) -> None: ...

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

    def _step(self, batch: Batch | Encoded, rate: float) -> tuple[list[float], float]:
        """One step. Objective and loss, each times the pictures, and how many were named right; the gradient's norm."""
        rows = np.arange(len(batch.labels))
        mask = ((self._generator.random((len(rows), UNITS)) >= self._dropout) / (1 - self._dropout)).astype(np.float32)
        inputs = {name: self._at(batch, name) for name in self.network.stage_names if name in self._trainable}
        inputs[HEAD] = inputs[HEAD] * mask
        logits = inputs[HEAD] @ self.weights[HEAD]
        objective, backward = objective_and_gradient(logits, batch.labels, self._loss)
        squares = 0.0
        for name in reversed(list(inputs)):
            gradient = inputs[name].T @ backward
            squares += float((gradient**2).sum())
            if name != next(iter(inputs)):
                backward = backward @ self.weights[name].T * (inputs[name] > 0) * (mask if name == HEAD else 1)
            self.weights[name] = (self.weights[name] - rate * gradient).astype(np.float32)
        loss, right = -_log_softmax(logits)[rows, batch.labels].sum(), (logits.argmax(1) == batch.labels).sum()
        return [objective * len(rows), float(loss), float(right)], float(np.sqrt(squares))


def objective_and_gradient(
    logits: NDArray[np.float32], labels: NDArray[np.int64], settings: LossSettings
) -> tuple[float, NDArray[np.float64]]:
    """What `LossSettings` says of a batch, and its gradient by the logits, [B, K]."""
    rows, gamma = np.arange(len(labels)), settings.focal_gamma
    logs = _log_softmax(logits if settings.logit_offsets is None else logits + settings.logit_offsets).astype(np.float64)
    target = np.full(logs.shape, settings.label_smoothing / logs.shape[1])
    target[rows, labels] += 1 - settings.label_smoothing
    weights = np.ones(len(rows)) if settings.class_weights is None else settings.class_weights[labels]
    weights = (weights / weights.sum())[:, None]
    likely, doubt = np.exp(logs), np.maximum(-np.expm1(logs), SMALLEST_DOUBT)
    by_logs = target * weights * (gamma * likely * doubt ** (gamma - 1) * logs - doubt**gamma)
    return float(-(target * weights * doubt**gamma * logs).sum()), by_logs - likely * by_logs.sum(axis=1, keepdims=True)


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
