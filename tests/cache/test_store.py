"""Rows by key: what was written comes back, whoever writes, whatever is killed or damaged."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from unfreeze.cache.store import Keys, Store
from unfreeze.errors import StorageError

ROW_BYTES = 24


def keys_of(*numbers: int) -> Keys:
    """Keys that aren't in the order of their numbers."""
    return np.array([[int(number) * 0x9E3779B97F4A7C15 % 2**64, int(number)] for number in numbers], np.uint64).reshape(-1, 2)


def rows_of(*numbers: int) -> np.ndarray:
    return np.stack([np.random.default_rng(number).integers(0, 256, ROW_BYTES, np.uint8) for number in numbers])


def open_store(folder: Path) -> Store:
    return Store(folder / "store", ROW_BYTES)


def add(store: Store, *numbers: int, size: int = 3) -> None:
    parts = [numbers[start : start + size] for start in range(0, len(numbers), size)]
    store.append((keys_of(*part), rows_of(*part)) for part in parts)


def test_rows_come_back_in_any_order_now_and_in_another_process(tmp_path: Path) -> None:
    first = open_store(tmp_path)
    add(first, *range(10))
    for store in (first, open_store(tmp_path)):
        assert store.has(keys_of(*range(12))).tolist() == [True] * 10 + [False] * 2
        assert (store.read(keys_of(7, 2, 2, 9)) == rows_of(7, 2, 2, 9)).all()
        store.close()


def test_an_empty_store_has_nothing(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    assert store.has(keys_of(1, 2)).tolist() == [False, False]
    assert store.has(keys_of()).tolist() == []


def test_two_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    one, other = open_store(tmp_path), open_store(tmp_path)
    add(one, 1, 2, 3)
    add(other, 3, 4, 5)
    one.close()
    other.close()
    third = open_store(tmp_path)
    assert (third.read(keys_of(5, 4, 3, 2, 1)) == rows_of(5, 4, 3, 2, 1)).all()


def test_an_error_while_filling_keeps_what_came_before(tmp_path: Path) -> None:
    def failing() -> Iterator[tuple[Keys, np.ndarray]]:
        yield keys_of(1, 2), rows_of(1, 2)
        raise KeyboardInterrupt

    store = open_store(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        store.append(failing())
    assert store.has(keys_of(1, 2, 3)).tolist() == [True, True, False]
    assert (store.read(keys_of(2)) == rows_of(2)).all()


def test_what_a_killed_process_leaves_is_whole(tmp_path: Path) -> None:
    code = (
        "import os, sys; sys.path[:0] = ['tests/cache', 'tests']\n"
        "from test_store import *\n"
        "def batches():\n"
        "    for start in range(0, 2500, 100):\n"
        "        yield keys_of(*range(start, start + 100)), rows_of(*range(start, start + 100))\n"
        "    os._exit(9)\n"
        f"open_store(Path({str(tmp_path)!r})).append(batches())\n"
    )
    root = Path(__file__).resolve().parents[2]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 9
    store = open_store(tmp_path)
    there = np.flatnonzero(store.has(keys_of(*range(2500))))
    assert 1024 <= len(there) < 2500, "what was committed, in steps of 1,024 rows or a little more"
    assert (store.read(keys_of(*there)) == rows_of(*there)).all()


@pytest.mark.parametrize("where", [0, 5 * ROW_BYTES + 3])
def test_a_damaged_row_is_none_and_the_others_stay(tmp_path: Path, where: int) -> None:
    store = open_store(tmp_path)
    add(store, *range(10))
    store.close()
    (path,) = (tmp_path / "store").glob("*.rows")
    content = bytearray(path.read_bytes())
    content[where] ^= 1
    path.write_bytes(content)
    again = open_store(tmp_path)
    has = again.has(keys_of(*range(10)))
    assert has.sum() == 9
    assert not has[where // ROW_BYTES]
    add(again, where // ROW_BYTES)
    again.close()
    third = open_store(tmp_path)
    assert third.has(keys_of(*range(10))).all(), "the good row is found beside the damaged one"
    assert (third.read(keys_of(*range(10))) == rows_of(*range(10))).all()


@pytest.mark.parametrize("kept", [0, 3 * ROW_BYTES + 5])
def test_rows_that_were_cut_off_are_none(tmp_path: Path, kept: int) -> None:
    store = open_store(tmp_path)
    add(store, *range(10))
    store.close()
    (path,) = (tmp_path / "store").glob("*.rows")
    path.write_bytes(path.read_bytes()[:kept])
    assert open_store(tmp_path).has(keys_of(*range(10))).sum() == kept // ROW_BYTES


@pytest.mark.parametrize("content", [b"", b"nonsense", bytes(1000)])
def test_a_damaged_index_gives_nothing_wrong(tmp_path: Path, content: bytes) -> None:
    store = open_store(tmp_path)
    add(store, *range(10))
    store.close()
    (path,) = (tmp_path / "store").glob("*.index")
    path.write_bytes(content)
    assert not open_store(tmp_path).has(keys_of(*range(1, 10))).any()


def test_keys_that_agree_in_half_are_different(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    add(store, 1)
    near = keys_of(1)
    near[0, 1] += 1
    assert not store.has(near).any()


def test_a_folder_that_cant_be_made_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="the folder can't be made"):
        open_store(tmp_path / "file")


def test_the_lock_of_a_killed_process_goes_and_that_of_a_running_one_stays(tmp_path: Path) -> None:
    running = open_store(tmp_path)
    left = tmp_path / "store" / "left.lock"
    left.touch()
    open_store(tmp_path).close()
    assert not left.exists()
    assert len(list((tmp_path / "store").glob("*.lock"))) == 1
    running.close()
    assert list((tmp_path / "store").glob("*.lock")) == []


def test_room_that_is_reserved_counts_and_what_isnt_needed_is_given_back(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    reserved = store.reserve(10)
    assert sum(path.stat().st_size for path in (tmp_path / "store").glob("*.rows")) == 10 * ROW_BYTES
    with pytest.raises(RuntimeError, match="the end"):
        store.append(ends_after(4), reserved)
    assert store.has(keys_of(*range(6))).tolist() == [True] * 4 + [False] * 2
    assert sum(path.stat().st_size for path in (tmp_path / "store").glob("*.rows")) == 4 * ROW_BYTES


def test_what_a_killed_fill_left_goes_when_nobody_uses_the_store(tmp_path: Path) -> None:
    first = open_store(tmp_path)
    add(first, 1, 2)
    (begun,) = (tmp_path / "store").glob("*.rows")
    with begun.open("ab") as rows:
        rows.write(b"row without an entry")
    orphan = first.reserve(100).with_suffix(".rows")
    other = open_store(tmp_path)
    assert orphan.stat().st_size == 100 * ROW_BYTES  # it may be being filled
    first.close()
    other.close()
    third = open_store(tmp_path)
    assert not orphan.exists()
    assert begun.stat().st_size == 2 * ROW_BYTES
    assert (third.read(keys_of(2, 1)) == rows_of(2, 1)).all()


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="open files are counted in /proc")
def test_a_store_of_many_segments_keeps_few_files_open(tmp_path: Path) -> None:
    before = len([*Path("/proc/self/fd").iterdir()])
    store = open_store(tmp_path)
    for number in range(40):
        add(store, number)
    assert store.has(keys_of(*range(40))).all()
    assert (store.read(keys_of(*range(40))) == rows_of(*range(40))).all()
    assert len([*Path("/proc/self/fd").iterdir()]) <= before + 6
    store.close()
    assert len([*Path("/proc/self/fd").iterdir()]) == before


def test_rows_whose_file_was_deleted_count_as_none(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    for number in range(6):
        add(store, number)
    for path in (tmp_path / "store").glob("*.rows"):
        path.unlink()
    assert store.has(keys_of(0)).tolist() == [False]


def ends_after(count: int) -> Iterator[tuple[Keys, np.ndarray]]:
    for number in range(count):
        yield keys_of(number), rows_of(number)
    raise RuntimeError("the end")
