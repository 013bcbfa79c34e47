"""Files are written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from unfreeze.errors import StorageError
from unfreeze.files import write_bytes, write_json, write_text


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
