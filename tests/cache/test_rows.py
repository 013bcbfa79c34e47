"""Activations as bytes and back."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from unfreeze.cache.layout import Layout
from unfreeze.cache.store import DESCRIPTION
from unfreeze.files import write_json


def test_arrays_come_back_with_shape_dtype_and_bytes() -> None:
    generator = np.random.default_rng(0)
    arrays = (
        generator.standard_normal((5, 3, 3, 8)).astype(np.float32),
        generator.integers(0, 2**16, (5, 7), np.uint16),
        generator.standard_normal((5,)).astype(np.float32),
    )
    layout = Layout.of(arrays)
    rows = layout.pack(arrays)
    assert (rows.shape, rows.dtype) == ((5, layout.row_bytes), np.uint8)
    assert layout.row_bytes == 3 * 3 * 8 * 4 + 7 * 2 + 4
    for before, after in zip(arrays, layout.unpack(rows[[4, 0]]), strict=True):
        assert (after.dtype, after.shape) == (before.dtype, (2, *before.shape[1:]))
        assert after.tobytes() == before[[4, 0]].tobytes()
        assert after.flags.writeable


def test_a_layout_travels_with_its_store(tmp_path: Path) -> None:
    layout = Layout(((3, 2), (5,)), ("uint16", "float32"))
    write_json(tmp_path / DESCRIPTION, {"arrays": layout.describe()})
    assert Layout.read(tmp_path) == layout


def test_what_isnt_a_layout_is_none(tmp_path: Path) -> None:
    assert Layout.read(tmp_path) is None
    for content in ("", "[]", "{}", '{"arrays": [{"shape": [2], "dtype": "nonsense"}]}', '{"arrays": []}'):
        (tmp_path / DESCRIPTION).write_text(content)
        assert Layout.read(tmp_path) is None, content
