"""The pieces for PyTorch loops of one's own, on models that unfreeze didn't make: what is frozen keeps its bytes, and so on."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable

import numpy as np
import pytest
import timm
import torch
import torchvision
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from unfreeze.errors import DataError, ModelError, RecipeError
from unfreeze.torch import GradualUnfreezing, assert_frozen, class_weights, freeze, replace_head, stages


class Block(nn.Module):
    """A residual block with stochastic depth of a person's own."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm = nn.BatchNorm2d(channels)
        self.drop = nn.Dropout2d(0.5)

    def forward(self, values: Tensor) -> Tensor:
        return values + self.drop(self.norm(self.conv(values)))


class Own(nn.Module):
    """A CNN of a person's own, for 32 pixels only: dropout between its parts, a flattened map, two dense layers."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU())
        self.pool = nn.MaxPool2d(2)
        self.drop = nn.Dropout(0.5)
        self.second = nn.Conv2d(8, 16, 3, padding=1)
        self.block = Block(16)
        self.fc1 = nn.Linear(16 * 8 * 8, 12)
        self.fc2 = nn.Linear(12, 5)

    def forward(self, images: Tensor) -> Tensor:
        values = self.drop(self.pool(self.first(images)))
        values = self.pool(self.block(self.second(values).relu()))
        return self.fc2(self.fc1(values.flatten(1)).relu())


class Wrapped(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.backbone = timm.create_model("resnet18", num_classes=0)
        self.fc = nn.Linear(512, 5)

    def forward(self, images: Tensor) -> Tensor:
        return self.fc(self.backbone(images))


def of_torchvision(name: str) -> Callable[[], nn.Module]:
    return lambda: torchvision.models.get_model(name, weights=None)


# Model, a boundary inside it, the layers that begin its stages.
MODELS = {
    "resnet18": (of_torchvision("resnet18"), "layer4", "conv1 layer1.0.conv1 layer2.0.conv1 layer3.0.conv1 layer4.0.conv1 fc"),
    "mobilenet": (
        of_torchvision("mobilenet_v3_small"),
        "stage3",
        "features.0.0 features.1.block.0.0 features.2.block.0.0 features.4.block.0.0 features.9.block.0.0 classifier.0",
    ),
    "vgg11": (of_torchvision("vgg11"), "stage4", "features.0 features.3 features.6 features.11 features.16 classifier.0"),
    "densenet": (
        of_torchvision("densenet121"),
        "head",
        "features.conv0 features.denseblock1.denselayer1.norm1 features.denseblock2.denselayer1.norm1"
        " features.denseblock3.denselayer1.norm1 features.denseblock4.denselayer1.norm1 classifier",
    ),
    "efficientnet": (
        of_torchvision("efficientnet_b0"),
        "features.6",
        "features.0.0 features.1.0.block.0.0 features.2.0.block.0.0 features.3.0.block.0.0 features.4.0.block.0.0"
        " features.6.0.block.0.0 classifier.1",
    ),
    "timm": (
        lambda: timm.create_model("mobilenetv2_050"),
        "stage6",
        "conv_stem blocks.0.0.conv_dw blocks.1.0.conv_pw blocks.2.0.conv_pw blocks.3.0.conv_pw blocks.4.0.conv_pw"
        " blocks.5.0.conv_pw blocks.6.0.conv_pw classifier",
    ),
    "wrapped": (
        Wrapped,
        "backbone.layer4",
        "backbone.conv1 backbone.layer1.0.conv1 backbone.layer2.0.conv1 backbone.layer3.0.conv1 backbone.layer4.0.conv1 fc",
    ),
    "own": (Own, "head", "first.0 second fc1"),
}


def pictures(count: int = 4, side: int = 32) -> Tensor:
    return torch.from_numpy(np.random.default_rng(0).normal(size=(count, 3, side, side)).astype("f4"))


def train(model: nn.Module, optimizer: torch.optim.Optimizer, steps: int = 1) -> None:
    for _ in range(steps):
        model.train()
        optimizer.zero_grad()
        cross_entropy(model(pictures()), torch.arange(4)).backward()
        optimizer.step()


def state(model: nn.Module) -> dict[str, bytes]:
    return {name: tensor.numpy().tobytes() for name, tensor in model.state_dict().items()}


def moved(before: dict[str, bytes], after: dict[str, bytes]) -> set[str]:
    return {name for name in before if before[name] != after[name]}


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize("name", MODELS)
def test_stages_freezing_and_a_new_head(name: str) -> None:
    make, boundary, begins = MODELS[name]
    model = make()
    parts = stages(model)
    assert [stage.layers[0].path for stage in parts] == begins.split()
    assert [stage.name for stage in parts] == ["stem", *(f"stage{n}" for n in range(1, len(parts) - 1)), "head"]
    assert sum(stage.parameters for stage in parts) == sum(parameter.numel() for parameter in model.parameters())

    kept = state(model)
    head = {layer.path for layer in parts[-1].layers}
    replace_head(model, 4, hidden=(6,))
    now = state(model)
    assert {key for key in kept if now.get(key) != kept[key]} == {key for key in kept if key.rpartition(".")[0] in head}
    assert model.eval()(pictures(2)).shape == (2, 4)

    keys = list(model.state_dict())
    freeze(model, boundary)
    assert list(model.state_dict()) == keys
    before = state(model)
    with assert_frozen(model, boundary):
        train(model, torch.optim.SGD(model.parameters(), 0.1, momentum=0.9, weight_decay=0.1), steps=2)
    trainable = {key for key, parameter in model.named_parameters() if parameter.requires_grad}
    changed = moved(before, state(model))
    assert trainable <= changed
    # What else moved are the statistics of layers that train.
    holders = {key.rpartition(".")[0] for key in trainable}
    assert {key.rpartition(".")[0] for key in changed} <= holders


def test_a_flattened_map_is_pooled_so_that_any_size_will_do() -> None:
    model = replace_head(Own(), 3).eval()
    assert isinstance(model.fc2[-1], nn.Linear)
    assert model.fc2[-1].in_features == 16
    assert [model(pictures(2, side)).shape for side in (32, 48)] == [(2, 3), (2, 3)]
    maps = model.pool(model.block(model.second(model.pool(model.first(pictures(2, 48)))).relu()))
    torch.testing.assert_close(model(pictures(2, 48)), model.fc2(maps.mean((2, 3)).relu()))


def test_frozen_parts_infer_whatever_train_says_and_so_do_copies() -> None:
    frozen = freeze(Own(), "head")
    for model in (frozen, copy.deepcopy(frozen), pickle.loads(pickle.dumps(frozen)), torch.compile(frozen, backend="eager")):
        model.train()
        inside = getattr(model, "_orig_mod", model)
        assert inside.training
        assert not any(module.training for part in (inside.first, inside.block, inside.drop) for module in part.modules())
        before = state(inside)
        torch.testing.assert_close(model(pictures()), model(pictures()), rtol=0, atol=0)  # no dropout
        assert moved(before, state(inside)) == set()
    copied = copy.deepcopy(frozen)
    freeze(copied, "stem")  # of the copy only
    assert copied.train().block.drop.training
    assert all(parameter.requires_grad for parameter in copied.parameters())
    assert not frozen.train().block.drop.training


def test_dropout_before_the_first_layer_that_trains_stays_on() -> None:
    model = freeze(Own(), "stage1").train()
    assert model.drop.training
    assert model.block.drop.training
    assert not model.first[1].training
    efficientnet = freeze(torchvision.models.efficientnet_b0(weights=None), "head").train()
    assert efficientnet.classifier[0].training
    assert not efficientnet.features[6][1].stochastic_depth.training


def test_a_boundary_that_is_not_there_says_what_would_do() -> None:
    with pytest.raises(ModelError, match=r"named 'layr4'. Did you mean 'layer4'\? Its stages are stem, stage1"):
        freeze(torchvision.models.resnet18(weights=None), "layr4")
    with pytest.raises(ModelError, match=r"'stage2' is a stage, which begins at stage3\.0.*a part of this model.*stage2\.0"):
        freeze(torchvision.models.shufflenet_v2_x0_5(weights=None), "stage2")
    with pytest.raises(ModelError, match="a batch that it takes, sample=images"):
        stages(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(7, 2)))
    with pytest.raises(ModelError, match=r"a torch\.nn\.Module is needed, received str"):
        stages("resnet18")  # type: ignore[arg-type]
    with pytest.raises(RecipeError, match=r"classes: 1 won't do.*dropout: 2"):
        replace_head(Own(), 1, dropout=2)


def test_a_model_whose_order_can_not_be_told_is_frozen_by_a_path() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(7, 2))
    freeze(model, "3").train()
    assert [parameter.requires_grad for parameter in model.parameters()] == [False] * 4 + [True] * 2
    assert not model[1].training


def test_what_moved_is_named_with_its_likely_cause() -> None:
    model = torchvision.models.resnet18(weights=None)
    for parameter in [*model.conv1.parameters(), *model.bn1.parameters()]:
        parameter.requires_grad_(False)
    message = r"3 of 6 frozen tensors.*bn1\.running_mean \(by up to .*model\.train\(\) after freez"
    with pytest.raises(ModelError, match=message), assert_frozen(model, "layer1"):
        model.train()(pictures())
    with pytest.raises(ModelError, match=r"conv1\.weight \(by up to 1\).*requires_grad"), assert_frozen(model, "bn1"):
        model.conv1.weight.data[0, 0, 0, 0] += 1


@pytest.mark.parametrize("known", ["all", "head"])
def test_gradual_unfreezing_keeps_moments_and_sets_rates(known: str) -> None:
    model = Own()
    part = model if known == "all" else nn.ModuleList([model.fc1, model.fc2])
    optimizer = torch.optim.AdamW(part.parameters(), lr=0.01, weight_decay=0.1)
    gradual = GradualUnfreezing(model, optimizer, epochs=1, rate_factor=0.5, stage_rate_factor=0.1, warmup_steps=4)
    reference, start = copy.deepcopy(model), state(model)
    train(model, optimizer, steps=2)
    assert {name.split(".")[0] for name in moved(start, state(model))} == {"fc1", "fc2"}
    kept = {name: value.clone() for name, value in optimizer.state[model.fc2.weight].items()}

    assert gradual.step() == "stage1"
    assert gradual.rates == pytest.approx({"stage1": 0.01 * 0.5 * 0.1 / 4, "head": 0.01 * 0.5})
    for name, value in kept.items():
        torch.testing.assert_close(optimizer.state[model.fc2.weight][name], value, rtol=0, atol=0)
    middle = state(model)
    before = model.second.weight.detach().clone()
    train(model, optimizer)
    assert {name.split(".")[0] for name in moved(middle, state(model))} == {"second", "block", "fc1", "fc2"}
    # Adam's first step is the rate in every value, whatever the gradient; before it, decay by the same rate.
    rate = 0.01 * 0.5 * 0.1 / 4
    step = (model.second.weight - before * (1 - rate * 0.1)).abs()
    assert step.median().item() == pytest.approx(rate, rel=1e-2)
    assert float(optimizer.state[model.second.weight]["step"]) == 1
    assert float(optimizer.state[model.fc2.weight]["step"]) == 3
    assert {group["lr"] for group in optimizer.param_groups} == {0.01}  # as schedulers know it

    again = GradualUnfreezing(reference, torch.optim.AdamW(reference.parameters(), lr=0.01), epochs=1)
    again.load_state_dict(gradual.state_dict())
    assert again.boundary == "stage1"
    assert [gradual.step(), gradual.step()] == ["stem", None]


def test_gradual_unfreezing_waits_until_validation_stalls() -> None:
    model = Own()
    gradual = GradualUnfreezing(model, torch.optim.SGD(model.parameters(), 0.1), patience=2, mode="max", down_to="stage1")
    assert [gradual.step(value) for value in (0.5, 0.6, 0.6, 0.5, 0.1, 0.1, 0.1)] == [None, None, None, "stage1", *[None] * 3]
    with pytest.raises(RecipeError, match="a value to watch is needed"):
        gradual.step()
    scheduled = torch.optim.SGD(model.fc2.parameters(), 0.1)
    torch.optim.lr_scheduler.CosineAnnealingLR(scheduled, 3)
    with pytest.raises(RecipeError, match="lacks 12 of the model's parameters and has a scheduler"):
        GradualUnfreezing(model, scheduled)


def test_class_weights_are_scikit_learns() -> None:
    labels = torch.tensor([0, 0, 0, 1, 2, 2])
    torch.testing.assert_close(class_weights(labels), torch.tensor([2 / 3, 2.0, 1.0]))
    torch.testing.assert_close(class_weights(counts={"b": 3, "a": 1, "c": 2}), class_weights(labels.tolist()))
    for wrong, message in (([0, 2], "no picture of class 1"), ([0.5], "class numbers from 0"), (None, "give either labels")):
        with pytest.raises(DataError, match=message):
            class_weights(wrong)
    with pytest.raises(RecipeError, match=r"how: there is no 'balance'\. Did you mean 'balanced'"):
        class_weights(labels, how="balance")
