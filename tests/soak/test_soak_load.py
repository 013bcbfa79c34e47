"""Load, in the short form: hundreds of pictures, twenty epochs, the NumPy backend where the framework makes no difference."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import pytest

from soak import load

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory and open files are read from /proc")


def test_memory_stays_flat_as_pictures_grow(tmp_path: Path) -> None:
    few, many = (load.drawn(tmp_path / str(count), count, 0) for count in (100, 1000))
    for use in ("on", "off"):
        row = load.of_pictures("head", "numpy", partial(load._trained_head, "numpy", use), few, many, 900)
        assert row.lost == []


@pytest.mark.parametrize("framework", ["numpy", "torch"])  # TensorFlow's traces take too long for the short form
def test_nothing_grows_over_epochs(framework: str, tmp_path: Path) -> None:
    for row in load.of_epochs(framework, load.drawn(tmp_path / "photos", 24, 0), epochs=20):
        assert row.lost == []


def test_stores_leave_no_file_open() -> None:
    assert load.of_stores(20).lost == []


def test_one_cache_folder_stays_within_its_limit(tmp_path: Path) -> None:
    assert load.of_one_cache("numpy", load.drawn(tmp_path / "photos", 60, 0)).lost == []
