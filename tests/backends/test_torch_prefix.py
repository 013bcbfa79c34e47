"""The network cut at any boundary, and its frozen part as a thing of its own, by value."""

from __future__ import annotations

import importlib.util
import random
from functools import cache

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, fx, nn
from torch.nn import functional

from support.checkpoints import randomise_vectors, take_statistics
from support.photographs import photographs
from unfreeze.backends.torch.folding import folded
from unfreeze.backends.torch.freezing import Parts, freeze, set_training_mode, split
from unfreeze.backends.torch.head import FineTuned, NewHead, feature_count
from unfreeze.backends.torch.networks import create_base
from unfreeze.backends.torch.prefix import Prefix, normalised, to_array, to_tensor
from unfreeze.backends.torch.stages import stages_of
from unfreeze.backends.torch.tracing import trace
from unfreeze.recipe.network import InputContract, Layer
from unfreeze.recipe.plan import Precision
from unfreeze.recipe.recipe import Head

SIDE_PX = 64
CONTRACT = InputContract(side_px=SIDE_PX)
CPU = torch.device("cpu")
# With one tensor at every stage's boundary, with several, with weights in blocks themselves, with activations in place.
FAMILIES = ("resnet18", "mobilenetv3_small_050", "densenet121", "convnext_atto", "hrnet_w18_small")
engine_only = pytest.mark.skipif(importlib.util.find_spec("openvino") is None, reason="OpenVINO isn't installed")


@cache
def made(architecture: str) -> tuple[nn.Module, fx.GraphModule, tuple[Layer, ...]]:
    """A network in inference mode in which nothing that goes wrong stays hidden, its graph and its layers."""
    torch.manual_seed(0)
    base = create_base(architecture)
    randomise_vectors(base)
    take_statistics(base, torch.from_numpy(photographs(SIDE_PX, CONTRACT.mean, CONTRACT.std).transpose(0, 3, 1, 2).copy()))
    base.eval().requires_grad_(False)
    traced = trace(base, SIDE_PX)
    assert traced is not None
    return base, traced, tuple(layer for stage in stages_of(base) for layer in stage.layers)


def pictures(count: int = 3) -> NDArray[np.uint8]:
    """uint8 [count, SIDE_PX, SIDE_PX, 3], of photographs."""
    return (photographs(SIDE_PX, (0, 0, 0), (1, 1, 1))[:count] * 255).round().clip(0, 255).astype(np.uint8)


def images() -> Tensor:
    return normalised(to_tensor(pictures()), CONTRACT)


def boundaries(layers: tuple[Layer, ...], count: int) -> list[int]:
    """Places in the order of layers: some anywhere, so mostly inside a block, and the end."""
    return [*sorted(random.Random(0).sample(range(1, len(layers)), count)), len(layers)]


def run(parts: Parts, values: Tensor) -> Tensor:
    assert parts.prefix is not None
    crossing = parts.prefix(values)
    before = [tensor.clone() for tensor in crossing]
    result = parts.suffix(*crossing) if parts.suffix is not None else crossing[0]
    for tensor, copy in zip(crossing, before, strict=True):
        assert torch.equal(tensor, copy), "the suffix changed what it was given"
    return result


@pytest.mark.parametrize("architecture", FAMILIES)
def test_prefix_and_suffix_give_what_the_network_gives(architecture: str) -> None:
    base, traced, layers = made(architecture)
    second_stage = layers.index(stages_of(base)[2].layers[0])
    with torch.inference_mode():
        whole = base(images())
        for place in [second_stage, *boundaries(layers, 3)]:
            parts = split(traced, layers[place:])
            assert torch.equal(run(parts, images()), whole), layers[place - 1].path
            frozen = {layer.path for layer in layers[:place]}
            assert parts.prefix is not None
            assert {name.rpartition(".")[0] for name in parts.prefix.state_dict()} <= frozen


@pytest.mark.parametrize("architecture", ["mobilenetv3_small_050", "densenet121", "hrnet_w18_small"])
def test_a_suffix_can_be_split_again(architecture: str) -> None:
    base, traced, layers = made(architecture)
    places = boundaries(layers, 3)
    with torch.inference_mode():
        values: tuple[Tensor, ...] = (images(),)
        rest: fx.GraphModule | None = traced
        for place in places:
            assert rest is not None
            parts = split(rest, layers[place:])
            assert parts.prefix is not None
            values, rest = parts.prefix(*values), parts.suffix
        assert rest is None
        assert torch.equal(values[0], base(images()))


def test_nothing_frozen_is_no_prefix_and_everything_frozen_no_suffix() -> None:
    _, traced, layers = made("resnet18")
    assert split(traced, layers).prefix is None
    assert split(traced, []).suffix is None


def test_a_part_shares_the_weights_and_modes_of_the_network() -> None:
    torch.manual_seed(0)
    base = create_base("mobilenetv3_small_050", drop_path_rate=0.5)
    model = FineTuned(base, NewHead(feature_count(base), 2, Head()))
    traced = trace(base, SIDE_PX)
    assert traced is not None
    layers = tuple(layer for stage in stages_of(base) for layer in stage.layers)
    start = layers.index(stages_of(base)[4].layers[0])
    freeze(model, layers[:start], layers[start:])
    set_training_mode(model, layers[:start], freeze_statistics=False)
    parts = split(traced, layers[start:])
    assert parts.prefix is not None and parts.suffix is not None
    own = {id(parameter) for parameter in base.parameters()}
    shared = [id(parameter) for part in (parts.prefix, parts.suffix) for parameter in part.parameters()]
    assert set(shared) == own and len(shared) == len(own)

    values = parts.prefix(images())
    assert torch.equal(values[0], parts.prefix(images())[0])  # nothing random is in it
    assert not torch.equal(parts.suffix(*values), parts.suffix(*values))  # stochastic depth is on
    moved = base.get_submodule("blocks.5.0.bn1").running_mean.clone()
    parts.suffix(*values)
    assert not torch.equal(base.get_submodule("blocks.5.0.bn1").running_mean, moved)
    parts.suffix(*values).sum().backward()
    trained = {name for name, parameter in base.named_parameters() if parameter.grad is not None}
    assert {name.rpartition(".")[0] for name in trained} <= {layer.path for layer in layers[start:]}
    base.eval()
    assert torch.equal(parts.suffix(*values), base(images()))


class Overwriting(nn.Module):
    """Reads a tensor before and after it is changed in place, through a view too."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.third = (nn.Conv2d(3, 3, 1) for _ in range(3))
        self.act = nn.ReLU(inplace=True)

    def forward(self, images: Tensor) -> Tensor:
        values = self.first(images)
        early = self.third(values)
        left, right = values.chunk(2, dim=2)
        right.mul_(2)
        changed = self.act(values)
        late = self.second(values)
        return (
            functional.interpolate(early, size=values.shape[2:])
            + late
            + changed
            + functional.pad(left, (0, 0, 0, left.shape[2]))
        )


@pytest.mark.parametrize("trainable", [("third",), ("second",), ("second", "third")])
def test_values_changed_in_place_cross_as_they_were_read(trainable: tuple[str, ...]) -> None:
    torch.manual_seed(0)
    network = Overwriting().eval()
    traced = trace(network, 8)
    assert traced is not None
    values = torch.randn(2, 3, 8, 8)
    parts = split(traced, [Layer(path=path, parameters=12, counts=True) for path in trainable])
    with torch.inference_mode():
        assert torch.equal(run(parts, values), network(values))


def test_a_network_that_cannot_be_traced_is_told_by_none() -> None:
    class Undecided(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.convolution = nn.Conv2d(3, 3, 1)

        def forward(self, images: Tensor) -> Tensor:
            values: Tensor = self.convolution(images)
            return values if values.mean() > 0 else -values

    assert trace(Undecided(), 8) is None


@pytest.mark.parametrize("architecture", ["mobilenetv3_small_050", "densenet121"])
def test_folding_changes_no_value_and_not_the_network(architecture: str) -> None:
    base, traced, _ = made(architecture)
    part = split(traced, []).prefix
    assert part is not None
    before = {name: tensor.clone() for name, tensor in base.state_dict().items()}
    with torch.inference_mode():
        copy = folded(part)
        torch.testing.assert_close(copy(images())[0], base(images()), rtol=1e-4, atol=1e-4)
    norms = sum(isinstance(module, nn.BatchNorm2d) for module in part.modules())
    left = sum(isinstance(module, nn.BatchNorm2d) for module in copy.modules())
    assert left < norms * (0.6 if architecture == "densenet121" else 0.1)  # DenseNet's mostly stand before convolutions
    assert all(torch.equal(before[name], tensor) for name, tensor in base.state_dict().items())


@pytest.mark.parametrize("engine", ["off", pytest.param("on", marks=engine_only)])
@pytest.mark.parametrize(
    ("architecture", "precision"),
    [("mobilenetv3_small_050", "bfloat16"), ("mobilenetv3_small_050", "float32"), ("densenet121", "float32")],
)
def test_a_prefix_gives_the_values_of_the_network(
    architecture: str, precision: Precision, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNFREEZE_ENGINE", engine)
    _, traced, layers = made(architecture)
    lower, higher = boundaries(layers, 2)[:2]
    low = split(traced, layers[lower:])
    assert low.prefix is not None and low.suffix is not None
    middle = split(low.suffix, layers[higher:])
    assert middle.prefix is not None
    with torch.inference_mode():
        expected = low.prefix(images())
        first = Prefix(low.prefix, CONTRACT, precision, CPU)
        given = first((pictures(),))
        _assert_close(given, expected, precision)
        second = Prefix(middle.prefix, None, precision, CPU)
        _assert_close(second(tuple(map(to_array, given))), middle.prefix(*expected), precision)
    assert first.engine.startswith("OpenVINO" if engine == "on" else "PyTorch")
    assert second.engine == first.engine
    in_order = [tensors[-1] for tensors in first.run((pictures()[n : n + 1],) for n in range(3))]
    _assert_close((torch.cat(in_order),), (given[-1].float(),), precision)


def _assert_close(given: tuple[Tensor, ...], expected: tuple[Tensor, ...], precision: Precision) -> None:
    assert len(given) == len(expected)
    for ours, theirs in zip(given, expected, strict=True):
        assert ours.dtype == (torch.bfloat16 if precision == "bfloat16" else torch.float32)
        assert ours.shape == theirs.shape
        difference = (ours.float() - theirs).abs().max() / theirs.abs().max()
        assert difference < (1e-1 if precision == "bfloat16" else 1e-4)
        assert functional.cosine_similarity(ours.float().flatten(1), theirs.flatten(1)).min() > 0.995


def test_a_network_whose_own_code_looks_at_its_mode_has_no_graph() -> None:
    """Its functional dropout would be on in every prediction, or off in every training step."""
    base = create_base("ghostnet_050")
    for mode in (True, False):
        assert trace(base.train(mode), SIDE_PX) is None
        assert base.training == mode


def test_there_is_no_cut_where_what_crosses_isnt_a_row_for_each_picture() -> None:
    """Windows of all pictures, one after another."""
    base = create_base("davit_tiny")
    traced = trace(base, SIDE_PX)
    assert traced is not None
    layers = [layer for stage in stages_of(base) for layer in stage.layers]
    place = next(number for number, layer in enumerate(layers) if layer.path.endswith("blocks.0.0.attn.qkv"))
    assert split(traced, layers[place:]).prefix is None
    between_stages = layers.index(stages_of(base)[2].layers[0])
    assert split(traced, layers[between_stages:]).prefix is not None
