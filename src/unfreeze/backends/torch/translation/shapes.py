"""Operations that move numbers and don't change them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import ceil
from typing import Any

from unfreeze.backends.torch.translation.layout import Value
from unfreeze.backends.torch.translation.padding import padded_by
from unfreeze.backends.torch.translation.translator import Translation, Weight, translates


@translates(
    "view.default", "_unsafe_view.default", "reshape.default", "flatten.using_ints", "unsqueeze.default", "squeeze.default",
    "squeeze.dim", "squeeze.dims",
)  # fmt: skip
def _reshape(t: Translation, x: Any, **_: Any) -> Value | Weight:
    return replace(x, shape=t.shape) if isinstance(x, Weight) else t.reshaped(x, t.shape)


@translates("permute.default")
def _permute(t: Translation, x: Any, dims: Sequence[int]) -> Value:
    if not isinstance(x, Value):
        t.refuse("it turns a parameter round")
    return Value(x.node, t.shape, tuple(x.axes[dim] for dim in dims))


@translates("transpose.int")
def _transpose(t: Translation, x: Any, dim0: int, dim1: int) -> Value:
    order = list(range(len(t.shape)))
    order[dim0], order[dim1] = order[dim1], order[dim0]
    return _permute(t, x, order)  # type: ignore[no-any-return]


@translates("alias.default", "contiguous.default", "expand.default", broadcasts=True)
def _as_it_is(_t: Translation, x: Any, **_: Any) -> Any:
    return x


@translates("clone.default", broadcasts=True)
def _copy(t: Translation, x: Any, **_: Any) -> Any:
    if t.dropped is None:
        return x
    path, rate = t.dropped
    return t.apply("drop_path", x, name=path, rate=rate)


@translates("cat.default")
def _concat(t: Translation, tensors: Sequence[Value], dim: int) -> Value:
    return concatenated(t, tensors, dim)


@translates("stack.default")
def _stack(t: Translation, tensors: Sequence[Value], dim: int) -> Value:
    dim %= len(t.shape)
    single = (*t.shape[:dim], 1, *t.shape[dim + 1 :])
    return concatenated(t, [t.reshaped(part, single) for part in tensors], dim)


@translates("slice.Tensor")
def _slice(t: Translation, x: Value, dim: int, start: int | None, end: int | None, step: int) -> Value:
    length = x.shape[dim]
    bounds = slice(start, end, step).indices(length)
    return x if bounds == (0, length, 1) else sliced(t, x, dim, *bounds)


@translates("select.int")
def _select(t: Translation, x: Value, dim: int, index: int) -> Value:
    index %= x.shape[dim]
    return t.reshaped(sliced(t, x, dim, index, index + 1), t.shape)


@translates("split.Tensor")
def _split(t: Translation, x: Value, split_size: int, dim: int) -> tuple[Value, ...]:
    length = x.shape[dim]
    return tuple(sliced(t, x, dim, start, min(start + split_size, length)) for start in range(0, length, split_size))


@translates("split_with_sizes.default")
def _split_with_sizes(t: Translation, x: Value, split_sizes: Sequence[int], dim: int) -> tuple[Value, ...]:
    ends = [sum(split_sizes[: number + 1]) for number in range(len(split_sizes))]
    return tuple(sliced(t, x, dim, end - size, end) for size, end in zip(split_sizes, ends, strict=True))


@translates("chunk.default")
def _chunk(t: Translation, x: Value, chunks: int, dim: int) -> tuple[Value, ...]:
    return _split(t, x, ceil(x.shape[dim] / chunks), dim)  # type: ignore[no-any-return]


@translates("unbind.int")
def _unbind(t: Translation, x: Value, dim: int) -> tuple[Value, ...]:
    dim %= len(x.shape)
    rest = (*x.shape[:dim], *x.shape[dim + 1 :])
    return tuple(t.reshaped(sliced(t, x, dim, index, index + 1), rest) for index in range(x.shape[dim]))


@translates("constant_pad_nd.default", "pad.default")
def _pad(t: Translation, x: Value, pad: Sequence[int], mode: str = "constant", value: float | None = 0) -> Value:
    if mode not in ("constant", "reflect"):
        t.refuse(f"there is no translation for padding of the kind '{mode}'")
    amounts = {}
    for place, (before, after) in enumerate(zip(pad[::2], pad[1::2], strict=True), start=1):  # from the last dimension on
        dim = len(x.shape) - place
        if before < 0 or after < 0:
            x = sliced(t, x, dim, max(-before, 0), x.shape[dim] + min(after, 0))
        amounts[dim] = (max(before, 0), max(after, 0))
    return padded_by(t, x, amounts, float(value or 0), mode)


@translates("upsample_nearest2d.vec")
def _nearest(t: Translation, input: Value, **_: Any) -> Value:
    return t.apply("resize", t.pictures(input), t.shape, size=t.shape[2:], interpolation="nearest")


@translates("upsample_bilinear2d.vec")
def _bilinear(t: Translation, input: Value, align_corners: bool, **_: Any) -> Value:
    if align_corners:
        t.refuse("there is no translation for a resize that aligns the corners")
    return t.apply("resize", t.pictures(input), t.shape, size=t.shape[2:], interpolation="bilinear")


def sliced(t: Translation, x: Value, dim: int, start: int, stop: int, step: int = 1) -> Value:
    """Every `step`-th index from `start` to `stop`, which isn't part of it."""
    dim %= len(x.shape)
    if x.axes[dim] == 0:
        t.refuse("it takes the batch apart")
    shape = (*x.shape[:dim], len(range(start, stop, step)), *x.shape[dim + 1 :])
    return t.apply("slice", x, shape, axis=x.axes[dim], start=start, stop=stop, step=step)


def concatenated(t: Translation, parts: Sequence[Value], dim: int) -> Value:
    """The values one after the other along a dimension."""
    first = parts[0]
    dim %= len(first.shape)
    if first.axes[dim] == 0:
        t.refuse("it makes the batch longer")
    shape = (*first.shape[:dim], sum(part.shape[dim] for part in parts), *first.shape[dim + 1 :])
    node = t.emit("concat", *(t.arranged(part, first.axes) for part in parts), axis=first.axes[dim])
    return Value(node, shape, first.axes)
