"""Stages of a network that isn't known by name, and boundaries among stages. No framework here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from unfreeze.errors import ModelError, did_you_mean
from unfreeze.recipe.network import HEAD, STEM, Layer, Stage

# Maps at most this part as large as those a stage began with begin the next: half, give or take what odd sides lose.
_FALLS_TO = 2 / 3


@dataclass
class Block:
    """What isn't cut: a layer, or several with ways around them.

    Attributes:
        layers: those that hold weights, in forward order.
        side: height or width of the maps it gives, the larger; None where it gives none, or it isn't known.
    """

    layers: list[Layer]
    side: int | None


def falls(began: int | None, side: int | None) -> bool:
    """Whether maps are half as large as others, give or take what odd sides lose."""
    return began is not None and side is not None and side <= began * _FALLS_TO


def stages_of_blocks(blocks: Iterable[Block], head: list[Layer]) -> list[Stage]:
    """Stages in forward order.

    The stem ends before the first block of several convolutions, or where the resolution halves, but holds one block. From
    there each halving begins a stage. A block of nothing but normalisation begins none.
    """
    groups: list[list[Layer]] = []
    began = None
    for block in blocks:
        many = sum(layer.counts for layer in block.layers)
        if not groups or (many and (falls(began, block.side) or (len(groups) == 1 and many > 1))):
            groups.append([])
            began = block.side
        groups[-1] += block.layers
    return named(groups, head)


def named(groups: list[list[Layer]], head: list[Layer]) -> list[Stage]:
    """`stem`, `stage1` … `stageN` and, where it has layers, `head`.

    A last group of nothing but normalisation, as a classifier leaves it, belongs to the one before it.
    """
    groups = [group for group in groups if group]
    if len(groups) > 1 and not any(layer.counts for layer in groups[-1]):
        groups = [*groups[:-2], groups[-2] + groups[-1]]
    names = [STEM, *(f"stage{number}" for number in range(1, len(groups)))]
    parts = [Stage(name=name, layers=tuple(layers)) for name, layers in zip(names, groups, strict=False)]
    return [*parts, Stage(name=HEAD, layers=tuple(head))] if head else parts


def layers_before(stages: list[Stage], before: str) -> tuple[tuple[Layer, ...], tuple[Layer, ...]]:
    """The layers before a boundary, and those from it on.

    Args:
        before: a stage, or the path of a layer or of what holds layers: the first of them is then the boundary.

    Raises:
        ModelError: there is nothing of that name, or a stage and a path of that name begin at different layers.
    """
    layers = [layer for stage in stages for layer in stage.layers]
    first = {stage.name: stage.layers[0].path for stage in stages}
    below = next((layer.path for layer in layers if at_or_below(layer.path, before)), None)
    start = first.get(before, below)
    if start is None:
        paths = [*first, *sorted({path for layer in layers for path in _with_parents(layer.path)})]
        raise ModelError(
            f"before: the model has no stage, and nothing with weights, named '{before}'.{did_you_mean(before, paths)}"
            f" Its stages are {', '.join(first)}; a path such as {layers[len(layers) // 2].path} will do too."
        )
    if below not in (None, start):
        raise ModelError(
            f"before: '{before}' is a stage, which begins at {start}, and a part of this model, which begins at {below}:"
            " give the one of these two paths that is meant"
        )
    place = [layer.path for layer in layers].index(start)
    return tuple(layers[:place]), tuple(layers[place:])


def at_or_below(path: str, place: str) -> bool:
    """Whether a path is a place, or inside it; `.` and `/` part the names of a path."""
    return path == place or path.startswith((f"{place}.", f"{place}/"))


def _with_parents(path: str) -> list[str]:
    return [path, *(path[:end] for end, letter in enumerate(path) if letter in "./")]
