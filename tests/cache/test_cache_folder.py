"""The cache folder: what is listed, what leaves first, what stays because it is used."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from unfreeze.cache import folder as cache
from unfreeze.cache.folder import ACTIVATIONS, CARRIED_OVER, INPUTS, SCANS
from unfreeze.cache.layout import Layout
from unfreeze.cache.store import DESCRIPTION, Store

ROW_BYTES = 1000
LIMIT = 10**9


def named(name: str) -> str:
    """A name as a store has it, that ends like this one."""
    return name.encode().hex().rjust(32, "0")


def store(folder: Path, name: str, rows: int, used: float) -> Path:
    path = folder / ACTIVATIONS / named(name)
    Layout(((ROW_BYTES // 4,),), ("float32",)).write(path, {"words": f"store {name}"})
    opened = Store(path, ROW_BYTES)
    keys = np.stack([np.arange(rows), np.arange(rows)], axis=1).astype(np.uint64)
    opened.append([(keys, np.zeros((rows, ROW_BYTES), np.uint8))])
    opened.close()
    os.utime(path / DESCRIPTION, (used, used))
    return path


def names(folder: Path) -> list[str]:
    return [bytes.fromhex(entry.paths[0].name).strip(b"\0").decode() for entry in cache.entries(folder)]


def test_what_there_is_least_recently_used_first(tmp_path: Path) -> None:
    store(tmp_path, "b", 3, used=2000)
    store(tmp_path, "a", 5, used=3000)
    (tmp_path / CARRIED_OVER).mkdir()
    for suffix in (".keras", ".json"):
        path = tmp_path / CARRIED_OVER / f"resnet18-64-abc{suffix}"
        path.write_bytes(bytes(10))
        os.utime(path, (1000, 1000))
    (tmp_path / SCANS).write_bytes(bytes(7))
    (tmp_path / "something else").write_text("not ours")
    entries = cache.entries(tmp_path)
    assert [entry.kind for entry in entries] == ["carried-over", "activations", "activations", "scans"]
    assert [entry.description for entry in entries[1:3]] == ["store b", "store a"]
    assert [entry.size for entry in (entries[0], entries[3])] == [20, 7]
    assert 5 * ROW_BYTES < entries[2].size < 5 * ROW_BYTES + 1000


def test_a_folder_that_isnt_there_holds_nothing(tmp_path: Path) -> None:
    assert cache.entries(tmp_path / "none") == []
    assert cache.room(tmp_path / "none", 1234) == 1234


def test_the_least_recently_used_leave_first(tmp_path: Path) -> None:
    for name, used in (("old", 1000), ("middle", 2000), ("new", 3000)):
        path = store(tmp_path, name, 100, used)
    size = cache.entries(tmp_path)[0].size
    assert cache.make_room(tmp_path, needed=size, limit=3 * size + 10, keep=path)
    assert names(tmp_path) == ["middle", "new"]
    assert not cache.make_room(tmp_path, needed=3 * size, limit=3 * size + 10, keep=path)
    assert names(tmp_path) == ["middle", "new"], "it wouldn't fit without `middle` either"
    assert cache.make_room(tmp_path, needed=2 * size, limit=3 * size + 10, keep=path)
    assert names(tmp_path) == ["new"]


def test_nothing_leaves_where_there_is_room(tmp_path: Path) -> None:
    path = store(tmp_path, "one", 10, 1000)
    store(tmp_path, "two", 10, 2000)
    assert cache.make_room(tmp_path, needed=1, limit=LIMIT, keep=path)
    assert names(tmp_path) == ["one", "two"]


def test_more_than_the_disk_has_never_fits(tmp_path: Path) -> None:
    path = store(tmp_path, "one", 10, 1000)
    assert not cache.make_room(tmp_path, needed=10**18, limit=10**19, keep=path)


def test_what_is_used_stays_until_it_is_closed(tmp_path: Path) -> None:
    path = store(tmp_path, "used", 10, 1000)
    opened = Store(path, ROW_BYTES)
    (entry,) = cache.entries(tmp_path)
    assert not cache.delete(entry)
    assert path.is_dir()
    opened.close()
    assert cache.delete(entry)
    assert names(tmp_path) == []


def test_what_an_interrupted_deletion_left_goes(tmp_path: Path) -> None:
    left = tmp_path / ACTIVATIONS / f"leaving-{named('x')}"
    left.mkdir(parents=True)
    (left / "x.rows").write_bytes(bytes(10))
    assert cache.entries(tmp_path) == []
    assert not left.exists()


def test_carried_over_networks_and_scans_are_deleted_with_all_their_files(tmp_path: Path) -> None:
    (tmp_path / CARRIED_OVER).mkdir()
    for name in ("a.keras", "a.json"):
        (tmp_path / CARRIED_OVER / name).write_text("{}")
    for name in (SCANS, f"{SCANS}-wal"):
        (tmp_path / name).write_text("")
    (tmp_path / INPUTS).mkdir()
    for name in (f"{'a' * 32}.json", f"{'b' * 32}.json", "not ours.json"):
        (tmp_path / INPUTS / name).write_text("{}")
    assert [(entry.kind, cache.delete(entry)) for entry in cache.entries(tmp_path) if entry.kind == "inputs"] == [
        ("inputs", True)
    ]
    assert [cache.delete(entry) for entry in cache.entries(tmp_path)] == [True, True]
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["not ours.json"]


def test_a_store_without_description_is_listed(tmp_path: Path) -> None:
    path = store(tmp_path, "one", 10, 1000)
    (path / DESCRIPTION).write_text("nonsense")
    assert cache.entries(tmp_path)[0].description == "unknown activations"
    (path / DESCRIPTION).unlink()
    assert len(cache.entries(tmp_path)) == 1


@pytest.mark.skipif(os.geteuid() == 0 if hasattr(os, "geteuid") else True, reason="root may delete anything")
def test_what_cant_be_deleted_stays(tmp_path: Path) -> None:
    path = store(tmp_path, "one", 10, 1000)
    path.parent.chmod(0o500)
    try:
        assert not cache.delete(cache.entries(tmp_path)[0])
    finally:
        path.parent.chmod(0o700)


def test_what_isnt_ours_is_neither_listed_nor_deleted(tmp_path: Path) -> None:
    """Somebody may point the cache at a folder that has `activations` of another kind."""
    theirs = [tmp_path / ACTIVATIONS / name for name in ("mine", "leaving-home", named("a"))]
    for folder in theirs:
        folder.mkdir(parents=True)
        (folder / "thesis.txt").write_text("years of work")
    assert cache.entries(tmp_path) == []
    assert not cache.make_room(tmp_path, needed=10, limit=5, keep=theirs[0])
    assert all((folder / "thesis.txt").is_file() for folder in theirs)


def test_what_is_used_is_no_room(tmp_path: Path) -> None:
    path = store(tmp_path, "used", 100, 1000)
    size = cache.entries(tmp_path)[0].size
    assert cache.room(tmp_path, limit=2 * size) == 2 * size
    opened = Store(path, ROW_BYTES)
    assert cache.room(tmp_path, limit=2 * size) == size
    opened.close()
