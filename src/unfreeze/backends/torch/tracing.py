"""A network as a graph that can be cut: torch.fx's, with what each value is and what each node overwrites."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from timm.layers import get_notrace_functions, get_notrace_modules
from torch import Tensor, fx, nn
from torch._subclasses.fake_tensor import FakeTensorMode

# Any size but 1, which broadcasts; and no size that a network has for other reasons.
BATCH = 7


@dataclass(frozen=True)
class Value:
    """What a node gives.

    Attributes:
        shape: of a tensor, [B, ...] with a made-up B; None where the node gives something else, such as a size.
        storage: a number for the memory a tensor lies in: views have that of the tensor they are of.
        overwrites: the storages the node changes in place.
    """

    shape: tuple[int, ...] | None
    storage: int | None
    overwrites: frozenset[int]


def value_of(node: fx.Node) -> Value:
    """What is known of a node of a graph that `trace` made, or of a part of it."""
    value: Value = node.meta["value"]
    return value


def trace(base: nn.Module, side_px: int) -> fx.GraphModule | None:
    """The graph of a timm network without its classifier, at an input of [B, 3, side_px, side_px]; None where it has none.

    The graph shares its modules with the network, and with them weights and modes. It goes down to the modules that hold
    weights. A network whose own code, outside its modules, looks at `self.training` has none: a graph can't.
    """
    try:
        with modes_kept(base):
            in_training, traced = (fx.GraphModule(base, _Tracer().trace(base.train(mode))) for mode in (True, False))
        if in_training.code != traced.code:
            return None
        with modes_kept(base), torch.no_grad(), FakeTensorMode(allow_non_fake_inputs=True):
            base.eval()  # a BatchNorm in training mode counts its batches for real
            device = next(base.parameters()).device
            _Values(traced).run(torch.empty(BATCH, 3, side_px, side_px, device=device))
    except Exception:  # code that asks for values while it is traced fails in as many ways as there are networks
        return None
    traced.recompile()
    return traced


class _Tracer(fx.Tracer):
    """As timm's and torchvision's feature extractors trace, but always down to where weights lie and no further."""

    proxy_buffer_attributes = True

    def __init__(self) -> None:
        super().__init__(
            autowrap_modules=(math,), autowrap_functions=tuple(get_notrace_functions()), param_shapes_constant=True
        )

    def is_leaf_module(self, module: nn.Module, qualified_name: str) -> bool:
        if super().is_leaf_module(module, qualified_name) or isinstance(module, tuple(get_notrace_modules())):
            return True
        return not any(_has_weights(inner) for inner in module.modules() if inner is not module)


class _Values(fx.Interpreter):
    """Runs a graph on tensors without content and notes in `meta` what each node gives."""

    def __init__(self, module: fx.GraphModule) -> None:
        super().__init__(module, garbage_collect_values=False)  # a storage freed could come again as another's
        self._storages: dict[int, int] = {}

    def run_node(self, node: fx.Node) -> Any:
        inputs = {source: self.env[source] for source in node.all_input_nodes}
        tensors = {source: value for source, value in inputs.items() if isinstance(value, Tensor)}
        versions = {source: value._version for source, value in tensors.items()}
        result = super().run_node(node)
        changed = [source for source, value in tensors.items() if value._version != versions[source]]
        node.meta["value"] = Value(
            tuple(result.shape) if isinstance(result, Tensor) else None,
            self._storage(result) if isinstance(result, Tensor) else None,
            frozenset(self._storage(tensors[source]) for source in changed),
        )
        for source in changed:
            if result is tensors[source]:
                # The tensor is the node's result from here on, so whoever reads it later depends on the node.
                source.replace_all_uses_with(node, delete_user_cb=lambda user: user is not node and user > node)
        return result

    def _storage(self, tensor: Tensor) -> int:
        return self._storages.setdefault(tensor.untyped_storage()._cdata, len(self._storages))


@contextlib.contextmanager
def modes_kept(module: nn.Module) -> Iterator[None]:
    """Puts every module back into the mode it was in."""
    modes = [(inner, inner.training) for inner in module.modules()]
    try:
        yield
    finally:
        for inner, mode in modes:
            inner.training = mode


def _has_weights(module: nn.Module) -> bool:
    return bool(module._parameters or module._buffers)
