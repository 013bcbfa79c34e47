"""Whether anything frozen moved."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from unfreeze.backends.torch.pieces.freezing import order_of
from unfreeze.backends.torch.pieces.order import bare
from unfreeze.errors import ModelError
from unfreeze.training.blocks import layers_before
from unfreeze.training.moved import Kind, Moved, explain


@contextmanager
def assert_frozen(model: nn.Module, before: str, sample: Tensor | None = None) -> Iterator[None]:
    """Checks that nothing before a boundary moves inside the `with` block, by the bytes of parameters and of buffers.

        with assert_frozen(model, before="layer4"):
            train_one_epoch(model, loader)

    It works on any model, however it was frozen, and keeps a copy of the frozen tensors as long as the block runs.

    Args:
        model: any `torch.nn.Module`.
        before: a stage or the path of a module, as `freeze` takes it.
        sample: a batch that the model takes, see `stages`.

    Raises:
        ModelError: at the end, something moved: the message names the tensors, says by how much, and the likely cause. At
            the beginning, there is no such stage or module.
    """
    model = bare(model)
    frozen, _ = layers_before(order_of(model, before, sample)[0], before)
    kept = {name: tensor.detach().clone() for name, tensor in _tensors(model, [layer.path for layer in frozen])}
    yield
    now = dict(_tensors(model, [layer.path for layer in frozen]))
    moved = [_moved(model, name, kept[name], now.get(name)) for name in kept if _differs(kept[name], now.get(name))]
    if moved:
        raise ModelError(explain(before, moved, len(kept), cause=_cause(moved)))


def _tensors(model: nn.Module, paths: list[str]) -> Iterator[tuple[str, Tensor]]:
    for path in paths:
        module = model.get_submodule(path)
        for name, tensor in [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]:
            yield (f"{path}.{name}" if path else name), tensor


def _differs(before: Tensor, now: Tensor | None) -> bool:
    if now is None or now.shape != before.shape or now.dtype != before.dtype:
        return True
    # By bytes: NaN equals itself, and -0 isn't 0.
    flat = [tensor.detach().to(before.device).contiguous().reshape(-1).view(torch.uint8) for tensor in (before, now)]
    return not torch.equal(*flat)


def _moved(model: nn.Module, name: str, before: Tensor, now: Tensor | None) -> Moved:
    path, _, own = name.rpartition(".")
    parameter = model.get_submodule(path)._parameters.get(own)
    kind: Kind = "statistic" if parameter is None else "trains" if parameter.requires_grad else "fixed"
    if now is None or now.shape != before.shape:
        return Moved(name, kind, None)
    return Moved(name, kind, float((now.detach().to(before.device).double() - before.double()).abs().max()))


def _cause(moved: list[Moved]) -> str:
    kinds = {tensor.kind for tensor in moved}
    causes = []
    if "statistic" in kinds:
        causes.append(
            "Running statistics follow the batches in training mode, and model.train() after freezing puts a module back into"
            " it: unfreeze.torch.freeze(model, before=...) holds it in inference mode."
        )
    if "trains" in kinds:
        causes.append("Parameters that have requires_grad are trained: call unfreeze.torch.freeze(model, before=...) first.")
    if "fixed" in kinds:
        causes.append(
            "Parameters without requires_grad moved all the same: something wrote into them, such as load_state_dict, or an"
            " optimiser's step with gradients from before freezing (set them to None: optimizer.zero_grad())."
        )
    return " ".join(causes)
