"""Networks of PyTorch as neutral graphs."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from timm.layers import ScaledStdConv2d, StdConv2d
from torch import Tensor, nn

from unfreeze.backends.torch.graph import write_graph
from unfreeze.backends.torch.networks import TESTED, open_planned
from unfreeze.backends.torch.stages import stages_of
from unfreeze.backends.torch.translation import translate
from unfreeze.backends.torch.translation.layout import Value, channels_last, inverse, plan_reshape
from unfreeze.errors import ModelError
from unfreeze.exchange import graph
from unfreeze.exchange.description import Description
from unfreeze.exchange.graph import Graph
from unfreeze.recipe.recipe import Input, Recipe


class Toy(nn.Module):
    """A function of a picture, with layers, whose values are averaged at the end."""

    def __init__(self, function: Callable[[Any, Tensor], Tensor], **layers: Any) -> None:
        super().__init__()
        for name, layer in layers.items():
            setattr(self, name, layer)
        self._function = function

    def forward(self, images: Tensor) -> Tensor:
        values = self._function(self, images)
        return values if values.dim() == 2 else values.mean((2, 3))


def translated(function: Callable[[Any, Tensor], Tensor], side_px: int = 12, **layers: Any) -> Graph:
    return translate(Toy(function, **layers), side_px, "toy")


def ops(made: Graph) -> list[str]:
    return [node.op for node in made.nodes]


def test_a_graph_and_its_tensors_are_written(tmp_path: Path) -> None:
    recipe = Recipe(model="resnet18", weights="none", seed=7, input=Input(side_px=64))
    told = write_graph(recipe.model_dump(mode="json"), str(tmp_path))
    opened = open_planned(recipe)
    description = Description.model_validate(json.loads(json.dumps(told)))
    assert description.stages == stages_of(opened.base)
    assert description.contract == opened.contract.with_side(64)
    assert (description.architecture, description.weights, description.pretrained) == ("resnet18", "random weights", False)
    made, tensors = graph.read(tmp_path / "graph.json"), safetensors.torch.load_file(tmp_path / "weights.safetensors")
    expected = {name: tensor for name, tensor in opened.base.state_dict().items() if "num_batches" not in name}
    assert set(made.weights) == set(expected) == set(tensors)
    assert all(torch.equal(tensors[name], tensor) for name, tensor in expected.items())


def test_the_side_is_the_checkpoints_unless_the_recipe_says_another(tmp_path: Path) -> None:
    told = write_graph(Recipe(model="mobilenetv3_small_050", weights="none").model_dump(mode="json"), str(tmp_path))
    assert told["contract"]["side_px"] == 224
    assert graph.read(tmp_path / "graph.json").nodes[0].attributes["shape"] == [224, 224, 3]


def test_a_side_that_the_network_cannot_take_is_refused(tmp_path: Path) -> None:
    recipe = Recipe(model="densenet121", weights="none", input=Input(side_px=16))
    with pytest.raises(ModelError, match=r"input\.side_px: densenet121 can't take 16 px: try 32"):
        write_graph(recipe.model_dump(mode="json"), str(tmp_path))


def test_layers_have_timms_names_and_permutes_vanish() -> None:
    base = open_planned(Recipe(model="convnext_atto", weights="none")).base
    made = translate(base, 64, "convnext_atto")
    assert "transpose" not in ops(made)
    names = {node.name for node in made.nodes if node.weights}
    assert {"stem.0", "stages.0.blocks.0.conv_dw", "stages.0.blocks.0.gamma", "stages.1.downsample.0", "head.norm"} <= names
    assert base.training  # as it was


@pytest.mark.parametrize("model", TESTED)
def test_every_tested_network_has_a_graph(model: str) -> None:
    base = open_planned(Recipe(model=model, weights="none")).base
    assert len(translate(base, 64, model).weights) == sum("num_batches" not in name for name in base.state_dict())


def test_momentum_is_the_part_that_stays() -> None:
    made = translated(lambda t, x: t.norm(x), norm=nn.BatchNorm2d(3, momentum=0.01, eps=1e-3))
    attributes = made.nodes[1].attributes
    assert (attributes["momentum"], attributes["epsilon"]) == (0.99, 1e-3)


@pytest.mark.parametrize(
    ("stride", "padding", "kernel", "expected"),
    [
        (1, 1, 3, ("same", None)),
        (1, 2, 5, ("same", None)),
        (1, 0, 3, ("valid", None)),
        (2, 1, 3, ("valid", [(0, 0), (1, 0), (1, 0), (0, 0)])),  # TensorFlow would pad below and right
        (1, 1, 5, ("valid", [(0, 0), (1, 1), (1, 1), (0, 0)])),
    ],
)
def test_padding_is_the_same_only_where_both_agree(stride: int, padding: int, kernel: int, expected: Any) -> None:
    made = translated(lambda t, x: t.conv(x), conv=nn.Conv2d(3, 4, kernel, stride, padding))
    conv = next(node for node in made.nodes if node.op == "conv")
    pads = [node.attributes["amounts"] for node in made.nodes if node.op == "pad"]
    assert (conv.attributes["padding"], pads[0] if pads else None) == expected


def test_a_channel_shuffle_is_one_transpose() -> None:
    def shuffle(t: Any, x: Tensor) -> Tensor:
        channels = t.conv(x)
        return channels.view(2, 3, -1, 12, 12).transpose(1, 2).reshape(channels.shape)

    made = translated(shuffle, conv=nn.Conv2d(3, 6, 1))
    assert ops(made) == ["input", "conv", "reshape", "transpose", "reshape", "reduce"]


REFUSED: dict[str, tuple[Callable[[Any, Tensor], Tensor], dict[str, Any], str]] = {
    "unknown": (lambda t, x: torch.cumsum(x, 1), {}, "there is no translation for it .operation cumsum.default in the network"),
    "place": (lambda t, x: t.act(x), {"act": nn.LogSigmoid()}, "operation .* in act"),
    "batch": (lambda t, x: x.reshape(1, 6, 12, 12).mean((2, 3)).reshape(2, 3), {}, "it reshapes the batch"),
    "over the batch": (lambda t, x: x - x.mean(0, keepdim=True), {}, "it reduces over the batch"),
    "computed kernel": (lambda t, x: nn.functional.conv2d(x, t.conv.weight * 2), {"conv": nn.Conv2d(3, 4, 1)}, "parameters"),
    "used twice": (lambda t, x: t.conv(t.conv(x)), {"conv": nn.Conv2d(3, 3, 1)}, "conv is used twice"),
    "unused": (lambda t, x: x, {"conv": nn.Conv2d(3, 3, 1)}, "conv.bias isn't used"),
    "a picture of parameters": (lambda t, x: x + t.bias, {"bias": nn.Parameter(torch.ones(3, 12, 12))}, "the parameter bias"),
    "border": (lambda t, x: nn.functional.avg_pool2d(x, 3, 2, 1, count_include_pad=False), {}, "treats the border"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_carried_over_is_refused_by_name(case: str) -> None:
    function, layers, why = REFUSED[case]
    with pytest.raises(ModelError, match=f"toy can't be carried over: .*{why}") as raised:
        translated(function, **layers)
    assert "`unfreeze models` lists as tested, or `--framework torch`" in str(raised.value)


def test_what_the_exporter_cannot_follow_is_refused() -> None:
    with pytest.raises(ModelError, match=r"toy can't be carried over: torch\.export fails on it"):
        translated(lambda t, x: x if x.sum() > 0 else -x)


def test_standardised_kernels_are_refused() -> None:
    with pytest.raises(ModelError, match=r"it standardises its kernels .* in conv"):
        translated(lambda t, x: t.conv(x), conv=StdConv2d(3, 4, 3))
    with pytest.raises(ModelError, match=r"it computes with parameters .* in conv"):
        translated(lambda t, x: t.conv(x), conv=ScaledStdConv2d(3, 4, 3))


@st.composite
def reshapes(draw: st.DrawFn) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Two shapes of the same size with the same batch."""
    factors = draw(st.lists(st.sampled_from([1, 2, 3]), min_size=1, max_size=4))

    def grouped() -> tuple[int, ...]:
        cuts = sorted(draw(st.lists(st.integers(0, len(factors)), max_size=3)))
        return tuple(math.prod(factors[a:b]) for a, b in zip([0, *cuts], [*cuts, len(factors)], strict=True))

    return (2, *grouped()), (2, *grouped())


@given(reshapes(), st.randoms())
@settings(max_examples=200, deadline=None)
def test_a_planned_reshape_is_pytorchs(shapes: tuple[tuple[int, ...], tuple[int, ...]], random: Any) -> None:
    before, after = shapes
    axes = [0, *random.sample(range(1, len(before)), len(before) - 1)]
    value = Value("x", before, tuple(axes))
    plan = plan_reshape(value, after)
    assert plan is not None
    assert plan.axes[0] == 0
    numbers = np.arange(math.prod(before)).reshape(before)
    neutral = numbers.transpose(inverse(value.axes))
    assert neutral.shape == value.neutral_shape
    made = neutral.transpose(plan.transpose).reshape(plan.shape)
    assert made.shape[0] == 2
    np.testing.assert_array_equal(made.transpose(plan.axes), numbers.reshape(after))


def test_channels_are_last() -> None:
    assert channels_last(4) == (0, 3, 1, 2)
    assert inverse(channels_last(4)) == (0, 2, 3, 1)
    assert plan_reshape(Value("x", (2, 8), (0, 1)), (4, 4)) is None


def test_the_batch_may_be_elsewhere_for_pytorch() -> None:
    moved = Value("x", (1, 2, 5, 4), (3, 0, 1, 2))  # as one of `qkv.unbind(0)`
    plan = plan_reshape(moved, (2, 5, 4))
    assert plan is not None
    assert (plan.transpose, plan.shape, plan.axes) == ((0, 1, 2, 3), (2, 5, 4), (0, 1, 2))
    plan = plan_reshape(moved, (1, 1, 2, 20))
    assert plan is not None
    assert plan.shape[0] == 2
    assert plan_reshape(moved, (10, 4)) is None
