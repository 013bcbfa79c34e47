"""Reading the bytes of whatever stands under a name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from unfreeze.data import bounds
from unfreeze.data.content import read_bytes
from unfreeze.errors import PictureError


def reason(path: Path) -> tuple[str, str]:
    with pytest.raises(PictureError) as caught:
        read_bytes(path)
    return caught.value.kind, str(caught.value).removeprefix(f"{path}: ")


def test_content(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"\r\n\0")
    (tmp_path / "b").write_bytes(b"")
    assert (read_bytes(tmp_path / "a"), read_bytes(tmp_path / "b")) == (b"\r\n\0", b"")


def test_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "device").symlink_to("/dev/zero")
    assert reason(tmp_path / "pipe") == reason(tmp_path / "device") == ("unreadable", "a pipe or device, not a file")
    assert reason(tmp_path / ("n" * 300)) == ("unreadable", "can't be read (File name too long)")
    assert reason(tmp_path / "a\0b") == ("unreadable", "can't be read (embedded null byte)")


def test_a_file_larger_than_any_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (tmp_path / "a").open("wb") as file:
        file.truncate(2**40)
    assert reason(tmp_path / "a") == (
        "too-large",
        f"{2**40} bytes, more than a picture may have ({bounds.most_bytes()}); UNFREEZE_MAX_PIXELS raises it",
    )
