"""The stages of any timm network, in forward order."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator

from timm.models._manipulate import group_with_matcher
from torch import nn

from unfreeze.errors import ModelError
from unfreeze.recipe.network import HEAD, STEM, Layer, Stage

# The attribute under which `head.FineTuned` holds the new head, and so the first part of its layers' paths.
NEW_HEAD = "new_head"
# Layers whose weights have at least so many dimensions are convolutions or dense layers; vectors are norms, scales, biases.
_MATRIX = 2


def stages_of(base: nn.Module) -> tuple[Stage, ...]:
    """The stages of a timm network made without its classifier: `stem`, then `stage1` … `stageN`.

    timm's own grouping (`group_matcher`) with two changes: a last group of nothing but normalisation belongs to the stage
    before it, and where groups are single layers (VGG) those between two poolings make one stage.

    Raises:
        ModelError: timm gives no grouping for this network.
    """
    groups = _merge_trailing_norm(_merge_single_layers(base, _layer_groups(base)))
    names = [STEM, *(f"stage{number}" for number in range(1, len(groups)))]
    return tuple(Stage(name=name, layers=tuple(layers)) for name, layers in zip(names, groups, strict=True))


def head_stage(head: nn.Module) -> Stage:
    """The stage `head`: the layers of the new head."""
    layers = [_layer(f"{NEW_HEAD}.{path}", module) for path, module in _modules_with_weights(head)]
    return Stage(name=HEAD, layers=tuple(layers))


def _layer_groups(base: nn.Module) -> list[list[Layer]]:
    layers = {path: _layer(path, module) for path, module in _modules_with_weights(base)}
    try:
        matcher = base.group_matcher(coarse=True)  # type: ignore[operator]
    except (AttributeError, AssertionError, NotImplementedError):
        raise ModelError(f"timm gives no stages for {type(base).__name__}: choose another network") from None
    # The matcher's patterns are made for names of tensors, so give it one per layer.
    tensors = {f"{path}.{name}": path for path, module in _modules_with_weights(base) for name in _own_tensors(module)}
    number_of = group_with_matcher(((name, None) for name in tensors), matcher, reverse=True)
    number_of_layer = {tensors[name]: number for name, number in number_of.items()}
    groups: dict[int, list[Layer]] = defaultdict(list)
    for path, layer in layers.items():
        groups[number_of_layer[path]].append(layer)
    return [groups[number] for number in sorted(groups)]


def _merge_trailing_norm(groups: list[list[Layer]]) -> list[list[Layer]]:
    if len(groups) > 1 and not any(layer.counts for layer in groups[-1]):
        return [*groups[:-2], groups[-2] + groups[-1]]
    return groups


def _merge_single_layers(base: nn.Module, groups: list[list[Layer]]) -> list[list[Layer]]:
    if sum(len(group) > 1 for group in groups) > len(groups) / 2:
        return groups
    order = [path for path, _ in base.named_modules()]
    # The last module before each halving of the resolution.
    ends = [order.index(info["module"]) for info in base.feature_info]  # type: ignore[union-attr, index]

    def block(group: list[Layer]) -> int:
        place = order.index(group[0].path)
        return sum(end < place for end in ends)

    return [list(itertools.chain(*members)) for _, members in itertools.groupby(groups, key=block)]


def _modules_with_weights(module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Modules with parameters or buffers of their own: also a BatchNorm without scale and shift has statistics to freeze."""
    for path, child in module.named_modules():
        if path and any(True for _ in _own_tensors(child)):
            yield path, child


def _own_tensors(module: nn.Module) -> Iterator[str]:
    yield from (name for name, _ in module.named_parameters(recurse=False))
    yield from (name for name, _ in module.named_buffers(recurse=False))


def _layer(path: str, module: nn.Module) -> Layer:
    own = list(module.parameters(recurse=False))
    return Layer(
        path=path,
        parameters=sum(parameter.numel() for parameter in own),
        counts=any(parameter.dim() >= _MATRIX for parameter in own),
    )
