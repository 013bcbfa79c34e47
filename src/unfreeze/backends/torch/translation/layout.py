"""Where PyTorch's dimensions are in a channels-last tensor, so that most reshapes and permutes between the two vanish."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Value:
    """A tensor of the neutral graph as PyTorch sees it.

    Attributes:
        node: the neutral node that holds it.
        shape: in PyTorch's order of dimensions, with the batch.
        axes: for each of PyTorch's dimensions the neutral axis; (0, 3, 1, 2) for pictures. Axis 0 is always the batch.
    """

    node: str
    shape: tuple[int, ...]
    axes: tuple[int, ...]

    @property
    def neutral_shape(self) -> tuple[int, ...]:
        return tuple(self.shape[dim] for dim in inverse(self.axes))


@dataclass(frozen=True)
class Reshape:
    """How to reshape a neutral tensor: transpose it by `transpose`, then give it `shape`; `axes` as in `Value`."""

    transpose: tuple[int, ...]
    shape: tuple[int, ...]
    axes: tuple[int, ...]


def channels_last(rank: int) -> tuple[int, ...]:
    """The axes of PyTorch's [B, C, …] in [B, …, C]."""
    return (0, rank - 1, *range(1, rank - 1)) if rank > 1 else (0,)


def inverse(permutation: tuple[int, ...]) -> tuple[int, ...]:
    """The dimension at each axis, for the axis of each dimension; and the other way round."""
    return tuple(permutation.index(place) for place in range(len(permutation)))


def plan_reshape(value: Value, shape: tuple[int, ...]) -> Reshape | None:
    """What makes of a value what PyTorch's `reshape` to `shape` does; None where pictures of the batch would mix.

    Dimensions that split or merge among themselves are a group. Groups keep the order in which they are in the neutral
    tensor, so splitting the channels of [B, H, W, C] leaves them last.
    """
    groups = _groups(value.shape, shape)
    groups.sort(key=lambda group: min(value.axes[dim] for dim in group[0]))
    if not groups or value.axes[groups[0][0][0]] != 0 or [len(dims) for dims in groups[0]] != [1, 1]:
        return None
    taken = [value.axes[dim] for dims, _ in groups for dim in dims]
    transpose = tuple(range(len(value.axes)))
    if taken != sorted(taken):
        transpose = (*taken, *(axis for axis in transpose if axis not in taken))
    order = _place_ones([dim for _, dims in groups for dim in dims], len(shape))
    return Reshape(transpose, tuple(shape[dim] for dim in order), inverse(order))


def _groups(before: tuple[int, ...], after: tuple[int, ...]) -> list[tuple[list[int], list[int]]]:
    """The smallest sets of dimensions, larger than 1, of equal product before and after a reshape, in order."""
    left, right = ([dim for dim, size in enumerate(shape) if size != 1] for shape in (before, after))
    groups = []
    while left and right:
        dims, new_dims = [left.pop(0)], [right.pop(0)]
        size, new_size = before[dims[0]], after[new_dims[0]]
        while size != new_size:
            if size < new_size:
                dims.append(left.pop(0))
                size *= before[dims[-1]]
            else:
                new_dims.append(right.pop(0))
                new_size *= after[new_dims[-1]]
        groups.append((dims, new_dims))
    return groups


def _place_ones(order: list[int], rank: int) -> tuple[int, ...]:
    """All dimensions in neutral order, given that of those larger than 1: channels-last where that is possible."""
    for candidate in (inverse(channels_last(rank)), tuple(range(rank))):
        if candidate[0] == order[0] and [dim for dim in candidate if dim in order] == order:
            return candidate
    return (*order, *(dim for dim in range(rank) if dim not in order))
