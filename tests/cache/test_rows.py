"""Activations as bytes and back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from unfreeze.cache.layout import Layout
from unfreeze.cache.store import DESCRIPTION


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
    layout.write(tmp_path / "store", {"words": "some"})
    assert Layout.read(tmp_path / "store") == layout


@pytest.mark.parametrize(("old", "new"), [("3,", "4,"), ("uint16", "float32"), ("some", "others")])
def test_a_description_that_was_changed_is_none(tmp_path: Path, old: str, new: str) -> None:
    Layout(((3, 2), (5,)), ("uint16", "float32")).write(tmp_path, {"words": "some"})
    text = (tmp_path / DESCRIPTION).read_text(encoding="utf-8")
    (tmp_path / DESCRIPTION).write_text(text.replace(old, new), encoding="utf-8")
    assert (Layout.read(tmp_path) is None) == (old in text)


def test_what_isnt_a_layout_is_none(tmp_path: Path) -> None:
    assert Layout.read(tmp_path) is None
    for content in ("", "[]", "{}", '{"seal": 1}', '{"arrays": [{"shape": [2], "dtype": "nonsense"}]}', '{"arrays": []}'):
        (tmp_path / DESCRIPTION).write_text(content)
        assert Layout.read(tmp_path) is None, content
