"""Files are written whole or not at all."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from unfreeze.errors import StorageError
from unfreeze.files import remove_leftovers, settle, temporary_name, write_bytes, write_json, write_text


def test_what_is_written_is_there_and_nothing_else(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"été": [1, 2]})
    write_text(tmp_path / "b.txt", "line\n")
    assert (tmp_path / "a.json").read_text(encoding="utf-8") == '{\n  "été": [\n    1,\n    2\n  ]\n}\n'
    assert (tmp_path / "b.txt").read_bytes() == b"line\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "b.txt"]


def test_a_failed_write_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")

    def full(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(StorageError, match=r"a\.txt: can't be written \(No space left on device\)"):
        write_bytes(path, b"new")
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["a.txt"]


def test_what_is_synced_is_on_the_disk_before_its_name_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[tuple[str, list[str]]] = []

    def note(file: int) -> None:
        kind = "folder" if os.path.isdir(f"/dev/fd/{file}") else "file"  # noqa: PTH112
        synced.append((kind, sorted(path.name for path in tmp_path.iterdir())))

    monkeypatch.setattr(os, "fsync", note)
    write_bytes(tmp_path / "a", b"content")
    assert synced == []
    write_bytes(tmp_path / "a", b"other content", sync=True)
    assert synced == [("file", ["a", temporary_name(tmp_path / "a").name]), ("folder", ["a"])]


def test_a_whole_folder_settles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b/c", "b/d"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"content")
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    settle(tmp_path)
    assert len(synced) == 3 + 2 * (os.name != "nt")


def test_ctrl_c_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_bytes(tmp_path / "a", b"new")
    assert list(tmp_path.iterdir()) == []


def test_what_killed_processes_left_goes_and_nothing_else(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    left = [tmp_path / f"a.json.{ended.pid}.tmp", tmp_path / "model" / f"m.keras.{ended.pid}.tmp.keras"]
    stays = [tmp_path / name for name in ("a.json", "notes.tmp", "x.12.tmpx", f"a.json.{os.getpid()}.tmp", "1.tmp.json.bak")]
    (tmp_path / "model").mkdir()
    for path in (*left, *stays):
        path.write_bytes(b"half")
    assert remove_leftovers(tmp_path) == sorted(left)
    assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == sorted(stays)
