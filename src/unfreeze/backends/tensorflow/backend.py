"""TensorFlow behind the port, by Keras."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from itertools import chain, groupby
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from unfreeze.backends.tensorflow import state as states
from unfreeze.backends.tensorflow.averaging import RunningMean
from unfreeze.backends.tensorflow.folding import Folded
from unfreeze.backends.tensorflow.freezing import Parts, by_stage, freeze, layers_at, split, statistics
from unfreeze.backends.tensorflow.gradcam import grad_cam
from unfreeze.backends.tensorflow.inputs import arrivals
from unfreeze.backends.tensorflow.losses import Objective, Targets
from unfreeze.backends.tensorflow.machine import choose_device, choose_precision, compute_in, deterministic, name_device
from unfreeze.backends.tensorflow.memory import footprint, out_of_memory_told
from unfreeze.backends.tensorflow.networks import make_model
from unfreeze.backends.tensorflow.optimizers import Memory, PhaseOptimizer
from unfreeze.backends.tensorflow.precision import train_depthwise_in_float32
from unfreeze.backends.tensorflow.prefix import Prefix, Tensors, engine_for, normalised, to_array, to_tensor
from unfreeze.backends.tensorflow.step import Step
from unfreeze.backends.tensorflow.storage import read_model, save_model
from unfreeze.data.load import Batch, Mix
from unfreeze.recipe.network import HEAD, Network
from unfreeze.recipe.plan import Phase, Precision
from unfreeze.recipe.recipe import Recipe
from unfreeze.training.allocator import keep_freed_memory
from unfreeze.training.arrivals import Arrival
from unfreeze.training.backend import Encoded, EpochResult, LossSettings, Rates, Snapshot, State
from unfreeze.training.encoding import boundary_of, encoded, in_parts, in_steps, joined
from unfreeze.training.footprint import Footprint
from unfreeze.training.memory import with_enough_memory
from unfreeze.training.within import within

# Where its recipe asks for it, a backend computes in its framework's deterministic mode.
_determined = within(lambda backend: deterministic(backend._recipe.deterministic))
_telling = within(lambda _: out_of_memory_told())


def open_network(recipe: Recipe, classes: tuple[str, ...]) -> TensorFlowBackend:
    """The network of a recipe with a new head, as a `training.backend.Backend`.

    Raises:
        ModelError: no such network, or its weights can't be had.
        RecipeError: the device asked for isn't there, or the input is too small for the network.
    """
    model, network = make_model(recipe, len(classes))
    return TensorFlowBackend(model, network, classes, recipe)


def load_model(folder: Path, device: str = "auto", precision: str = "auto") -> TensorFlowBackend:
    """The model in a folder, as `save_model` wrote it, ready to predict.

    Raises:
        RunError: a file is missing or damaged, or the model holds anything but Keras's own layers.
        RecipeError: the device asked for isn't there.
    """
    model, network, classes, recipe = read_model(folder)
    here = recipe.model_copy(update={"device": device, "precision": precision})
    return TensorFlowBackend(model, network, classes, here)


class TensorFlowBackend:
    """A Keras network with its head; see `training.backend.Backend` for the meaning of each method.

    Steps and predictions are compiled `tf.function`s of a fixed signature: one trace per phase and one for predictions,
    whatever the size of the last batch. Without XLA, which is many times slower for depthwise convolutions on a CPU.
    """

    def __init__(self, model: keras.Model, network: Network, classes: tuple[str, ...], recipe: Recipe) -> None:
        keep_freed_memory()
        self._device = choose_device(recipe.device)
        self._precision = choose_precision(recipe.precision, self._device)
        self._model = model
        self._network, self._classes, self._recipe = network, classes, recipe
        self._contract = network.contract.with_side(model.input_shape[1])
        self._boundary = HEAD  # a finished model trains nothing: its base is one frozen part
        self._optimizer: PhaseOptimizer | None = None
        self._step: Step | None = None
        self._mean: RunningMean | None = None
        # In how many parts a batch is computed in training, and how many make a step.
        self._per_batch, self._per_step = 1, 1
        self._sums = states.EpochSums.none()
        self._parts: dict[str, Parts] = {}
        self._prefixes: dict[tuple[str, str | None], tuple[str, Prefix]] = {}
        self._tails: dict[str, tuple[Folded, Callable[..., tf.Tensor]]] = {}

    @property
    def network(self) -> Network:
        return self._network

    @property
    def device(self) -> str:
        return name_device(self._device)

    @property
    def precision(self) -> Precision:
        return self._precision

    @property
    def environment(self) -> dict[str, str]:
        return {
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
            "threads": str(tf.config.threading.get_intra_op_parallelism_threads() or "all cores"),
            "frozen part by": self._engines(),
        }

    @_determined
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
        before = None if afresh else self._optimizer
        memory = before.memory_for(phase.optimizer) if before is not None else None
        self._begin(phase, loss, accumulate, ema, parts, memory)

    @_determined
    def resume_phase(
        self, phase: Phase, loss: LossSettings, accumulate: int = 1, ema: float | None = None, *, state: State, parts: int = 1
    ) -> None:
        self.restore(states.model_in(state))
        with tf.device(self._device):
            self._begin(phase, loss, accumulate, ema, parts, states.memory_in(state, self._model))
            if self._mean is not None:
                self._mean.go_on(states.mean_in(state))
            self._sums = states.sums_in(state)
        states.set_generators(state, self._model)

    def state(self) -> State:
        if self._optimizer is None:
            raise RuntimeError("start_phase comes before state")
        return states.take(self._model, self._optimizer, self._mean, self._sums)

    def _begin(
        self, phase: Phase, loss: LossSettings, accumulate: int, ema: float | None, parts: int, memory: Memory | None
    ) -> None:
        self._boundary, self._per_batch, self._per_step = phase.boundary, parts, accumulate * parts
        frozen, trainable = self._network.split(phase.boundary)
        training = freeze(self._model, frozen, trainable, self._network, phase.batchnorm == "frozen")
        stages = by_stage(self._model, training, self._network)
        variables = [*chain.from_iterable(stages.values())]
        suffix = self._split(self._boundary).suffix
        assert suffix is not None
        with tf.device(self._device):
            self._optimizer = PhaseOptimizer(phase.optimizer, stages, memory)
            self._mean = None
            if ema is not None:
                self._mean = RunningMean({states.name_of(each): each for each in (*variables, *statistics(self._model))}, ema)
            self._step = Step(
                suffix, self._given_as_float32, variables, Objective(loss), self._optimizer, self._mean, self._per_step > 1,
                self._compiled_for_training,
            )  # fmt: skip
        self._step.prepare(mixed=bool(self._recipe.augment.mixup or self._recipe.augment.cutmix))

    def finish(self) -> None:
        self._boundary, self._mean = HEAD, None

    def identify_prefix(self, boundary: str) -> dict[str, str] | None:
        if self._split(boundary).prefix is None:
            return None
        return {
            "framework": f"tensorflow {tf.__version__}, keras {keras.__version__}",
            "network": f"{self._network.name} ({self._network.architecture})",
            "weights": self._hash(boundary),
            "precision": self._precision,
            "engine": f"{engine_for(self._device)} on {self.device}",
        }

    @_determined
    def encode(self, batches: Iterable[Batch | Encoded], boundary: str) -> Iterator[Encoded]:
        yield from with_enough_memory(lambda some: self._encoded(some, boundary), batches, joined)

    @_determined
    @_telling
    def train_epoch(
        self, batches: Iterable[Batch | Encoded], rates: Rates, on_step: Callable[[int], None], done: int = 0
    ) -> EpochResult:
        if self._optimizer is None or self._step is None:
            raise RuntimeError("start_phase comes before train_epoch")
        with tf.device(self._device):
            activations = self._activations(in_parts(batches, self._per_batch), self._boundary)
            if not done:
                self._sums = states.EpochSums.none()
            given = ((tensors, Targets.of(labels, mix)) for tensors, labels, mix in activations)
            for number, step in enumerate(in_steps(given, self._per_step), start=done):
                self._optimizer.set_rates(rates(number))
                values, norm, shown = self._step(step)
                self._sums.add(values, norm, shown)
                on_step(shown)
        sums = self._sums
        objective, loss, right = (sums.values / max(sums.pictures, 1)).numpy().tolist()
        return EpochResult(objective, loss, right, sums.pictures, float(sums.largest))

    def averaged(self) -> AbstractContextManager[None]:
        return nullcontext() if self._mean is None else self._mean.shown()

    @_determined
    def predict(self, batches: Iterable[Batch | Encoded]) -> NDArray[np.float32]:
        nothing = np.empty((0, len(self._classes)), np.float32)
        with tf.device(self._device):
            return np.concatenate([nothing, *with_enough_memory(self._predicted, batches, np.concatenate)])

    def footprint(self, boundary: str) -> Footprint | None:
        if self._device != "/CPU:0":
            return None
        layers = layers_at(self._model, self._network.split(boundary)[1], self._network)
        trained = [variable for layer in layers for variable in layer.weights]
        return footprint(self._model, trained, self._split(boundary), self._precision)

    def arrivals(self, batches: Iterable[NDArray[np.float32]], first_only: bool) -> list[Arrival]:
        with tf.device(self._device):
            return arrivals(self._model, map(to_tensor, batches), first_only)

    def grad_cam(self, batches: Iterable[Batch]) -> NDArray[np.float32] | None:
        def on_device(batch: Batch) -> tuple[tf.Tensor, tf.Tensor]:
            return normalised(to_tensor(batch.images), self._contract), to_tensor(batch.labels)

        compute_in(self._model, "float32")  # what was traced stays as it is
        with tf.device(self._device):
            return grad_cam(self._model, map(on_device, batches))

    def snapshot(self) -> Snapshot:
        return states.snapshot(self._model)

    def restore(self, snapshot: Snapshot) -> None:
        states.load(self._model, snapshot)

    def save_model(self, folder: Path) -> None:
        manifest: dict[str, Any] = {
            "classes": list(self._classes),
            "recipe": self._recipe.model_dump(mode="json"),
            "network": self._network.model_dump(mode="json"),
        }
        compute_in(self._model, "float32")  # what was traced stays as it is
        save_model(self._model, manifest, folder)

    @_telling
    def _encoded(self, batches: Iterable[Batch | Encoded], boundary: str) -> Iterator[Encoded]:
        for tensors, labels, mix in self._activations(batches, boundary):
            yield Encoded(tuple(to_array(tensor) for tensor in tensors), labels, boundary, mix)

    @_telling
    def _predicted(self, batches: Iterable[Batch | Encoded]) -> Iterator[NDArray[np.float32]]:
        for boundary, group in groupby(batches, boundary_of):
            boundary = boundary or self._boundary
            tail = self._tail(boundary)
            yield from (tail(*tensors).numpy() for tensors, *_ in self._activations(group, boundary))

    def _tail(self, boundary: str) -> Callable[..., tf.Tensor]:
        """Log-probabilities as the weights are now, from activations, or from pictures where nothing is frozen."""
        if boundary not in self._tails:
            suffix = self._split(boundary).suffix
            assert suffix is not None
            folded = Folded(suffix)
            compute_in(folded.model, self._precision)

            def log_probabilities(*tensors: tf.Tensor) -> tf.Tensor:
                return tf.nn.log_softmax(folded.model(self._given(tensors), training=False))

            self._tails[boundary] = folded, self._compiled(log_probabilities, boundary)
        folded, function = self._tails[boundary]
        folded.refresh()
        return function

    def _given(self, tensors: tuple[tf.Tensor, ...], dtype: tf.DType | None = None) -> Any:
        """What a suffix takes, of activations or of pictures."""
        if tensors[0].dtype == tf.uint8:
            return normalised(tensors[0], self._contract)
        given = [tensor if dtype is None else tf.cast(tensor, dtype) for tensor in tensors]
        return given if len(given) > 1 else given[0]

    def _given_as_float32(self, tensors: tuple[tf.Tensor, ...]) -> Any:
        return self._given(tensors, tf.float32)

    def _compiled_for_training(self, function: Callable[..., Any], before: list[tf.TensorSpec]) -> Callable[..., Any]:
        if self._device == "/CPU:0" and self._precision == "bfloat16":
            train_depthwise_in_float32(self._model)
        else:
            compute_in(self._model, self._precision)
        return self._compiled(function, self._boundary, before)

    def _compiled(
        self, function: Callable[..., Any], boundary: str, before: Iterable[tf.TensorSpec] = ()
    ) -> Callable[..., Any]:
        """Traced here and now, because the layers' precision is read while tracing."""
        parts = self._split(boundary)
        assert parts.suffix is not None
        floats = tf.bfloat16 if self._precision == "bfloat16" else tf.float32
        kind = floats if parts.prefix is not None else tf.uint8
        given = [tf.TensorSpec(tensor.shape, kind) for tensor in parts.suffix.inputs]
        with tf.device(self._device):
            compiled = tf.function(function, input_signature=[*before, *given], jit_compile=False)
            traced = compiled.get_concrete_function()
        return lambda *arrays: traced(*(tf.convert_to_tensor(array) for array in arrays))

    def _activations(
        self, batches: Iterable[Batch | Encoded], boundary: str
    ) -> Iterator[tuple[Tensors, NDArray[np.int64], Mix | None]]:
        """What crosses a boundary, or pictures where nothing is frozen, with labels and mix; in order."""
        return encoded(batches, lambda start: self._way(start, boundary))

    def _way(self, start: str | None, boundary: str) -> Callable[[Iterable[tuple[NDArray[Any], ...]]], Iterable[Tensors]]:
        """From pictures (None) or activations at one boundary to those at another."""
        if start == boundary or self._split(boundary).prefix is None:
            return lambda batches: (tuple(to_tensor(value) for value in values) for values in batches)
        return self._prefix(boundary, start).run

    def _split(self, boundary: str) -> Parts:
        """The network cut at a boundary; not cut where nothing is frozen."""
        if boundary not in self._parts:
            self._parts[boundary] = split(self._model, self._network.split(boundary)[1], self._network)
        return self._parts[boundary]

    def _engines(self) -> str:
        """What computes the frozen part: as seen so far, else what would be tried first."""
        return ", ".join({prefix.engine: None for _, prefix in self._prefixes.values()}) or engine_for(self._device)

    def _prefix(self, boundary: str, start: str | None) -> Prefix:
        """The frozen part as it is now, from pictures (None) or from a lower boundary."""
        known, weights = self._prefixes.get((boundary, start)), self._hash(boundary)
        if known is None or known[0] != weights:
            part = self._split(boundary).prefix
            if start is not None:
                part = split(self._split(start).suffix, self._network.split(boundary)[1], self._network).prefix
            contract = self._contract if start is None else None
            known = weights, Prefix(part, contract, self._precision, self._device)
            self._prefixes[boundary, start] = known
        return known[1]

    def _hash(self, boundary: str) -> str:
        """Of all layers before a boundary: what they are, and their tensors."""
        digest = hashlib.blake2b(digest_size=16)
        for layer in layers_at(self._model, self._network.split(boundary)[0], self._network):
            settings = {name: value for name, value in layer.get_config().items() if name not in ("trainable", "dtype")}
            digest.update(f"{type(layer).__name__} {settings}".encode())
            for weight in layer.weights:
                digest.update(f"{tuple(weight.shape)} {weight.dtype}".encode())
                digest.update(weight.numpy().tobytes())
        return digest.hexdigest()
