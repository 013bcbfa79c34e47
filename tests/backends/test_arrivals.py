"""What arrives at normalisation layers: the same in both frameworks, on networks of a person's own, changing nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
from numpy.typing import NDArray
from torch import nn

import unfreeze
from support.photographs import photographs
from unfreeze.backends.tensorflow.inputs import arrivals as arrivals_in_keras
from unfreeze.backends.torch.bundled import ARCHITECTURE, load_into
from unfreeze.backends.torch.inputs import arrivals as arrivals_in_torch
from unfreeze.backends.torch.networks import create_base
from unfreeze.errors import DataError, ModelError
from unfreeze.inspection.conventions import EXPECTED

SIDE_PX, SMALL_PX = 160, 48
CONVENTIONS = {convention.name: convention for convention in EXPECTED}


class InTorch(nn.Module):
    """Two normalisations, the first inside a module of its own, the second used twice; dropout, to see the mode."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.9))
        self.norm = nn.BatchNorm2d(4)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.norm(2 * self.norm(self.stem(images)))


class _OnlySide32(nn.Module):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        assert images.shape[-1] == 32, "only 32 pixels"
        return images


class InKeras(keras.Model):
    """The same, as a class with a model inside."""

    def __init__(self, twin: InTorch) -> None:
        super().__init__()
        layers = keras.layers
        self.stem = keras.Sequential(
            [
                layers.Input((None, None, 3)),
                layers.Conv2D(4, 3),
                layers.BatchNormalization(),
                layers.ReLU(),
                layers.Dropout(0.9),
            ]
        )
        self.norm = layers.BatchNormalization(epsilon=twin.norm.eps)
        self.stem.layers[1].epsilon = twin.stem[1].eps
        self(np.zeros((1, 8, 8, 3), np.float32))
        convolution = [twin.stem[0].weight.permute(2, 3, 1, 0), twin.stem[0].bias]
        self.stem.layers[0].set_weights([_array(tensor) for tensor in convolution])
        for here, there in ((self.stem.layers[1], twin.stem[1]), (self.norm, twin.norm)):
            here.set_weights([_array(getattr(there, name)) for name in ("weight", "bias", "running_mean", "running_var")])

    def call(self, images: Any, training: bool = False) -> Any:
        return self.norm(2 * self.norm(self.stem(images, training=training), training=training), training=training)


@pytest.fixture
def in_torch() -> InTorch:
    torch.manual_seed(0)
    model = InTorch().train()
    model(torch.rand(8, 3, 8, 8))  # gives the statistics a value
    return model


@pytest.fixture
def batches() -> list[NDArray[np.float32]]:
    generator = np.random.default_rng(0)
    return [generator.random((count, 8, 8, 3), dtype=np.float32) for count in (5, 2)]


@pytest.fixture(scope="module")
def bundled() -> nn.Module:
    base = create_base(ARCHITECTURE)
    load_into(base)
    return base


def test_both_frameworks_see_the_same(in_torch: InTorch, batches: list[NDArray[np.float32]]) -> None:
    here = arrivals_in_torch(in_torch, [torch.from_numpy(batch).permute(0, 3, 1, 2) for batch in batches])
    there = arrivals_in_keras(InKeras(in_torch), batches)
    assert [layer.layer for layer in here] == ["stem.1", "norm"]
    assert len(there) == 2
    features = in_torch.stem[0](torch.from_numpy(np.concatenate(batches)).permute(0, 3, 1, 2))
    np.testing.assert_allclose(here[0].mean, _array(features.mean((0, 2, 3))), rtol=1e-5)
    np.testing.assert_allclose(here[0].variance, _array(features.var((0, 2, 3), correction=0)), rtol=1e-5)
    for one, other in zip(here, there, strict=True):
        for name in ("mean", "variance", "remembered_mean", "remembered_variance"):
            np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-4, atol=1e-6)


def test_after_the_first_layer_no_more_is_computed(in_torch: InTorch, batches: list[NDArray[np.float32]]) -> None:
    in_torch.norm.forward = None  # type: ignore[method-assign, assignment]  # whoever calls it fails
    tensors = [torch.from_numpy(batch).permute(0, 3, 1, 2) for batch in batches]
    assert [layer.layer for layer in arrivals_in_torch(in_torch, tensors, first_only=True)] == ["stem.1"]
    assert len(arrivals_in_keras(InKeras(InTorch()), batches, first_only=True)) == 1


def test_looking_changes_nothing_in_torch(in_torch: InTorch, batches: list[NDArray[np.float32]]) -> None:
    in_torch.norm.eval()
    before = {name: tensor.clone() for name, tensor in in_torch.state_dict().items()}
    modes = [module.training for module in in_torch.modules()]
    unfreeze.torch.check_inputs(in_torch, [torch.from_numpy(batches[0]).permute(0, 3, 1, 2)])
    assert all(torch.equal(before[name], tensor) for name, tensor in in_torch.state_dict().items())
    assert [module.training for module in in_torch.modules()] == modes
    assert not any(module._forward_pre_hooks for module in in_torch.modules())
    assert all(parameter.grad is None for parameter in in_torch.parameters())


def test_a_module_that_merges_its_weights_in_eval_is_not_asked_to(in_torch: InTorch) -> None:
    class Merging(nn.Linear):  # as loralib's layers
        def train(self, mode: bool = True) -> Merging:
            self.weight.data += 1 if self.training and not mode else 0
            return super().train(mode)

    model = nn.Sequential(in_torch, nn.Flatten(), Merging(4 * 6 * 6, 2)).train()
    before = model[2].weight.detach().clone()
    unfreeze.torch.check_inputs(model, [torch.rand(8, 3, 8, 8)])
    assert (torch.equal(model[2].weight, before), model[2].training) == (True, True)


def test_the_network_is_given_no_larger_batches_than_the_loader_gives() -> None:
    seen = []

    class Counting(InTorch):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            seen.append(len(images))
            return super().forward(images)

    unfreeze.torch.check_inputs(Counting(), _loader(np.random.rand(32, 8, 8, 3)))
    assert max(seen) == 3


def test_looking_changes_nothing_in_keras(in_torch: InTorch, batches: list[NDArray[np.float32]]) -> None:
    model = InKeras(in_torch)
    before = [weight.numpy().copy() for weight in model.weights]
    unfreeze.keras.check_inputs(model, [(batches[0], None)])
    assert all(np.array_equal(one, weight.numpy()) for one, weight in zip(before, model.weights, strict=True))
    assert "call" not in vars(model.norm)
    own = model.norm.call = lambda values, training=False: values
    unfreeze.keras.check_inputs(model, [(batches[0], None)])
    assert vars(model.norm)["call"] is own


def test_a_keras_model_whose_call_is_a_tf_function_is_heard_too(in_torch: InTorch, batches: list[NDArray[np.float32]]) -> None:
    plain = InKeras(in_torch)

    class Compiled(keras.Model):
        @tf.function
        def call(self, images: Any) -> Any:
            return plain(images)

    compiled = Compiled()
    compiled.inner = plain
    compiled(batches[0])  # traced before
    for one, other in zip(arrivals_in_keras(compiled, batches), arrivals_in_keras(plain, batches), strict=True):
        np.testing.assert_allclose(one.mean, other.mean, rtol=1e-6)
    assert not tf.config.functions_run_eagerly()


def test_a_keras_failure_gives_its_reason_and_not_kerass_header(in_torch: InTorch, batches: list[NDArray[np.float32]]) -> None:
    class Failing(keras.Model):
        def call(self, images: Any) -> Any:
            return images.pixels

    with pytest.raises(ModelError, match=r"5 × 8 × 8 × 3: .*has no attribute 'pixels'$"):
        arrivals_in_keras(Failing(), batches)


@pytest.mark.parametrize("received", CONVENTIONS)
def test_on_the_bundled_network_planted_mistakes_are_named(bundled: nn.Module, received: str) -> None:
    raw = photographs(SIDE_PX, (0, 0, 0), (1, 1, 1)).clip(0, 1)
    found = unfreeze.torch.check_inputs(bundled, _loader(CONVENTIONS[received].applied(raw)))
    assert (found.details["received"], found.details["expected"]) == (received, "-1-1")
    assert found.code == ("inputs-fit" if received == "-1-1" else "inputs-mismatch")


def test_on_the_bundled_network_swapped_channels_are_named(bundled: nn.Module) -> None:
    meant = photographs(224, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)).clip(-1, 1)
    assert unfreeze.torch.check_inputs(bundled, _loader(meant)).details["order"] == "fits"
    assert unfreeze.torch.check_inputs(bundled, _loader(meant[..., ::-1])).details["mistake"] == "channels-swapped"


def test_on_the_bundled_network_small_pictures_are_named(bundled: nn.Module) -> None:
    small = photographs(SMALL_PX, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)).clip(-1, 1)
    assert unfreeze.torch.check_inputs(bundled, _loader(small)).details["mistake"] == "too-small"


def test_a_network_without_batchnorm_cannot_tell() -> None:
    with_layer_norm = nn.Sequential(nn.Conv2d(3, 4, 4, 4), nn.GroupNorm(1, 4))
    found = unfreeze.torch.check_inputs(with_layer_norm, _loader(np.random.rand(4, 8, 8, 3)))
    assert (found.code, found.explanation[:29]) == ("inputs-unknown", "can't tell: the network has n")


def test_axes_in_the_other_order_are_named(in_torch: InTorch) -> None:
    last, first = np.zeros((4, 8, 8, 3), np.float32), np.zeros((4, 3, 8, 8), np.float32)
    found = unfreeze.torch.check_inputs(in_torch, [last])
    assert (found.details["mistake"], "4 × 8 × 8 × 3" in found.explanation) == ("layout", True)
    assert unfreeze.keras.check_inputs(InKeras(in_torch), [first]).details["mistake"] == "layout"


@pytest.mark.parametrize(
    ("batches", "words"),
    [
        ([], "there is none in it"),
        ([np.zeros((4, 1, 8, 8))], "received 4 × 1 × 8 × 8"),
        ([np.zeros((3, 8, 8))], "received 3 × 8 × 8"),
        ([np.full((4, 3, 8, 8), np.nan)], "aren't finite"),
        ([np.zeros((0, 3, 8, 8))], "received 0 × 3 × 8 × 8"),
        ([[]], "no batches of pictures: list index out of range"),
        ([{"label": [1, 2]}], "received 0"),
        ("photos/", "the loader fails"),
        ([([torch.zeros(4, 3, 8, 8)] * 2, torch.zeros(4))], "the loader fails"),
        (5, "'int' object is not iterable"),
    ],
)
def test_what_is_no_batch_of_pictures_is_refused(in_torch: InTorch, batches: list[Any], words: str) -> None:
    with pytest.raises(DataError, match=words):
        unfreeze.torch.check_inputs(in_torch, batches)


def test_a_batch_may_be_a_dictionary(in_torch: InTorch, batches: list[NDArray[np.float32]]) -> None:
    images = torch.from_numpy(batches[0]).permute(0, 3, 1, 2)
    found = unfreeze.torch.check_inputs(in_torch, [{"label": torch.zeros(5), "pixel_values": images}])
    assert found == unfreeze.torch.check_inputs(in_torch, [images])


def test_no_pictures_are_refused(in_torch: InTorch) -> None:
    with pytest.raises(DataError, match="pictures: 0 won't do"):
        unfreeze.torch.check_inputs(in_torch, [torch.zeros(4, 3, 8, 8)], pictures=0)


def test_what_is_no_model_or_fails_is_refused(in_torch: InTorch) -> None:
    with pytest.raises(ModelError, match=r"a torch.nn.Module is needed, received str"):
        unfreeze.torch.check_inputs("resnet50", [])
    with pytest.raises(ModelError, match="doesn't take pictures 4 × 3 × 2 × 2"):
        unfreeze.torch.check_inputs(in_torch, [np.random.rand(4, 3, 2, 2)])
    with pytest.raises(ModelError, match="give the model it was made from"):
        unfreeze.torch.check_inputs(nn.Sequential(torch.jit.ScriptModule()), [])
    with pytest.raises(ModelError, match="4 × 3 × 8 × 8: only 32 pixels"):
        unfreeze.torch.check_inputs(nn.Sequential(_OnlySide32()), [np.random.rand(4, 3, 8, 8)])
    with pytest.raises(ModelError, match=r"a keras.Model is needed"):
        unfreeze.keras.check_inputs(in_torch, [])


def _loader(values: NDArray[Any]) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    tensor = torch.from_numpy(np.ascontiguousarray(values, np.float32)).permute(0, 3, 1, 2)
    for start in range(0, len(tensor), 3):
        yield tensor[start : start + 3], torch.zeros(3)


def _array(tensor: torch.Tensor) -> NDArray[np.float32]:
    array: NDArray[np.float32] = tensor.detach().numpy()
    return array
