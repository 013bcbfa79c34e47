"""Frozen means frozen, in a loop of one's own: no gradients, and inference mode whatever `model.train()` says."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TypeVar

from torch import Tensor, nn

from unfreeze.backends.torch.pieces.order import Call, bare, calls_of, holds_weights
from unfreeze.backends.torch.pieces.stages import registered, stages
from unfreeze.errors import ModelError
from unfreeze.recipe.network import Layer, Stage
from unfreeze.training.blocks import layers_before

Model = TypeVar("Model", bound=nn.Module)


def freeze(model: Model, before: str, sample: Tensor | None = None) -> Model:
    """Freezes everything before a boundary, and lets everything from there on train.

    Frozen parameters have no gradients, and frozen modules stay in inference mode whatever `model.train()` says: BatchNorm
    statistics don't move, and dropout and stochastic depth are off. `requires_grad_(False)` alone leaves both to `train()`.
    A dropout between the last frozen layer and the first that trains belongs to the latter.

    Call it again to move the boundary; `before="stem"` unfreezes everything. Names and values of `state_dict()` are as before,
    and copies of the model (`copy.deepcopy`, `pickle`, `torch.save` of the whole) are frozen likewise. How it is done: a frozen
    module's `train` is its own, which does what `eval` does. Dropout that a module's own code calls as a function
    (`F.dropout(x, training=self.training)`) goes by that module's mode, which is frozen where all its layers are.

    Args:
        model: any `torch.nn.Module`; it is changed.
        before: a stage (`stages(model)` lists them, `head` is the last) or the path of a module, such as `layer4`.
        sample: a batch that the model takes, see `stages`.

    Returns:
        The model.

    Raises:
        ModelError: there is no such stage or module, or the model's order can't be told, see `stages`. Where a path is given
            it needn't be: modules are then taken in the order in which they were defined.
    """
    freeze_before(bare(model), before, *order_of(model, before, sample))
    return model


def order_of(model: nn.Module, before: str, sample: Tensor | None) -> tuple[list[Stage], dict[str, Call]]:
    """The stages and the calls that a boundary is told by."""
    model = bare(model)
    try:
        return stages(model, sample), calls_of(model, sample)
    except ModelError:
        if sample is not None or not any(before == path for path, _ in model.named_modules() if path):
            raise
        paths = [path for path, _ in model.named_modules()]
        return registered(model), {path: Call(place, place) for place, path in enumerate(paths)}


def freeze_before(model: nn.Module, before: str, parts: list[Stage], calls: dict[str, Call]) -> None:
    """`freeze`, for a model whose order is known."""
    frozen, trainable = layers_before(parts, before)
    for layer in frozen:
        for parameter in model.get_submodule(layer.path).parameters(recurse=False):
            parameter.requires_grad_(False)
            parameter.grad = None
    shared = {id(parameter) for layer in frozen for parameter in model.get_submodule(layer.path).parameters(recurse=False)}
    for layer in trainable:
        for parameter in model.get_submodule(layer.path).parameters(recurse=False):
            if id(parameter) not in shared:  # what is used on both sides is frozen
                parameter.requires_grad_(True)
    held = {id(module) for module in _frozen_modules(model, frozen, calls)}
    for module in model.modules():
        if id(module) in held:
            vars(module)["train"] = partial(_stay_in_inference, module)
            module.training = False
        elif _is_held(module):
            del vars(module)["train"]
            module.training = model.training


def _stay_in_inference(module: nn.Module, mode: bool = True) -> nn.Module:  # noqa: ARG001
    """The `train` of a frozen module: what `eval` does. Bound by `partial`, it is copied and pickled with its module."""
    type(module).train(module, False)
    return module


def _is_held(module: nn.Module) -> bool:
    return getattr(vars(module).get("train"), "func", None) is _stay_in_inference


def _frozen_modules(model: nn.Module, frozen: tuple[Layer, ...], calls: dict[str, Call]) -> Iterator[nn.Module]:
    """Those whose layers are all frozen, with all they hold, and those without weights that run between frozen layers.

    What runs before all layers, such as augmentation, isn't the network's.
    """
    paths = {layer.path for layer in frozen}
    first = min((calls[path].first for path in paths if path in calls), default=-1)
    last = max((calls[path].last for path in paths if path in calls), default=-1)
    whole: set[int] = set()
    for path, module in model.named_modules():
        layers = [_join(path, name) for name, inner in module.named_modules() if holds_weights(inner)]
        if id(module) in whole or (layers and paths.issuperset(layers)):
            whole.update(id(inner) for inner in module.modules())
            yield module
        elif not layers and path in calls and first < calls[path].first <= calls[path].last < last:
            yield module


def _join(path: str, name: str) -> str:
    return ".".join(part for part in (path, name) if part)
