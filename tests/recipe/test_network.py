"""Where a boundary cuts a network: by stage, by layer, and what is said where it can't."""

from __future__ import annotations

import pytest

from support.made_up import small_network
from unfreeze.errors import RecipeError
from unfreeze.recipe.network import InputContract

NETWORK = small_network()


def paths(layers):
    return [layer.path for layer in layers]


def test_parameters_add_up():
    assert [stage.parameters for stage in NETWORK.stages] == [110, 230, 470, 950, 33]
    assert NETWORK.parameters == 1793
    assert NETWORK.stage_names == ("stem", "stage1", "stage2", "stage3", "head")


def test_split_by_stage():
    frozen, trainable = NETWORK.split("stage3")
    assert paths(trainable) == ["layer3.conv1", "layer3.bn1", "fc"]
    assert paths(frozen) == paths(NETWORK.layers)[:7]


def test_split_by_layer_inside_a_stage():
    frozen, trainable = NETWORK.split("layer2.conv2")
    assert paths(frozen)[-1] == "layer2.conv1"
    assert paths(trainable) == ["layer2.conv2", "layer2.bn2", "layer3.conv1", "layer3.bn1", "fc"]


def test_split_at_the_ends():
    assert NETWORK.split("stem") == ((), NETWORK.layers)
    assert paths(NETWORK.split("head")[1]) == ["fc"]


@pytest.mark.parametrize("boundary", ["stem", "stage1", "stage2", "stage3", "head", "bn1", "layer2.bn2", "fc"])
def test_split_loses_no_layer(boundary):
    frozen, trainable = NETWORK.split(boundary)
    assert frozen + trainable == NETWORK.layers


@pytest.mark.parametrize(("boundary", "nearest"), [("stage_2", "stage2"), ("layer2.conv3", "layer2.conv2"), ("haed", "head")])
def test_unknown_boundary_names_the_nearest_and_the_stages(boundary, nearest):
    with pytest.raises(RecipeError) as caught:
        NETWORK.split(boundary)
    assert str(caught.value) == (
        f"tiny has no stage or layer named '{boundary}'. Did you mean '{nearest}'?"
        " Its stages are stem, stage1, stage2, stage3, head."
    )


def test_unknown_boundary_with_nothing_near():
    with pytest.raises(RecipeError, match=r"named 'zzz'\. Its stages are stem, stage1"):
        NETWORK.split("zzz")


@pytest.mark.parametrize(("count", "boundary"), [(1, "stage3"), (2, "stage2"), (4, "stem")])
def test_boundary_of_last_stages(count, boundary):
    assert NETWORK.boundary_of_last_stages(count) == boundary


@pytest.mark.parametrize("count", [0, -1, 5, 99])
def test_more_stages_than_there_are(count):
    with pytest.raises(RecipeError) as caught:
        NETWORK.boundary_of_last_stages(count)
    assert str(caught.value) == (
        f"unfreeze.stages: {count} stages were asked for, tiny has 4 below its head (stem, stage1, stage2, stage3):"
        " give a number from 1 to 4."
    )


@pytest.mark.parametrize(("count", "boundary"), [(1, "layer3.conv1"), (2, "layer2.conv2"), (3, "layer2.conv1"), (5, "conv1")])
def test_last_layers_counts_convolutions_and_not_normalisation(count, boundary):
    assert NETWORK.boundary_of_last_layers(count) == boundary


@pytest.mark.parametrize("count", [0, -1, 6])
def test_more_layers_than_there_are(count):
    with pytest.raises(RecipeError) as caught:
        NETWORK.boundary_of_last_layers(count)
    assert str(caught.value) == (
        f"unfreeze.layers: {count} layers were asked for, tiny has 5 convolutions and dense layers below its head:"
        " give a number from 1 to 5."
    )


def test_contract_at_another_size_changes_nothing_else():
    contract = InputContract(side_px=224, interpolation="bilinear", channel_order="BGR", crop_mode="border")
    assert contract.with_side(96).model_dump() == {**contract.model_dump(), "side_px": 96}
    assert contract.side_px == 224
