"""Optimisers, statistics, precision, traces and storage of the TensorFlow backend, by value: mostly against PyTorch's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
from torch import nn

from support.rates import everywhere
from unfreeze.backends.tensorflow import load_model, open_network
from unfreeze.backends.tensorflow.backend import TensorFlowBackend
from unfreeze.backends.tensorflow.batchnorm import MovingVariances
from unfreeze.backends.tensorflow.folding import Folded
from unfreeze.backends.tensorflow.freezing import freeze, split
from unfreeze.backends.tensorflow.head import add_head
from unfreeze.backends.tensorflow.optimizers import PhaseOptimizer
from unfreeze.backends.torch.optimizers import PhaseOptimizer as TorchOptimizer
from unfreeze.data.load import Batch
from unfreeze.errors import RecipeError, RunError
from unfreeze.recipe.plan import Phase, PlannedOptimizer
from unfreeze.recipe.read import read_recipe
from unfreeze.recipe.strategies import make_phases
from unfreeze.training.backend import LossSettings

RATES = (0.1, 0.1, 0.01, 0.05, 0.0, 0.05)
SETTINGS = {
    "sgd": {"name": "sgd"},
    "sgd without momentum": {"name": "sgd", "momentum": 0.0},
    "sgd with L2": {"name": "sgd", "l2": 0.3},
    "sgd with L2 and clipping": {"name": "sgd", "l2": 0.3, "clip_norm": 0.5},
    "adam": {"name": "adam"},
    "adam with L2": {"name": "adam", "l2": 0.3},
    "adamw": {"name": "adamw"},
    "adamw with decay": {"name": "adamw", "weight_decay": 0.3, "clip_norm": 1.0},
    "sgd with L2-SP and clipping": {"name": "sgd", "l2": 0.3, "l2_sp": 0.5, "clip_norm": 0.5},
    "adam with L2-SP": {"name": "adam", "l2_sp": 0.5},
    "adamw with L2-SP": {"name": "adamw", "weight_decay": 0.3, "l2_sp": 0.5},
}


def planned(**values: Any) -> PlannedOptimizer:
    return PlannedOptimizer(**{"momentum": 0.9, "weight_decay": 0.0, "l2": 0.0, "clip_norm": None, **values})


def gradients(steps: int = len(RATES)) -> list[tuple[np.ndarray, np.ndarray]]:
    generator = np.random.default_rng(0)
    return [(generator.normal(size=(4, 3)).astype("f4"), generator.normal(size=3).astype("f4")) for _ in range(steps)]


def start() -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(1)
    return generator.normal(size=(4, 3)).astype("f4"), generator.normal(size=3).astype("f4")


def in_torch(settings: PlannedOptimizer) -> tuple[np.ndarray, np.ndarray]:
    layer = nn.Linear(4, 3)
    kernel, bias = start()
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(kernel.T.copy()))
        layer.bias.copy_(torch.from_numpy(bias))
    optimizer = TorchOptimizer(settings, {"stem": [layer.weight], "head": [layer.bias]})
    for rate, (to_kernel, to_bias) in zip(RATES, gradients(), strict=True):
        optimizer.set_rates({"stem": rate, "head": 0.3 * rate})
        layer.weight.grad, layer.bias.grad = torch.from_numpy(to_kernel.T.copy()), torch.from_numpy(to_bias.copy())
        optimizer.apply()
    return layer.weight.detach().numpy().T, layer.bias.detach().numpy()


def variables() -> list[Any]:
    kernel, bias = start()
    return [keras.Variable(kernel, name="kernel"), keras.Variable(bias, name="bias")]


def staged(members: list[Any]) -> dict[str, list[Any]]:
    """The kernel in a stage below the head, the bias in the head."""
    return {"stem": members[:1], "head": members[1:]}


ALIKE = {"stem": 0.1, "head": 0.1}


@pytest.mark.parametrize("name", SETTINGS)
def test_optimisers_take_the_steps_of_pytorch(name: str) -> None:
    settings = planned(**SETTINGS[name])
    kernel, bias = variables()
    optimizer = PhaseOptimizer(settings, {"stem": [kernel], "head": [bias]})
    for rate, (to_kernel, to_bias) in zip(RATES, gradients(), strict=True):
        optimizer.set_rates({"stem": rate, "head": 0.3 * rate})
        optimizer.apply([tf.constant(to_kernel), tf.constant(to_bias)])
    expected = in_torch(settings)
    np.testing.assert_allclose(kernel.numpy(), expected[0], atol=1e-5)
    np.testing.assert_allclose(bias.numpy(), expected[1], atol=1e-5)


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw with decay", "adamw with L2-SP"])
def test_moments_survive_a_phase_by_name(name: str) -> None:
    settings = planned(**SETTINGS[name])
    whole, parted = variables(), variables()
    steps = gradients(4)
    one = PhaseOptimizer(settings, staged(whole))
    other = PhaseOptimizer(settings, staged(parted))
    for number, (to_kernel, to_bias) in enumerate(steps):
        if number == 2:
            other = PhaseOptimizer(settings, staged(parted), other.memory_for(settings))
        for optimizer in (one, other):
            optimizer.set_rates(ALIKE)
            optimizer.apply([tf.constant(to_kernel), tf.constant(to_bias)])
    for a, b in zip(whole, parted, strict=True):
        assert a.numpy().tobytes() == b.numpy().tobytes()


def test_momentum_can_be_switched_on_in_a_later_phase() -> None:
    members = variables()
    without = PhaseOptimizer(planned(name="sgd", momentum=0.0), staged(members))
    without.set_rates(ALIKE)
    without.apply([tf.constant(gradient) for gradient in gradients()[0]])
    before = members[0].numpy()
    optimizer = PhaseOptimizer(planned(name="sgd"), staged(members), without.memory_for(planned(name="sgd")))
    optimizer.set_rates(ALIKE)
    optimizer.apply([tf.constant(gradient) for gradient in gradients()[1]])
    np.testing.assert_allclose(members[0].numpy(), before - 0.1 * gradients()[1][0], atol=1e-6)


def test_another_kind_of_optimiser_starts_afresh() -> None:
    ours, fresh = variables(), variables()
    first = PhaseOptimizer(planned(name="sgd"), staged(ours))
    first.set_rates({"stem": 0.0, "head": 0.0})
    first.apply([tf.constant(gradient) for gradient in gradients()[0]])
    for members, memory in ((ours, first.memory_for(planned(name="adam"))), (fresh, None)):
        optimizer = PhaseOptimizer(planned(name="adam"), staged(members), memory)
        optimizer.set_rates(ALIKE)
        optimizer.apply([tf.constant(gradient) for gradient in gradients()[1]])
    assert ours[0].numpy().tobytes() == fresh[0].numpy().tobytes()


def test_a_variable_that_joins_counts_its_own_steps() -> None:
    kernel, bias = variables()
    settings = planned(name="adam")
    head = PhaseOptimizer(settings, {"head": [bias]})
    for _, to_bias in gradients():
        head.set_rates(ALIKE)
        head.apply([tf.constant(to_bias)])
    before = kernel.numpy()
    both = PhaseOptimizer(settings, staged([kernel, bias]), head.memory_for(settings))
    both.set_rates(ALIKE)
    both.apply([tf.constant(gradient) for gradient in gradients()[0]])
    # Adam's first step is as long as the rate.
    np.testing.assert_allclose(np.abs(kernel.numpy() - before), 0.1, rtol=1e-4)


def test_moving_statistics_move_as_in_pytorch() -> None:
    images = np.random.default_rng(0).normal(2, 3, (4, 3, 3, 5)).astype("f4")
    theirs = nn.BatchNorm2d(5, momentum=0.1)
    theirs(torch.from_numpy(images.transpose(0, 3, 1, 2).copy()))
    inputs = keras.Input((3, 3, 5))
    ours = keras.layers.BatchNormalization(momentum=0.9)
    model = keras.Model(inputs, ours(inputs))
    with MovingVariances(model).unbiased(tf.constant(4)):
        model(images, training=True)
    np.testing.assert_allclose(ours.moving_mean.numpy(), theirs.running_mean.numpy(), rtol=1e-5)
    np.testing.assert_allclose(ours.moving_variance.numpy(), theirs.running_var.numpy(), rtol=1e-5)


def opened(**changes: Any) -> tuple[TensorFlowBackend, tuple[Phase, ...]]:
    recipe = read_recipe(
        None,
        {
            "framework": "tensorflow",
            "model": "MobileNetV2",
            "weights": "none",
            "input.side_px": 32,
            "precision": "float32",
            **changes,
        },
    )
    backend = open_network(recipe, ("a", "b", "c"))
    return backend, make_phases(backend.network, recipe)


def batches(count: int = 8, size: int = 4) -> Iterator[Batch]:
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
    for first in range(0, count, size):
        yield Batch(images[first : first + size], (np.arange(first, min(first + size, count)) % 3).astype(np.int64))


@pytest.mark.parametrize("boundary", ["stage1", "stage3", "head", "stem", "block_13_expand", "block_13_project"])
def test_the_parts_make_the_whole_at_any_boundary(boundary: str) -> None:
    """Also inside a residual block, where two tensors cross."""
    backend, _ = opened()
    frozen, trainable = backend.network.split(boundary)
    variables = freeze(backend._model, frozen, trainable, backend.network, freeze_statistics=False)
    parts = split(backend._model, trainable, backend.network)
    images = np.random.default_rng(0).normal(size=(2, 32, 32, 3)).astype("f4")
    values = images
    for part in (parts.prefix, parts.suffix):
        values = part(values, training=False) if part is not None else values
    assert np.asarray(values).tobytes() == np.asarray(backend._model(images, training=False)).tobytes()
    assert parts.suffix is not None
    assert {id(weight) for weight in variables} == {id(weight) for weight in backend._model.trainable_weights}
    assert {id(weight) for weight in variables} == {id(weight) for weight in parts.suffix.trainable_weights}
    assert parts.prefix is None or not parts.prefix.trainable_weights


def test_one_trace_a_phase_for_training_and_one_for_predictions(monkeypatch: pytest.MonkeyPatch) -> None:
    traces: list[str] = []
    whole = TensorFlowBackend._given

    def counted(backend: TensorFlowBackend, tensors: Any, *more: Any) -> Any:
        traces.append(str(tensors))  # runs while tracing only
        return whole(backend, tensors, *more)

    monkeypatch.setattr(TensorFlowBackend, "_given", counted)
    backend, phases = opened(strategy="fine-tune-top")
    for phase in phases:
        backend.start_phase(phase, LossSettings())
        for size in (4, 3):
            backend.train_epoch(batches(size=size), everywhere(1e-3), lambda _: None)
            backend.predict(batches(size=size))
    assert len(traces) == 2 * len(phases)


def test_dense_layers_compute_in_bfloat16_and_depthwise_ones_that_train_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    backend, phases = opened(precision="bfloat16")
    seen: dict[str, str] = {}
    whole = keras.layers.Layer.__call__

    def noted(layer: Any, *values: Any, **options: Any) -> Any:
        outputs = whole(layer, *values, **options)
        if hasattr(outputs, "dtype"):
            seen[layer.name] = outputs.dtype.name if hasattr(outputs.dtype, "name") else str(outputs.dtype)
        return outputs

    monkeypatch.setattr(keras.layers.Layer, "__call__", noted)
    seen.clear()
    backend.start_phase(phases[-1], LossSettings())  # which traces the part that trains
    kinds = {layer.name: type(layer) for layer in backend._model.layers}
    _, trainable = backend.network.split(phases[-1].boundary)
    dense = {layer.path for layer in trainable if kinds[layer.path] is keras.layers.Conv2D}
    assert dense
    assert {seen[path] for path in dense} == {"bfloat16"}
    assert {seen[layer.path] for layer in trainable if layer.path not in dense} == {"float32"}
    seen.clear()
    backend.train_epoch(batches(), everywhere(1e-3), lambda _: None)  # which traces the frozen part
    frozen = {layer.path for layer in backend.network.split(phases[-1].boundary)[0]}
    assert {seen[path] for path in frozen if path in seen} == {"bfloat16"}
    assert all(weight.dtype == "float32" for weight in backend._model.weights)


def publish_normalisation(model: keras.Model) -> None:
    """Those of ImageNet, which EfficientNet's weights bring along inside the model."""
    layer = model.get_layer("normalization")
    layer.set_weights([np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225]) ** 2, np.array(0)])
    layer.finalize_state()


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", ["EfficientNetB0", "ResNet50V2"])
def test_a_network_of_keras_applications_keeps_its_frozen_bytes_and_predicts_the_same_once_saved(
    name: str, precision: str, tmp_path: Path
) -> None:
    backend, phases = opened(
        model=name, precision=precision, strategy="fine-tune-top", **{"unfreeze.stages": 1, "unfreeze.batchnorm": "update"}
    )
    if name == "EfficientNetB0":
        publish_normalisation(backend._model)
    before = backend.snapshot()
    for phase in phases:
        backend.start_phase(phase, LossSettings())
        backend.train_epoch(batches(), everywhere(1e-3), lambda _: None)
    after = backend.snapshot()
    frozen = {layer.path for layer in backend.network.split(phases[-1].boundary)[0]}
    moved = {name.rpartition(".")[0] for name in before if before[name].tobytes() != after[name].tobytes()}
    assert moved
    assert not moved & frozen
    backend.finish()
    logs = backend.predict(batches())
    backend.save_model(tmp_path / "model")
    assert load_model(tmp_path / "model", "auto", precision).predict(batches()).tobytes() == logs.tobytes()
    plain = keras.models.load_model(tmp_path / "model" / "model.keras")
    contract = backend.network.contract
    images = (np.concatenate([batch.images for batch in batches()]) / 255 - contract.mean) / contract.std
    np.testing.assert_allclose(np.exp(logs), keras.ops.softmax(plain(images)), atol=1e-4 if precision == "float32" else 0.1)


@pytest.mark.parametrize("name", ["MobileNetV2", "DenseNet121", "InceptionV3", "ConvNeXtTiny", "EfficientNetB0"])
def test_a_folded_copy_computes_the_same(name: str) -> None:
    side = 96 if name == "InceptionV3" else 64
    model = opened(model=name, **{"input.side_px": side})[0]._model
    generator = np.random.default_rng(0)
    for weight in model.weights:
        if "moving" in weight.name or weight.name in ("gamma", "beta"):  # an untouched norm folds to nothing
            weight.assign(generator.uniform(0.5, 1.5, weight.shape))
    if name == "EfficientNetB0":
        publish_normalisation(model)
    folded = Folded(model)
    folded.refresh()
    images = generator.normal(size=(2, side, side, 3)).astype("f4")
    expected = np.asarray(model(images, training=False))
    np.testing.assert_allclose(folded.model(images, training=False), expected, atol=1e-4 * np.abs(expected).max())
    left = [layer.name for layer in folded.model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    # DenseNet's come before the convolutions, after a concatenation.
    assert (left == []) == (name != "DenseNet121")


def test_a_model_saved_while_training_holds_float32_layers(tmp_path: Path) -> None:
    backend, phases = opened(precision="bfloat16")
    backend.start_phase(phases[-1], LossSettings())
    backend.save_model(tmp_path / "model")
    plain = keras.models.load_model(tmp_path / "model" / "model.keras")  # as anyone would, without unfreeze
    assert {layer.dtype_policy.name for layer in plain.layers} == {"float32"}
    images = np.concatenate([batch.images for batch in batches()])
    logs = load_model(tmp_path / "model", "auto", "float32").predict(batches())
    np.testing.assert_allclose(keras.ops.log_softmax(plain(images / 127.5 - 1)), logs, atol=1e-5)


def test_no_gpu_is_a_clear_error() -> None:
    if tf.config.list_physical_devices("GPU"):
        pytest.skip("there is a GPU")
    with pytest.raises(RecipeError, match="TensorFlow finds no CUDA GPU"):
        opened(device="cuda")


@pytest.mark.parametrize("damage", ["missing", "cut", "manifest", "format", "classes"])
def test_a_damaged_model_is_a_clear_error(tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "model"
    opened()[0].save_model(folder)
    file, manifest = folder / "model.keras", folder / "manifest.json"
    if damage == "missing":
        file.unlink()
    elif damage == "cut":
        file.write_bytes(file.read_bytes()[:10_000])
    elif damage == "manifest":
        manifest.write_text("{", encoding="utf-8")
    else:
        values = json.loads(manifest.read_text(encoding="utf-8"))
        values |= {"format": 99} if damage == "format" else {"classes": ["only one"]}
        manifest.write_text(json.dumps(values), encoding="utf-8")
    with pytest.raises(RunError, match=r"model\.keras|manifest\.json"):
        load_model(folder)


def test_the_head_starts_alike_in_both_frameworks() -> None:
    from unfreeze.backends.torch.head import NewHead
    from unfreeze.recipe.recipe import Head

    settings = Head(hidden=(5,), dropout=0.3)
    theirs = NewHead(7, 3, settings, seed=4)
    inputs = keras.Input((7,))
    ours = add_head(keras.Model(inputs, keras.layers.Identity()(inputs)), 3, settings, seed=4)
    values = np.random.default_rng(0).normal(size=(6, 7)).astype("f4")
    with torch.no_grad():
        expected = theirs.eval()(torch.from_numpy(values)).numpy()
    np.testing.assert_allclose(ours(values, training=False), expected, atol=1e-6)
    assert [layer.name for layer in ours.layers if layer.weights] == ["new_head.hidden1", "new_head.output"]
