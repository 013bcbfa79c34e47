"""Whether anything frozen moved."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from unfreeze.backends.tensorflow.pieces.freezing import order_of, path_of
from unfreeze.errors import ModelError
from unfreeze.training.blocks import layers_before
from unfreeze.training.moved import Moved, explain


@contextmanager
def assert_frozen(model: keras.Model, before: str) -> Iterator[None]:
    """Checks that nothing before a boundary moves inside the `with` block, by the bytes of weights, statistics included.

        with assert_frozen(model, before="stage4"):
            model.fit(pictures)

    It works on any model, however it was frozen, and keeps a copy of the frozen weights as long as the block runs.

    Args:
        model: a `keras.Model`, as `freeze` takes it.
        before: a stage, or the path or name of a layer, as `freeze` takes it.

    Raises:
        ModelError: at the end, something moved: the message names the variables, says by how much, and the likely cause. At
            the beginning, there is no such stage or layer.
    """
    calls, parts = order_of(model, before)
    frozen, _ = layers_before(parts, path_of(before, parts))
    paths = {layer.path for layer in frozen}
    variables = {variable.path: variable for call in calls if call.path in paths for variable in call.weights}
    made_to_train = {
        id(variable)
        for call in calls
        if call.weights
        for layer in call.layer._flatten_layers()
        for variable in layer._trainable_variables
    }  # fmt: skip
    kept = {path: _values(variable) for path, variable in variables.items()}
    yield
    moved = []
    for path, variable in variables.items():
        now = _values(variable)
        if now.tobytes() != kept[path].tobytes():
            kind = "statistic" if id(variable) not in made_to_train else "trains" if variable.trainable else "fixed"
            most = float(np.abs(now.astype(np.float64) - kept[path].astype(np.float64)).max())
            moved.append(Moved(path, kind, most))  # type: ignore[arg-type]
    if moved:
        raise ModelError(explain(before, moved, len(kept), cause=_cause(moved)))


def _values(variable: Any) -> NDArray[Any]:
    values: NDArray[Any] = keras.ops.convert_to_numpy(variable).copy()
    return values


def _cause(moved: list[Moved]) -> str:
    kinds = {tensor.kind for tensor in moved}
    causes = []
    if "statistic" in kinds:
        causes.append(
            "Moving statistics follow the batches in fit wherever trainable is True, and base(x, training=False) doesn't keep"
            " them in a functional model: unfreeze.keras.freeze(model, before=...) does."
        )
    if "trains" in kinds:
        causes.append("Variables that are trainable are trained: call unfreeze.keras.freeze(model, before=...) first.")
    if "fixed" in kinds:
        causes.append(
            "Variables that aren't trainable moved all the same: trainable was set after compile, which goes unnoticed until"
            " the model is compiled again (unfreeze.keras.freeze sees to it), or something wrote them, as load_weights does."
        )
    return " ".join(causes)
