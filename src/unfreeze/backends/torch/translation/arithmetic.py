"""Sums, products and the like, of tensors, numbers and parameters."""

from __future__ import annotations

from math import prod
from typing import Any

import torch

from unfreeze.backends.torch.translation.layers import scaled, shifted
from unfreeze.backends.torch.translation.layout import Value
from unfreeze.backends.torch.translation.translator import Handler, Translation, Weight, translates
from unfreeze.exchange.graph import Op


def _arithmetic(op: Op) -> Handler:
    def handler(t: Translation, x: Any, other: Any, alpha: float = 1) -> Value:
        x, other = _number(x), _number(other)
        if op in ("add", "multiply") and not isinstance(x, Value):
            x, other = other, x
        if not isinstance(x, Value):
            t.refuse("it computes with parameters or constants alone, for which Keras has no layer")
        if isinstance(other, torch.Tensor) or alpha != 1:
            t.refuse("there is no translation for it with these operands")
        if isinstance(other, Weight):
            return _with_weight(t, op, x, other)
        if isinstance(other, Value):
            return _with_value(t, op, x, other)
        return t.apply(op, x, scalar=other)

    return handler


def _with_weight(t: Translation, op: Op, x: Value, weight: Weight) -> Value:
    if op not in ("add", "multiply"):
        t.refuse(f"there is no translation for it with the parameter {weight.name}")
    return scaled(t, x, weight) if op == "multiply" else shifted(t, x, weight)


def _with_value(t: Translation, op: Op, x: Value, other: Value) -> Value:
    if len(x.shape) != len(other.shape):
        t.refuse("its operands have different ranks")
    # The larger one stays as it is.
    axes = x.axes if prod(x.shape) >= prod(other.shape) else other.axes
    return Value(t.emit(op, t.arranged(x, axes), t.arranged(other, axes)), t.shape, axes)


translates("add.Tensor", "add.Scalar", broadcasts=True)(_arithmetic("add"))
translates("sub.Tensor", "sub.Scalar", broadcasts=True)(_arithmetic("subtract"))
translates("mul.Tensor", "mul.Scalar", broadcasts=True)(_arithmetic("multiply"))
translates("div.Tensor", "div.Scalar", broadcasts=True)(_arithmetic("divide"))


@translates("rsub.Scalar", broadcasts=True)
def _from_number(t: Translation, x: Value, other: float, alpha: float = 1) -> Value:
    return t.apply("add", t.apply("multiply", x, scalar=-alpha), scalar=other)


@translates("addcmul.default")
def _addcmul(t: Translation, x: Any, tensor1: Any, tensor2: Any, value: float) -> Value:
    if not isinstance(x, Weight) or not isinstance(tensor1, Weight) or not isinstance(tensor2, Value) or value != 1:
        t.refuse("there is no translation for it with these operands")
    return scaled(t, tensor2, tensor1, x)


@translates("matmul.default")
def _matmul(t: Translation, x: Any, other: Any) -> Value:
    if not isinstance(x, Value) or not isinstance(other, Value) or len(x.shape) != len(other.shape):
        t.refuse("there is no translation for it with these operands")
    axes = tuple(range(len(t.shape)))
    return Value(t.emit("matmul", t.arranged(x, axes), t.arranged(other, axes), transpose=False), t.shape, axes)


@translates("scaled_dot_product_attention.default", broadcasts=True)
def _attention(
    t: Translation, query: Value, key: Value, value: Value, attn_mask: Any, is_causal: bool, scale: float | None, **_: Any
) -> Value:
    if attn_mask is not None or is_causal:
        t.refuse("its attention has a mask")
    axes = tuple(range(len(t.shape)))
    query, key, value = (t.arranged(part, axes) for part in (query, key, value))
    query = t.apply("multiply", query, scalar=query.shape[-1] ** -0.5 if scale is None else scale)
    scores = Value(t.emit("matmul", query, key, transpose=True), (*query.shape[:-1], key.shape[-2]), axes)
    weights = t.apply("activation", scores, function="softmax", axis=axes[-1])
    return Value(t.emit("matmul", weights, value, transpose=False), t.shape, axes)


def _number(given: Any) -> Any:
    """A constant tensor of one number as that number."""
    return given.item() if isinstance(given, torch.Tensor) and given.numel() == 1 else given
