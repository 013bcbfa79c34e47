"""TensorFlow behind the port, by Keras."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from unfreeze.backends.tensorflow.batchnorm import MovingVariances
from unfreeze.backends.tensorflow.folding import Folded
from unfreeze.backends.tensorflow.freezing import Parts, freeze
from unfreeze.backends.tensorflow.machine import choose_device, choose_precision, compute_in, name_device
from unfreeze.backends.tensorflow.networks import make_model
from unfreeze.backends.tensorflow.optimizers import PhaseOptimizer
from unfreeze.backends.tensorflow.storage import read_model, save_model
from unfreeze.data.load import Batch
from unfreeze.recipe.network import Network
from unfreeze.recipe.plan import Phase, Precision
from unfreeze.recipe.recipe import Recipe
from unfreeze.training.allocator import keep_freed_memory
from unfreeze.training.backend import EpochResult, LossSettings, Snapshot


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
        contract = network.contract
        self._order = [2, 1, 0] if contract.channel_order == "BGR" else [0, 1, 2]
        self._mean = tf.constant([contract.mean[channel] for channel in self._order], tf.float32)
        self._std = tf.constant([contract.std[channel] for channel in self._order], tf.float32)
        side = model.input_shape[1]
        self._images = tf.TensorSpec([None, side, side, 3], tf.uint8)
        self._optimizer: PhaseOptimizer | None = None
        self._prefix: Folded | None = None
        self._step: Callable[..., tf.Tensor] | None = None
        self._whole: Folded | None = None
        self._log_probabilities: Callable[..., tf.Tensor] | None = None

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
        }

    def start_phase(self, phase: Phase, loss: LossSettings) -> None:
        frozen, trainable = self._network.split(phase.boundary)
        parts = freeze(self._model, frozen, trainable, self._network, freeze_statistics=phase.batchnorm == "frozen")
        with tf.device(self._device):
            self._optimizer = PhaseOptimizer(phase.optimizer, parts.variables, self._optimizer)
        # On a CPU bfloat16 slows the backward pass of many convolutions down; the frozen prefix, which has none, is copied.
        compute_in(self._model, self._precision if self._device != "/CPU:0" else "float32")
        self._prefix = Folded(parts.prefix) if parts.prefix is not None else None
        self._step = self._compile_step(parts, self._prefix, self._optimizer, loss)

    def train_epoch(
        self, batches: Iterable[Batch], rate: Callable[[int], float], on_step: Callable[[int], None]
    ) -> EpochResult:
        if self._optimizer is None or self._step is None:
            raise RuntimeError("start_phase comes before train_epoch")
        if self._prefix is not None:
            self._prefix.refresh()  # weights may have been restored
        # Sums stay on the device: reading them at every step would make a GPU wait.
        sums = tf.zeros(3, tf.float64)
        pictures = 0
        with tf.device(self._device):
            for step, batch in enumerate(batches):
                self._optimizer.set_rate(rate(step))
                sums += self._step(batch.images, batch.labels)
                pictures += len(batch.labels)
                on_step(len(batch.labels))
        objective, loss, right = (sums / max(pictures, 1)).numpy().tolist()
        return EpochResult(objective, loss, right, pictures)

    def predict(self, batches: Iterable[Batch]) -> NDArray[np.float32]:
        outputs = [np.empty((0, len(self._classes)), np.float32)]
        with tf.device(self._device):
            if self._whole is None or self._log_probabilities is None:
                self._whole = Folded(self._model)
                self._log_probabilities = self._compile_predict(self._whole.model)
            self._whole.refresh()
            for batch in batches:
                outputs.append(self._log_probabilities(batch.images).numpy())
        return np.concatenate(outputs)

    def snapshot(self) -> Snapshot:
        return {_name(variable): variable.numpy().copy() for variable in self._model.weights}

    def restore(self, snapshot: Snapshot) -> None:
        for variable in self._model.weights:
            variable.assign(snapshot[_name(variable)])

    def save_model(self, folder: Path) -> None:
        manifest: dict[str, Any] = {
            "classes": list(self._classes),
            "recipe": self._recipe.model_dump(mode="json"),
            "network": self._network.model_dump(mode="json"),
        }
        compute_in(self._model, "float32")  # what was traced stays as it is
        save_model(self._model, manifest, folder)

    def _compile_step(
        self, parts: Parts, frozen: Folded | None, optimizer: PhaseOptimizer, settings: LossSettings
    ) -> Callable[..., tf.Tensor]:
        """One step. Objective and loss, each times the pictures, and how many were named right: float64 [3]."""
        variables = [variable.value for variable in parts.variables]
        statistics = MovingVariances(parts.suffix)
        if frozen is not None:
            compute_in(frozen.model, self._precision)

        def step(images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
            values = self._normalised(images)
            if frozen is not None:
                values = frozen.model(values, training=False)
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(variables)
                if parts.suffix is not None:
                    with statistics.unbiased(tf.shape(images)[0]):
                        values = parts.suffix(values, training=True)
                logits = parts.head(values, training=True)
                losses = _cross_entropy(labels, logits, settings.label_smoothing)
                objective = _weighted_mean(losses, labels, settings.class_weights)
            optimizer.apply(tape.gradient(objective, variables))
            loss = tf.reduce_sum(_cross_entropy(labels, logits, 0.0))
            right = tf.reduce_sum(tf.cast(tf.argmax(logits, axis=1) == labels, tf.float64))
            count = tf.cast(tf.shape(labels)[0], tf.float64)
            return tf.stack([tf.cast(objective, tf.float64) * count, tf.cast(loss, tf.float64), right])

        return self._compiled(step, tf.TensorSpec([None], tf.int64))

    def _compile_predict(self, model: keras.Model) -> Callable[..., tf.Tensor]:
        compute_in(model, self._precision)

        def log_probabilities(images: tf.Tensor) -> tf.Tensor:
            return tf.nn.log_softmax(model(self._normalised(images), training=False))

        return self._compiled(log_probabilities)

    def _compiled(self, function: Callable[..., tf.Tensor], *more: tf.TensorSpec) -> Callable[..., tf.Tensor]:
        """Traced here and now, because the layers' precision is read while tracing."""
        with tf.device(self._device):
            compiled = tf.function(function, input_signature=[self._images, *more], jit_compile=False)
            traced = compiled.get_concrete_function()
        return lambda *arrays: traced(*(tf.convert_to_tensor(array) for array in arrays))

    def _normalised(self, images: tf.Tensor) -> tf.Tensor:
        """uint8 [B, S, S, 3], RGB, to normalised float32 of that shape in the network's channel order."""
        if self._order != [0, 1, 2]:
            images = tf.gather(images, self._order, axis=-1)
        return (tf.cast(images, tf.float32) / 255 - self._mean) / self._std


def _cross_entropy(labels: tf.Tensor, logits: tf.Tensor, smoothing: float) -> tf.Tensor:
    """float32 [B]."""
    targets = tf.one_hot(labels, logits.shape[-1])
    return keras.losses.categorical_crossentropy(targets, logits, from_logits=True, label_smoothing=smoothing)


def _weighted_mean(losses: tf.Tensor, labels: tf.Tensor, class_weights: NDArray[np.float32] | None) -> tf.Tensor:
    # Not Keras's `class_weight=`, which divides by the number of pictures.
    if class_weights is None:
        return tf.reduce_mean(losses)
    weights = tf.gather(tf.constant(class_weights), labels)
    return tf.reduce_sum(losses * weights) / tf.reduce_sum(weights)


def _name(variable: Any) -> str:
    """`blocks.0.conv_pw.kernel`: the layer's name and the variable's."""
    return str(variable.path.replace("/", "."))
