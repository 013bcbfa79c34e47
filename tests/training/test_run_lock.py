"""One process at a time trains into a run folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from unfreeze.errors import RunError, StorageError
from unfreeze.training.run_folder import check_free
from unfreeze.training.run_lock import LOCK, is_trained, locked

HOLDS = """
import sys, time
from pathlib import Path
from unfreeze.training.run_lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_one_at_a_time_and_the_lock_leaves_nothing(tmp_path: Path) -> None:
    assert not is_trained(tmp_path)
    with locked(tmp_path):
        assert is_trained(tmp_path)
        with (
            pytest.raises(RunError, match=r"is being trained by another process: wait until .* or give another --out"),
            locked(tmp_path),
        ):
            pass
        with pytest.raises(RunError, match="is being trained by another process"):
            check_free(tmp_path)
    assert not is_trained(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_lock_of_a_killed_process_doesnt_hold(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDS, str(tmp_path)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        assert is_trained(tmp_path)
        (tmp_path / f"history.jsonl.{holder.pid}.tmp").write_text("half")
        with pytest.raises(RunError), locked(tmp_path):
            pass
        holder.kill()
    assert not is_trained(tmp_path)
    check_free_but_for_the_half = [path.name for path in tmp_path.iterdir() if not path.name.startswith(".")]
    assert check_free_but_for_the_half == [f"history.jsonl.{holder.pid}.tmp"]
    with locked(tmp_path):
        assert not list(tmp_path.glob("*.tmp"))


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_a_lock_that_leads_elsewhere_isnt_followed(tmp_path: Path) -> None:
    (tmp_path / LOCK).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StorageError, match=r"can't be written to \("), locked(tmp_path):
        pass
    assert not (tmp_path / "elsewhere").exists()
