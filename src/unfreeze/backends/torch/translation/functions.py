"""Functions of each number, or along one dimension."""

from __future__ import annotations

from typing import Any

from unfreeze.backends.torch.translation.layout import Value
from unfreeze.backends.torch.translation.translator import Handler, Translation, translates
from unfreeze.exchange.graph import Op


def _function(op: Op, function: str) -> Handler:
    def handler(t: Translation, x: Value) -> Value:
        return t.apply(op, x, function=function)

    return handler


for _name in ("relu", "relu6", "silu", "mish", "sigmoid", "tanh"):
    translates(f"{_name}.default")(_function("activation", _name))
for _name in ("sqrt", "rsqrt", "exp", "abs"):
    translates(f"{_name}.default")(_function("unary", _name))
translates("hardsigmoid.default")(_function("activation", "hard_sigmoid"))
translates("hardswish.default")(_function("activation", "hard_silu"))
translates("neg.default")(_function("unary", "negative"))


@translates("hardtanh.default")
def _hardtanh(t: Translation, x: Value, min_val: float, max_val: float) -> Value:
    if (min_val, max_val) != (0, 6):
        t.refuse(f"there is no translation for it between {min_val} and {max_val}")
    return t.apply("activation", x, function="relu6")


@translates("gelu.default")
def _gelu(t: Translation, x: Value, approximate: str) -> Value:
    return t.apply("activation", x, function="gelu" if approximate == "none" else "gelu_tanh")


@translates("leaky_relu.default")
def _leaky_relu(t: Translation, x: Value, negative_slope: float) -> Value:
    return t.apply("activation", x, function="leaky_relu", slope=negative_slope)


@translates("elu.default")
def _elu(t: Translation, x: Value, alpha: float, scale: float, input_scale: float) -> Value:
    if (alpha, scale, input_scale) != (1, 1, 1):
        t.refuse("there is no translation for it with a factor")
    return t.apply("activation", x, function="elu")


@translates("softmax.int")
def _softmax(t: Translation, x: Value, dim: int, **_: Any) -> Value:
    return t.apply("activation", x, function="softmax", axis=x.axes[dim])


@translates("pow.Tensor_Scalar")
def _power(t: Translation, x: Value, exponent: float) -> Value:
    return t.apply("unary", x, function="square") if exponent == 2 else t.apply("power", x, exponent=exponent)
