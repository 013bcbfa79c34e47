"""Stochastic depth in TensorFlow: the rates and places of PyTorch's, on in blocks that train, and kept apart in the cache."""

# PyTorch first: the other way round the process aborts.
from unfreeze.backends import torch as torch_backend  # noqa: F401, I001

from functools import cache
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from keras.src.applications.convnext import ConvNeXt  # Keras offers only the large ones
from numpy.typing import NDArray

from unfreeze.backends.tensorflow import carried, networks
from unfreeze.backends.tensorflow.build import build
from unfreeze.backends.tensorflow.freezing import split
from unfreeze.backends.tensorflow.head import add_head
from unfreeze.backends.tensorflow.keras_file import read_keras, write_keras
from unfreeze.backends.tensorflow.stochastic_depth import drop, drops, seed, set_rate
from unfreeze.backends.tensorflow.tensors import timm_tensors
from unfreeze.backends.torch.networks import open_base
from unfreeze.backends.torch.stages import stages_of
from unfreeze.backends.torch.stochastic_depth import rates
from unfreeze.backends.torch.translation import translate
from unfreeze.errors import RecipeError
from unfreeze.exchange.graph import Graph
from unfreeze.recipe.network import Layer
from unfreeze.recipe.recipe import Head, Input, Recipe

RATE, SIDE_PX = 0.4, 64


@cache
def carried_over(model: str, rate: float = RATE) -> tuple[Graph, dict[str, float], tuple[Layer, ...]]:
    """A network's graph, with PyTorch's rates and its layers in forward order."""
    base = open_base(model, "none", rate).base
    layers = tuple(layer for stage in stages_of(base) for layer in stage.layers)
    return translate(base, SIDE_PX, model), rates(base), layers


def images() -> NDArray[np.float32]:
    return np.random.default_rng(0).uniform(0, 1, (8, SIDE_PX, SIDE_PX, 3)).astype(np.float32)


@pytest.mark.parametrize("model", ["test_resnet", "convnext_atto", "mobilenetv3_small_050"])
def test_a_carried_over_network_leaves_out_the_same_blocks_at_the_same_rates(model: str) -> None:
    graph, expected, _ = carried_over(model)
    assert {layer.name: layer.rate for layer in drops(build(graph))} == expected
    without = carried_over(model, 0.0)[0]
    sources = {node.name: node.inputs[0] for node in graph.nodes if node.op == "drop_path"}
    bypassed = tuple(
        node.model_copy(update={"inputs": tuple(sources.get(name, name) for name in node.inputs)})
        for node in graph.nodes
        if node.op != "drop_path"
    )
    assert bypassed == without.nodes  # it is the same network but for that
    assert all(node.op == "add" for node in graph.nodes if set(node.inputs) & set(sources))


def test_a_picture_is_left_out_whole_and_the_others_make_up_for_it() -> None:
    keras.utils.set_random_seed(0)
    given = np.ones((2000, 3, 3, 2), np.float32)
    values = np.asarray(drop(0.25, 4, "drop")(given, training=True))
    assert set(np.unique(values.reshape(2000, -1), axis=0).ravel().tolist()) == {0.0, np.float32(1 / 0.75)}
    assert all(len(np.unique(picture)) == 1 for picture in values)
    assert values.mean() == pytest.approx(1, abs=0.05)  # of 2000 draws, 4 standard errors
    np.testing.assert_array_equal(drop(0.25, 4, "off")(given, training=False), given)


@pytest.mark.parametrize(
    ("first", "left_out"),
    [
        ("layer4.0.conv1", {"layer4.0.drop_path"}),
        ("layer4.0.downsample.1", {"layer4.0.drop_path"}),  # the shortcut of a block trains: the block as a whole does
        ("layer3.0.conv1", {"layer3.0.drop_path", "layer4.0.drop_path"}),
    ],
)
def test_only_blocks_that_train_are_left_out(first: str, left_out: set[str]) -> None:
    keras.utils.set_random_seed(0)
    graph, _, layers = carried_over("test_resnet")
    base = build(graph)
    model = add_head(base, 2, Head(dropout=0.0), 0)
    start = next(place for place, layer in enumerate(layers) if layer.path == first)
    parts = split(model, layers[start:], SimpleNamespace(layers=layers))  # type: ignore[arg-type]
    assert parts.prefix is not None and parts.suffix is not None
    assert {layer.name for layer in drops(parts.suffix)} == left_out
    crossing = parts.prefix(images(), training=False)
    assert not np.array_equal(parts.suffix(crossing, training=True), parts.suffix(crossing, training=True))
    np.testing.assert_allclose(parts.suffix(crossing, training=False), model(images(), training=False), rtol=1e-5, atol=1e-6)


def test_a_saved_network_has_the_same_places_weights_and_predictions(tmp_path: Path) -> None:
    base = build(carried_over("test_resnet")[0])
    write_keras(base, tmp_path / "saved.keras")
    read = read_keras(tmp_path / "saved.keras")
    assert [(layer.name, layer.rate) for layer in drops(read)] == [(layer.name, layer.rate) for layer in drops(base)]
    np.testing.assert_array_equal(read(images(), training=False), base(images(), training=False))
    assert timm_tensors(read).keys() == timm_tensors(build(carried_over("test_resnet", 0.0)[0])).keys()


def test_the_seed_decides_what_is_left_out() -> None:
    base = build(carried_over("test_resnet")[0])

    def trained_with(number: int) -> NDArray[np.float32]:
        seed(base, number)
        return np.asarray(base(images(), training=True))

    first = trained_with(1)
    assert np.array_equal(trained_with(1), first)
    assert not np.array_equal(trained_with(2), first)


def test_networks_with_and_without_it_are_kept_apart() -> None:
    def kept(**changes: float) -> str:
        return carried._kept_file(Recipe(model="test_resnet", weights="none", **changes)).name  # type: ignore[arg-type]

    assert kept() == kept(stochastic_depth=0.0)
    assert len({kept(), kept(stochastic_depth=0.1), kept(stochastic_depth=0.2)}) == 3


def test_an_efficientnet_of_keras_has_the_rates_that_are_asked_for() -> None:
    def made(rate: float) -> list[float]:
        recipe = Recipe(
            framework="tensorflow", model="EfficientNetB0", weights="none", stochastic_depth=rate, input=Input(side_px=32)
        )
        return [layer.rate for layer in drops(networks.make_model(recipe, 2)[0])]

    assert made(0.0) == [0.0] * 9  # Keras's own would be up to 0.175
    np.testing.assert_allclose(made(RATE), [RATE * block / 16 for block in (2, 4, 6, 7, 9, 10, 12, 13, 14)])


def test_a_convnext_of_keras_has_the_rates_that_are_asked_for() -> None:
    options = {"include_top": False, "weights": None, "input_shape": (32, 32, 3), "pooling": "avg"}
    base = ConvNeXt((1, 2, 1, 1), (4, 4, 8, 8), name="convnext", **options)
    assert set_rate(base, 0.0) is base
    made = set_rate(base, RATE)
    np.testing.assert_allclose([layer.rate for layer in drops(made)], np.linspace(0, RATE, 5)[1:])
    pictures = images()[:, :32, :32] * 255
    np.testing.assert_allclose(made(pictures, training=False), base(pictures, training=False), rtol=1e-5, atol=1e-6)
    assert [layer.name for layer in made.layers[1:]] == [layer.name for layer in base.layers[1:]]  # but for the input's


def test_a_network_of_keras_without_it_is_refused_before_any_picture_is_read() -> None:
    with pytest.raises(RecipeError, match=r"stochastic_depth: 0\.1 .* ResNet50 has no place .* Give stochastic_depth: 0, or a"):
        networks.check(Recipe(framework="tensorflow", model="ResNet50", weights="none", stochastic_depth=0.1))
