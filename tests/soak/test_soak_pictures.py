"""The short form of `soak.pictures`: each kind of file and place once or a few times."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("resource", reason="limits of memory are Unix's")

from soak.pictures import bombs, changed_in_training, command_line, in_process, odd_places
from soak.rows import Row


def assert_survived(rows: Iterator[Row]) -> None:
    found = [*rows]
    assert found and not [f"{row.fault}: {lost}" for row in found for lost in row.lost]
    assert all(row.survived == row.tried for row in found)


def test_mutated_files(tmp_path: Path) -> None:
    assert_survived(in_process(tmp_path, 110, seed=1))


def test_bombs(tmp_path: Path) -> None:
    assert_survived(bombs(tmp_path))


def test_odd_places(tmp_path: Path) -> None:
    assert_survived(odd_places(tmp_path))


def test_changed_after_the_scan(tmp_path: Path) -> None:
    assert_survived(iter([changed_in_training(tmp_path, 0, seed=1)]))


def test_commands(tmp_path: Path) -> None:
    assert_survived(command_line(tmp_path, 44, seed=2, frameworks=("numpy",)))
