"""Commands in this process, on the NumPy backend."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from support.command import NUMPY, Command
from support.folders import class_folder
from unfreeze.cli.main import main


@pytest.fixture
def unfreeze(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], numpy_framework: str) -> Command:
    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["unfreeze", *map(str, arguments)])
        status = 0
        try:
            main()
        except SystemExit as end:
            status = int(end.code or 0)
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = class_folder(tmp_path / "photos", {"0": 24, "fat cat": 24, "été": 12})
    (folder / "0" / "broken.jpg").write_bytes(b"\xff\xd8 not much of a JPEG")
    return folder


@pytest.fixture
def run(unfreeze: Command, photos: Path, tmp_path: Path) -> Path:
    out = tmp_path / "run"
    assert unfreeze("train", photos, *NUMPY, "--out", out, "--quiet", "--epochs", 6)[0] == 0
    return out
