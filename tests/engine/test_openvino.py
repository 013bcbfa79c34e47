"""The inference engine: normalisation, batches of any size, order, both precisions; nothing sent, nothing printed."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from unfreeze.engine import openvino
from unfreeze.recipe.network import InputContract

# Not `importorskip`, which would import it with its telemetry.
pytestmark = pytest.mark.skipif(importlib.util.find_spec("openvino") is None, reason="OpenVINO isn't installed")

SIDE_PX = 6
CONTRACT = InputContract(side_px=SIDE_PX, channel_order="BGR", mean=(0.5, 0.4, 0.3), std=(0.2, 0.25, 0.5))
WEIGHTS = np.random.default_rng(1).normal(size=(3, 5)).astype(np.float32)


def model(shape: tuple[int, ...] = (SIDE_PX, SIDE_PX, 3)) -> Any:
    """A dense layer over the channels, [B, H, W, 3] to [B, H, W, 5], and its mean over the picture, [B, 5]."""
    ov = openvino.load()
    from openvino import opset13 as ops

    given = ops.parameter([openvino.PICTURES, *shape], np.float32)
    dense = ops.matmul(given, ops.constant(WEIGHTS), False, False)
    return ov.Model([dense, ops.reduce_mean(dense, ops.constant([1, 2]), False)], [given], "test")


def pictures(count: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (count, SIDE_PX, SIDE_PX, 3), dtype=np.uint8)


def expected(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    values = (images / 255 - CONTRACT.mean) / CONTRACT.std
    return values[..., ::-1] @ WEIGHTS


def from_bits(values: NDArray[np.uint16]) -> NDArray[np.float32]:
    return (values.astype(np.uint32) << 16).view(np.float32)


def test_pictures_are_normalised_as_the_contract_says() -> None:
    images = pictures(5)
    dense, mean = openvino.Engine(model(), CONTRACT, "float32", "NHWC")((images,))
    assert dense.dtype == mean.dtype == np.float32
    np.testing.assert_allclose(dense, expected(images), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(mean, expected(images).mean((1, 2)), rtol=1e-4, atol=1e-4)


def test_a_picture_has_the_same_result_in_any_batch() -> None:
    engine = openvino.Engine(model(), CONTRACT, "float32", "NHWC")
    images = pictures(7)
    whole = engine((images,))
    for chosen in (slice(0, 1), slice(2, 5), slice(6, 7)):
        for part, all_of_it in zip(engine((images[chosen],)), whole, strict=True):
            np.testing.assert_array_equal(part, all_of_it[chosen])


def test_results_come_in_order_while_the_next_batch_runs() -> None:
    engine = openvino.Engine(model(), CONTRACT, "float32", "NHWC")
    images = pictures(23)
    batches = [images[:8], images[8:9], images[9:20], images[20:]]
    given = list(engine.run((batch,) for batch in batches))
    assert [len(dense) for dense, _ in given] == [8, 1, 11, 3]
    np.testing.assert_array_equal(np.concatenate([dense for dense, _ in given]), engine((images,))[0])


def test_bfloat16_comes_and_goes_as_its_bits() -> None:
    images = pictures(3)
    dense, _ = openvino.Engine(model(), CONTRACT, "bfloat16", "NHWC")((images,))
    assert dense.dtype == np.uint16
    np.testing.assert_allclose(from_bits(dense), expected(images), rtol=2e-2, atol=5e-2)

    engine = openvino.Engine(model((2, 2, 3)), None, "bfloat16", "NHWC")
    ones = np.full((3, 2, 2, 3), 0x3F80, np.uint16)  # 1.0
    np.testing.assert_allclose(from_bits(engine((ones,))[1]), np.tile(WEIGHTS.sum(0), (3, 1)), rtol=2e-2, atol=2e-2)


def test_what_may_not_be_written_to_can_be_read() -> None:
    engine = openvino.Engine(model((2, 2, 3)), None, "float32", "NHWC")
    values = np.broadcast_to(np.float32(1), (2, 2, 2, 3))  # neither writable nor contiguous
    np.testing.assert_allclose(engine((values,))[1], np.tile(WEIGHTS.sum(0), (2, 1)), rtol=1e-5)


def test_it_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNFREEZE_ENGINE", "off")
    assert not openvino.available()
    monkeypatch.setenv("UNFREEZE_ENGINE", "on")
    assert openvino.available()


def test_it_sends_nothing_and_prints_nothing(tmp_path: Path) -> None:
    code = """
import socket, sys

def refuse(*_):
    raise SystemExit("a connection was tried")

socket.socket.connect = refuse
from test_openvino import CONTRACT, model, pictures
from unfreeze.engine import openvino

openvino.Engine(model(), CONTRACT, "float32", "NHWC")((pictures(3),))
openvino.load().convert_model  # imports what converts
assert not [name for name, module in sys.modules.items() if name.startswith("openvino_telemetry") and module]
"""
    # OpenVINO's telemetry leaves an identifier in the home folder.
    environment = os.environ | {"HOME": str(tmp_path), "PYTHONPATH": str(Path(__file__).parent)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not (tmp_path / "intel").exists()
