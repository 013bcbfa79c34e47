"""The frozen part of a network in TensorFlow as a thing of its own, by value."""

# PyTorch first: the other way round the process aborts.
from unfreeze.backends import torch as torch_backend  # noqa: F401, I001

import importlib.util
from functools import cache
from typing import Any

import keras
import numpy as np
import pytest
from numpy.typing import NDArray
from support.photographs import photographs

from unfreeze.backends.tensorflow.freezing import Parts, split
from unfreeze.backends.tensorflow.networks import make_model
from unfreeze.backends.tensorflow.prefix import Prefix, normalised, to_array
from unfreeze.recipe.network import Network
from unfreeze.recipe.plan import Precision
from unfreeze.recipe.read import read_recipe

SIDE_PX = 64
engine_only = pytest.mark.skipif(importlib.util.find_spec("openvino") is None, reason="OpenVINO isn't installed")


@cache
def made() -> tuple[keras.Model, Network]:
    """A network in which nothing that goes wrong stays hidden."""
    recipe = read_recipe(None, {"model": "MobileNetV2", "weights": "none", "input.side_px": SIDE_PX, "framework": "tensorflow"})
    model, network = make_model(recipe, 2)
    generator = np.random.default_rng(0)
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.moving_mean.assign(generator.normal(0, 0.1, layer.moving_mean.shape))
            layer.moving_variance.assign(generator.uniform(0.5, 1.5, layer.moving_variance.shape))
    return model, network


def pictures(count: int = 3) -> NDArray[np.uint8]:
    """uint8 [count, SIDE_PX, SIDE_PX, 3], of photographs."""
    return (photographs(SIDE_PX, (0, 0, 0), (1, 1, 1))[:count] * 255).round().clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("engine", ["off", pytest.param("on", marks=engine_only)])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_prefix_gives_the_values_of_the_network(precision: Precision, engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNFREEZE_ENGINE", engine)
    model, network = made()
    low, middle = _parts(model, network)
    assert low.prefix is not None and middle.prefix is not None
    expected = _values(low.prefix, normalised(pictures(), network.contract))

    assert len(expected) == 2

    first = Prefix(low.prefix, network.contract, precision, "/CPU:0")
    given = first((pictures(),))
    _assert_close(given, expected, precision)
    second = Prefix(middle.prefix, None, precision, "/CPU:0")
    _assert_close(second(tuple(map(to_array, given))), _values(middle.prefix, expected), precision)
    assert first.engine.startswith("OpenVINO" if engine == "on" else "TensorFlow")
    assert second.engine == first.engine
    in_order = [tensors[-1] for tensors in first.run((pictures()[n : n + 1],) for n in range(3))]
    _assert_close([keras.ops.concatenate(in_order)], [given[-1]], precision)


def _parts(model: keras.Model, network: Network) -> tuple[Parts, Parts]:
    """From pictures to a boundary inside a residual block, where two tensors cross, and from there to a later one."""
    low = split(model, network.split("block_2_depthwise")[1], network)
    assert low.suffix is not None
    return low, split(low.suffix, network.split("block_5_project")[1], network)


def _values(part: keras.Model, inputs: Any) -> list[Any]:
    results = part(inputs if not isinstance(inputs, list) or len(inputs) > 1 else inputs[0], training=False)
    return list(results) if isinstance(results, (list, tuple)) else [results]


def _assert_close(given: Any, expected: list[Any], precision: Precision) -> None:
    assert len(given) == len(expected)
    for ours, theirs in zip(given, expected, strict=True):
        assert keras.backend.standardize_dtype(ours.dtype) == precision
        one, other = (np.asarray(keras.ops.cast(values, "float32")) for values in (ours, theirs))
        assert one.shape == other.shape
        assert np.abs(one - other).max() / np.abs(other).max() < (5e-2 if precision == "bfloat16" else 1e-4)
