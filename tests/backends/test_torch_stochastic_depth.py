"""Stochastic depth in PyTorch: at which rates, where it is on, and where it is refused."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from torch import Tensor

from unfreeze.backends.torch.freezing import freeze, set_training_mode, split
from unfreeze.backends.torch.head import FineTuned, NewHead, feature_count
from unfreeze.backends.torch.networks import check, open_base
from unfreeze.backends.torch.stages import stages_of
from unfreeze.backends.torch.stochastic_depth import rates
from unfreeze.backends.torch.tracing import trace
from unfreeze.errors import RecipeError
from unfreeze.recipe.network import Layer
from unfreeze.recipe.recipe import Head, Recipe

RATE = 0.4
SIDE_PX = 64


@cache
def images() -> Tensor:
    return torch.rand(8, 3, SIDE_PX, SIDE_PX, generator=torch.Generator().manual_seed(0))


def test_the_last_block_has_the_rate_and_the_first_none() -> None:
    found = rates(open_base("resnet18", "none", RATE).base)
    later = [f"layer{stage}.{block}.drop_path" for stage in (2, 3, 4) for block in (0, 1)]
    assert list(found) == ["layer1.1.drop_path", *later]
    np.testing.assert_allclose(list(found.values()), np.linspace(0, RATE, 8)[1:], rtol=1e-6)


def test_blocks_without_a_shortcut_are_counted_and_never_left_out() -> None:
    # As in the EfficientNet paper's code: block b of 16 has b / 16 of the rate.
    found = rates(open_base("efficientnet_lite0", "none", RATE).base)
    assert list(found)[:2] == ["blocks.1.1.drop_path", "blocks.2.1.drop_path"]
    np.testing.assert_allclose(list(found.values()), [RATE * block / 16 for block in (2, 4, 6, 7, 9, 10, 12, 13, 14)])


def test_without_it_nothing_is_left_out_even_where_timm_would_by_itself() -> None:
    base = open_base("fasternet_t0", "none").base.train()
    assert rates(base) == {}


def test_it_changes_no_weight_and_no_prediction() -> None:
    torch.manual_seed(0)
    without = open_base("test_resnet", "none").base.eval()
    torch.manual_seed(0)
    with_it = open_base("test_resnet", "none", RATE).base.eval()
    assert without.state_dict().keys() == with_it.state_dict().keys()
    assert torch.equal(without(images()), with_it(images()))


@pytest.mark.parametrize("model", ["densenet121", "test_efficientnet"])  # no option for it; no block with a shortcut
def test_a_network_without_it_is_refused_before_any_picture_is_read(model: str) -> None:
    with pytest.raises(RecipeError, match=rf"stochastic_depth: 0\.1 .* {model} has none .* Give stochastic_depth: 0, or"):
        check(Recipe(model=model, weights="none", stochastic_depth=0.1))


@pytest.mark.parametrize(
    ("first", "random"),
    [
        ("layer4.0.conv1", {"layer4.0"}),
        ("layer4.0.downsample.1", {"layer4.0"}),  # the shortcut of a block trains: the block as a whole does
        ("layer3.0.conv1", {"layer3.0", "layer4.0"}),
    ],
)
def test_only_blocks_that_train_are_left_out(first: str, random: set[str]) -> None:
    torch.manual_seed(0)
    base = open_base("test_resnet", "none", RATE).base
    for norm in base.modules():
        if isinstance(norm, torch.nn.BatchNorm2d):
            torch.nn.init.ones_(norm.weight)  # timm starts the last of a block at zero, and so the block
    layers = [layer for stage in stages_of(base) for layer in stage.layers]
    start = next(place for place, layer in enumerate(layers) if layer.path == first)
    prefix, suffix, model = _parts(base, layers, start)
    assert {path.removesuffix(".drop_path") for path in rates(base) if base.get_submodule(path).training} == random
    before = {name: tensor.clone() for name, tensor in base.state_dict().items()}
    values = prefix(images())
    assert all(torch.equal(one, again) for one, again in zip(values, prefix(images()), strict=True))
    features = suffix(*values)
    assert not torch.equal(features, suffix(*values))
    features.sum().backward()
    trained = {f"{layer.path}." for layer in layers[start:]}
    moved = {name for name, tensor in base.state_dict().items() if not torch.equal(tensor, before[name])}
    assert all(any(name.startswith(path) for path in trained) for name in moved)
    model.eval()
    assert torch.equal(suffix(*values), base(images()))


def _parts(base: torch.nn.Module, layers: list[Layer], start: int):  # type: ignore[no-untyped-def]
    model = FineTuned(base, NewHead(feature_count(base), 2, Head()))
    freeze(model, layers[:start], layers[start:])
    set_training_mode(model, layers[:start], freeze_statistics=False)
    traced = trace(base, SIDE_PX)
    assert traced is not None
    parts = split(traced, layers[start:])
    assert parts.prefix is not None and parts.suffix is not None
    return parts.prefix, parts.suffix, model
