"""Every family of CNNs: ordered stages, any input size, frozen means frozen over a whole run."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from support.rates import everywhere
from unfreeze.backends.torch import open_network
from unfreeze.backends.torch.backend import TorchBackend
from unfreeze.backends.torch.networks import TESTED, describe_network
from unfreeze.data.load import Batch
from unfreeze.recipe.read import read_recipe
from unfreeze.recipe.strategies import make_phases
from unfreeze.training.backend import LossSettings

SIDE_PX = 64
STAGES = {
    "resnet18": 4,
    "resnet50": 4,
    "efficientnet_b0": 7,
    "mobilenetv2_100": 7,
    "mobilenetv3_small_100": 7,
    "densenet121": 4,
    "vgg11_bn": 5,
    "convnext_atto": 4,
    "regnety_002": 4,
}


def opened(model: str, **changes: object) -> tuple[TorchBackend, tuple[object, ...]]:
    recipe = read_recipe(None, {"model": model, "weights": "none", "strategy": "gradual", **changes})
    backend = open_network(recipe, ("a", "b", "c"))
    return backend, make_phases(backend.network, recipe)


def batch(side: int = SIDE_PX, count: int = 4) -> Batch:
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (count, side, side, 3), dtype=np.uint8)
    return Batch(images, (np.arange(count) % 3).astype(np.int64))


def give_norms_real_statistics(backend: TorchBackend) -> None:
    """timm zero-initialises the last scale of each residual block: an untouched random network hides what passes through."""
    generator = torch.Generator().manual_seed(0)
    for module in backend._model.base.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            with torch.no_grad():
                module.weight.copy_(0.5 + torch.rand(module.weight.shape, generator=generator))
                module.running_mean.copy_(torch.randn(module.running_mean.shape, generator=generator) * 0.1)
                module.running_var.copy_(0.5 + torch.rand(module.running_var.shape, generator=generator))


@pytest.mark.parametrize("model", TESTED)
def test_stages_are_in_forward_order_and_cover_every_parameter(model: str) -> None:
    network = describe_network(model)
    assert network.stage_names == ("stem", *(f"stage{n}" for n in range(1, STAGES[model] + 1)), "head")
    backend, _ = opened(model)
    paths = [layer.path for layer in network.layers]
    assert len(paths) == len(set(paths))
    own = {name.rpartition(".")[0].removeprefix("base.") for name in backend.snapshot()}
    assert own == set(paths)
    total = sum(parameter.numel() for parameter in backend._model.parameters())
    assert backend.network.parameters == total
    # Forward order: a hook on each counted layer tells when it ran; stages must not go back.
    order: list[int] = []
    number = {layer.path: place for place, stage in enumerate(network.stages) for layer in stage.layers if layer.counts}
    for name, module in backend._model.named_modules():
        path = name.removeprefix("base.")
        if path in number:
            module.register_forward_hook(lambda *_, place=number[path]: order.append(place))
    side = backend.network.contract.side_px
    backend._model.eval()(torch.zeros(2, 3, side, side))
    assert order == sorted(order)
    assert set(order) == set(number.values())


@pytest.mark.parametrize("model", TESTED)
def test_frozen_means_frozen_over_a_whole_run(model: str) -> None:
    backend, phases = opened(
        model, **{"unfreeze.stages": 2, "unfreeze.batchnorm": "update", "head.dropout": 0.5, "precision": "float32"}
    )
    give_norms_real_statistics(backend)
    for phase in phases:
        frozen = {layer.path for layer in backend.network.split(phase.boundary)[0]}
        before = backend.snapshot()
        backend.start_phase(phase, LossSettings())
        for _ in range(2):
            backend.train_epoch([batch()], everywhere(1e-2), lambda _: None)
        after = backend.snapshot()
        for name, tensor in before.items():
            path = name.rpartition(".")[0].removeprefix("base.")
            if path in frozen:
                assert np.array_equal(tensor, after[name]), f"{name} moved in {phase.name}"
        changed = {name for name in before if not np.array_equal(before[name], after[name])}
        assert any(name.startswith("new_head") for name in changed)
        assert backend._model.new_head.dropout.training
        trainable = {layer.path for layer in backend.network.split(phase.boundary)[1]}
        assert {name.rpartition(".")[0].removeprefix("base.") for name in changed} <= trainable


@pytest.mark.parametrize("model", ["resnet18", "mobilenetv2_100", "densenet121"])
def test_statistics_of_unfrozen_stages_stay_while_scale_and_shift_train(model: str) -> None:
    backend, phases = opened(model, **{"unfreeze.stages": 1, "unfreeze.batchnorm": "frozen", "precision": "float32"})
    give_norms_real_statistics(backend)
    before = backend.snapshot()
    backend.start_phase(phases[-1], LossSettings())
    backend.train_epoch([batch()], everywhere(1e-2), lambda _: None)
    after = backend.snapshot()
    changed = {name.rpartition(".")[2] for name in before if not np.array_equal(before[name], after[name])}
    assert changed == {"weight", "bias"}


@pytest.mark.parametrize("model", TESTED)
def test_any_input_size_from_the_minimum_up(model: str) -> None:
    backend, _ = opened(model)
    for side in (backend.network.minimum_side_px, 75, 96):
        predicted = backend.predict([batch(side, count=2)])
        assert predicted.shape == (2, 3)
        assert np.isfinite(predicted).all()


@pytest.mark.parametrize("layers", [1, 3, 7])
def test_the_last_layers_can_be_unfrozen(layers: int) -> None:
    backend, phases = opened("resnet18", strategy="fine-tune-top", **{"unfreeze.layers": layers})
    counted = [layer.path for stage in backend.network.stages[:-1] for layer in stage.layers if layer.counts]
    trainable = {layer.path for layer in backend.network.split(phases[-1].boundary)[1] if layer.counts}
    assert trainable == {*counted[-layers:], "new_head.output"}
    backend.start_phase(phases[-1], LossSettings())
    before = backend.snapshot()
    backend.train_epoch([batch()], everywhere(1e-2), lambda _: None)
    changed = {name for name, tensor in backend.snapshot().items() if not np.array_equal(tensor, before[name])}
    assert {name for name in changed if name.endswith("conv1.weight") or name.endswith("conv2.weight")} == {
        f"base.{path}.weight" for path in counted[-layers:] if "conv" in path
    }
