"""OpenVINO on the CPU: a converted network, compiled once, run on batches of any size."""

from __future__ import annotations

import functools
import importlib.util
import os
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from unfreeze.recipe.network import InputContract
from unfreeze.recipe.plan import Precision

# Pictures a request: few, so that what lies between two layers stays in the processor's caches.
# Always the same number, so that a picture's result depends on no other and on no batch size.
PICTURES = 2
_SWITCH = "UNFREEZE_ENGINE"
# Two for each stream: one runs, one waits with its input at hand.
_REQUESTS_PER_STREAM = 2


def available() -> bool:
    """Whether OpenVINO is installed, can be loaded, and isn't switched off with UNFREEZE_ENGINE=off."""
    return os.environ.get(_SWITCH) != "off" and importlib.util.find_spec("openvino") is not None and _loads()


@functools.cache
def _loads() -> bool:
    try:
        load()
    except Exception:  # a library it needs is missing, or isn't the one it was built with
        return False
    return True


def load() -> Any:
    """The package, without its telemetry.

    On import OpenVINO sends an event to its maker, and others on each conversion, through the package openvino_telemetry; where
    that can't be imported it uses a stub of its own that sends nothing.
    """
    if "openvino" not in sys.modules:
        sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino


def name() -> str:
    """The engine in words: `OpenVINO 2026.4.1`."""
    return f"OpenVINO {load().get_version().split('-')[0]}"


class Engine:
    """A converted network, compiled for the CPU.

    Takes and gives arrays of any number B of pictures. Pictures are uint8 [B, S, S, 3], RGB; activations and outputs are
    float32 or, where the precision is bfloat16, its bits in uint16. Those with four dimensions are [B, H, W, C].
    """

    def __init__(
        self, model: Any, contract: InputContract | None, precision: Precision, layout: Literal["NCHW", "NHWC"]
    ) -> None:
        """Compiles.

        Args:
            model: an `openvino.Model` for float32 inputs of `PICTURES` pictures.
            contract: how to normalise pictures; None where the inputs are activations.
            precision: in which the layers compute and the outputs are given.
            layout: of the model's own inputs and outputs with four dimensions.

        Raises:
            RuntimeError: OpenVINO can't compile it.
        """
        self._openvino = openvino = load()
        floats = openvino.Type.bf16 if precision == "bfloat16" else openvino.Type.f32
        self._input_type = floats if contract is None else openvino.Type.u8
        prepared = _with_preprocessing(openvino, model, contract, precision, layout)
        settings = {
            "INFERENCE_PRECISION_HINT": "bf16" if precision == "bfloat16" else "f32",
            # Streams of few threads: two of one thread each run 1.5 times as fast as one of two.
            "PERFORMANCE_HINT": "THROUGHPUT",
            "ENABLE_CPU_PINNING": False,  # pictures are decoded on the same cores
        }
        compiled = openvino.Core().compile_model(prepared, "CPU", settings)
        streams = compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")
        self._idle = [compiled.create_infer_request() for _ in range(streams * _REQUESTS_PER_STREAM)]
        self._busy: deque[tuple[Any, list[NDArray[Any]], _Batch, slice]] = deque()
        self._shapes = [tuple(output.shape)[1:] for output in compiled.outputs]
        self._type = np.uint16 if precision == "bfloat16" else np.float32

    def __call__(self, values: tuple[NDArray[Any], ...]) -> tuple[NDArray[Any], ...]:
        """The outputs for a batch."""
        return self._finish(self._start(values))

    def run(self, batches: Iterable[tuple[NDArray[Any], ...]]) -> Iterator[tuple[NDArray[Any], ...]]:
        """The outputs for each batch, in order; a batch starts before the one before it is finished."""
        started: deque[_Batch] = deque()
        try:
            for values in batches:
                started.append(self._start(values))
                if len(started) > 1:
                    yield self._finish(started.popleft())
            while started:
                yield self._finish(started.popleft())
        finally:  # whoever takes no more of them: nothing may write into memory that is given back
            while started:
                self._finish(started.popleft())

    def _start(self, values: tuple[NDArray[Any], ...]) -> _Batch:
        count = len(values[0])
        batch = _Batch(tuple(np.empty((count, *shape), self._type) for shape in self._shapes))
        for first in range(0, count, PICTURES):
            if not self._idle:
                self._collect()
            place = slice(first, min(first + PICTURES, count))
            request = self._idle.pop()
            inputs = [_padded(value[place]) for value in values]
            for number, part in enumerate(inputs):
                request.set_input_tensor(number, self._openvino.Tensor(part, part.shape, self._input_type))
            request.start_async()
            self._busy.append((request, inputs, batch, place))  # the tensors share the arrays' memory
            batch.running += 1
        return batch

    def _finish(self, batch: _Batch) -> tuple[NDArray[Any], ...]:
        while batch.running:
            self._collect()
        return batch.outputs

    def _collect(self) -> None:
        """Waits for the oldest request and takes its results."""
        request, _, batch, place = self._busy.popleft()
        try:
            request.wait()
            for number, output in enumerate(batch.outputs):
                output[place] = request.get_output_tensor(number).data.view(output.dtype)[: place.stop - place.start]
        finally:
            batch.running -= 1
            self._idle.append(request)


@dataclass
class _Batch:
    """The outputs of a batch, and how many requests still have to fill a part of them."""

    outputs: tuple[NDArray[Any], ...]
    running: int = 0


def _with_preprocessing(openvino: Any, model: Any, contract: InputContract | None, precision: Precision, layout: str) -> Any:
    from openvino.preprocess import PrePostProcessor

    values = openvino.Type.bf16 if precision == "bfloat16" else openvino.Type.f32
    steps = PrePostProcessor(model)
    for number, given in enumerate(model.inputs):
        arriving = steps.input(number)
        if len(given.partial_shape) == len(layout):
            arriving.model().set_layout(openvino.Layout(layout))
            arriving.tensor().set_layout(openvino.Layout("NHWC"))
        arriving.tensor().set_element_type(values if contract is None else openvino.Type.u8)
        if contract is not None:
            _normalise(arriving.preprocess(), contract, openvino.Type.f32)
    for number, made in enumerate(model.outputs):
        leaving = steps.output(number)
        if len(made.partial_shape) == len(layout):
            leaving.model().set_layout(openvino.Layout(layout))
            leaving.tensor().set_layout(openvino.Layout("NHWC"))
        leaving.tensor().set_element_type(values)
    return steps.build()


def _normalise(steps: Any, contract: InputContract, number: Any) -> None:
    order = [2, 1, 0] if contract.channel_order == "BGR" else [0, 1, 2]
    steps.convert_element_type(number)
    if order != [0, 1, 2]:
        steps.reverse_channels()
    # Of values in 0–255.
    steps.mean([255 * contract.mean[channel] for channel in order])
    steps.scale([255 * contract.std[channel] for channel in order])


def _padded(values: NDArray[Any]) -> NDArray[Any]:
    missing = PICTURES - len(values)
    if missing:
        values = np.concatenate([values, np.zeros((missing, *values.shape[1:]), values.dtype)])
    return np.require(values, requirements=["C", "W"])
