"""Frozen means frozen: parameters without gradients, and layers in inference mode whatever the rest does."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from unfreeze.backends.torch.head import FineTuned
from unfreeze.backends.torch.machine import autocast
from unfreeze.backends.torch.stages import NEW_HEAD
from unfreeze.recipe.network import Layer


def module_at(model: FineTuned, layer: Layer) -> nn.Module:
    """The module of a layer of the plan's network."""
    inside_head = layer.path.startswith(f"{NEW_HEAD}.")
    return model.get_submodule(layer.path if inside_head else f"base.{layer.path}")


def freeze(model: FineTuned, frozen: Iterable[Layer], trainable: Iterable[Layer]) -> None:
    """Gradients for the trainable layers only; a frozen parameter also loses the gradient it had."""
    for layer in frozen:
        for parameter in module_at(model, layer).parameters(recurse=False):
            parameter.requires_grad_(False)
            parameter.grad = None
    for layer in trainable:
        for parameter in module_at(model, layer).parameters(recurse=False):
            parameter.requires_grad_(True)


def set_training_mode(model: FineTuned, frozen: Iterable[Layer], freeze_statistics: bool) -> None:
    """Training mode for the model, inference mode for its frozen part and, where asked, for every BatchNorm.

    `model.train()` alone would let the running statistics of frozen BatchNorm layers move and switch their dropout and
    stochastic depth on; `model.eval()` alone would switch the head's dropout off. A block of which every layer is frozen goes
    into inference mode whole, so that layers without weights inside it do too.
    """
    model.train()
    frozen_modules = {id(module_at(model, layer)) for layer in frozen}
    _freeze_below(model, frozen_modules)
    if freeze_statistics:
        # In inference mode scale and shift still train: only the statistics stay.
        for module in model.base.modules():
            if isinstance(module, _BatchNorm):
                module.eval()


def _freeze_below(module: nn.Module, frozen_modules: set[int]) -> None:
    with_weights = list(_modules_with_weights(module))
    if with_weights and all(id(inner) in frozen_modules for inner in with_weights):
        module.eval()
        return
    if id(module) in frozen_modules:
        module.training = False
    for child in module.children():
        _freeze_below(child, frozen_modules)


def _modules_with_weights(module: nn.Module) -> Iterator[nn.Module]:
    for inner in module.modules():
        if inner._parameters or inner._buffers:
            yield inner


class LayerPrecision:
    """On a CPU, frozen layers compute in bfloat16 and trainable ones in float32.

    bfloat16 speeds up the forward pass of convolutions and slows down the backward pass of the depthwise ones (measured:
    docs/decisions/0005-precision-on-a-cpu.md), and the frozen prefix has a forward pass only.
    """

    def __init__(self) -> None:
        self._hooks: list[torch.utils.hooks.RemovableHandle] = []

    def remove(self) -> None:
        """Lets all layers compute as they would."""
        for hook in self._hooks:
            hook.remove()
        self._hooks = []

    def apply(self, model: FineTuned, frozen: Iterable[Layer], trainable: Iterable[Layer]) -> None:
        """Sets the precision of each layer; replaces what an earlier call set."""
        self.remove()
        self._hooks = [hook for layer in frozen for hook in _compute_in_bfloat16(module_at(model, layer))]
        self._hooks += [module_at(model, layer).register_forward_pre_hook(_inputs_to_float32) for layer in trainable]


def _compute_in_bfloat16(module: nn.Module) -> list[torch.utils.hooks.RemovableHandle]:
    entered: list[contextlib.AbstractContextManager[None]] = []

    def enter(*_: object) -> None:
        context = autocast(torch.device("cpu"), "bfloat16")
        context.__enter__()
        entered.append(context)

    def leave(*_: object) -> None:
        entered.pop().__exit__(None, None, None)

    return [module.register_forward_pre_hook(enter), module.register_forward_hook(leave, always_call=True)]


def _inputs_to_float32(_: nn.Module, inputs: tuple[object, ...]) -> tuple[object, ...]:
    return tuple(value.float() if isinstance(value, Tensor) and value.is_floating_point() else value for value in inputs)
