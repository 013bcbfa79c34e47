"""Batch norms folded into the convolutions before them, for parts of a network that only infer."""

from __future__ import annotations

import copy
from collections import Counter

from timm.layers import BatchNormAct2d, Conv2dSame
from torch import fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

# Exactly these: others made from them, such as weight-standardised ones, change their weights on the way.
_FOLDABLE = (nn.Conv2d, Conv2dSame)
_NORMS = (nn.BatchNorm2d, BatchNormAct2d)


def folded(part: fx.GraphModule) -> fx.GraphModule:
    """A copy of a part of a network for inference that computes the same with fewer passes over memory.

    The copy has weights of its own: those that the part has now.
    """
    made = copy.deepcopy(part).eval()
    for convolution, norm, path in _pairs(made):
        _fold(convolution, norm)
        # A norm of timm has the activation inside.
        made.set_submodule(path, norm.act if isinstance(norm, BatchNormAct2d) else nn.Identity())
    return made


def _pairs(part: fx.GraphModule) -> list[tuple[nn.Conv2d, nn.BatchNorm2d, str]]:
    """The batch norms that alone take what a convolution gives, with it and with their own path."""
    calls = Counter(node.target for node in part.graph.nodes if node.op == "call_module")
    found = []
    for node in part.graph.nodes:
        source = node.all_input_nodes[0] if node.all_input_nodes else node
        if node.op == source.op == "call_module" and len(source.users) == 1 == calls[source.target] == calls[node.target]:
            convolution, norm = part.get_submodule(str(source.target)), part.get_submodule(str(node.target))
            if type(convolution) in _FOLDABLE and type(norm) in _NORMS and norm.track_running_stats:
                found.append((convolution, norm, str(node.target)))
    return found  # type: ignore[return-value]


def _fold(convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
    assert norm.running_mean is not None and norm.running_var is not None
    convolution.weight, convolution.bias = fuse_conv_bn_weights(
        convolution.weight, convolution.bias, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
    )
