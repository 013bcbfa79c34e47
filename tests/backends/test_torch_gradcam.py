"""Grad-CAM in PyTorch: by hand, in networks that pool at different places, and leaving no trace."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from support.rates import everywhere
from unfreeze.backends.torch import open_network
from unfreeze.backends.torch.backend import TorchBackend
from unfreeze.backends.torch.prefix import normalised, to_device
from unfreeze.data.load import Batch
from unfreeze.recipe.read import read_recipe
from unfreeze.recipe.strategies import make_phases
from unfreeze.training.backend import LossSettings

LABELS = np.array([0, 1, 2, 0])


def opened(model: str, side_px: int) -> tuple[TorchBackend, Batch]:
    recipe = read_recipe(None, {"model": model, "weights": "none", "input.side_px": side_px, "strategy": "feature-extraction"})
    backend = open_network(recipe, ("a", "b", "c"))
    torch.nn.init.normal_(backend._model.new_head.output.weight, generator=torch.Generator().manual_seed(2))
    backend.start_phase(make_phases(backend.network, recipe)[0], LossSettings())
    images = np.random.default_rng(0).integers(0, 256, (4, side_px, side_px, 3), dtype=np.uint8)
    return backend, Batch(images, LABELS)


# The layer that takes the last feature map.
LAYERS = {
    "resnet18": "global_pool",
    "mobilenetv3_small_050": "global_pool",  # with a layer between pooling and the head
    "densenet121": "global_pool",
    "convnext_atto": "head.global_pool",
    "vgg11_bn": "pre_logits",  # dense layers, that pool what they are given
}


@pytest.mark.parametrize("model", LAYERS)
def test_the_map_is_as_in_the_paper(model: str) -> None:
    backend, batch = opened(model, 64)
    maps = backend.grad_cam([batch])
    network, seen = backend._model.eval(), []
    layer = network.base.get_submodule(LAYERS[model])
    layer.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach().requires_grad_()) or (seen[0],))
    logits = network(normalised(to_device(batch.images, torch.device("cpu")), backend._contract))
    (gradient,) = torch.autograd.grad(logits[range(4), LABELS].sum(), seen[0])
    by_hand = (gradient.mean(dim=(2, 3), keepdim=True) * seen[0]).sum(dim=1).clamp(min=0).detach().numpy()
    assert by_hand.max() > 0
    highest = by_hand.max(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(maps, by_hand / np.where(highest > 0, highest, 1), atol=1e-5)


def test_nothing_is_left_behind() -> None:
    backend, batch = opened("mobilenetv3_small_050", 64)

    def state() -> list[object]:
        modules = [(module.training, len(module._forward_hooks)) for module in backend._model.modules()]
        return [*modules, *((parameter.requires_grad, parameter.grad) for parameter in backend._model.parameters())]

    backend.train_epoch([batch], everywhere(0.0), lambda _: None)
    backend._optimizer.clear()
    before = state()
    backend.grad_cam([batch])
    assert state() == before


def test_there_is_none_of_a_single_place() -> None:
    backend, batch = opened("mobilenetv3_small_050", 32)
    assert backend.grad_cam([batch]) is None
