"""Which checkpoints of a run are kept, and which is read."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from unfreeze.training.checkpoint import CHECKPOINTS, Checkpoint, Checkpoints


def checkpoint(epoch: int) -> Checkpoint:
    return Checkpoint({"epoch": epoch}, {"model/head": np.full(3, epoch, np.float32)})


def names(run: Path) -> list[str]:
    return sorted(path.name for path in (run / CHECKPOINTS).iterdir())


def test_the_newest_two_stay(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, {})
    for epoch in (1, 2, 3):
        checkpoints.write(checkpoint(epoch))
    assert names(tmp_path) == ["00000002.checkpoint", "00000003.checkpoint"]
    newest = Checkpoints(tmp_path, {}).newest().checkpoint
    assert newest is not None
    assert newest.facts == {"epoch": 3}
    np.testing.assert_array_equal(newest.arrays["model/head"], np.full(3, 3, np.float32))


def test_a_damaged_one_leaves_before_the_whole_one_that_was_used_instead(tmp_path: Path) -> None:
    before = Checkpoints(tmp_path, {})
    before.write(checkpoint(1))
    before.write(checkpoint(2))
    damaged = tmp_path / CHECKPOINTS / "00000002.checkpoint"
    damaged.write_bytes(damaged.read_bytes()[:-1])
    resumed = Checkpoints(tmp_path, {})
    found = resumed.newest()
    assert found.checkpoint is not None
    assert found.checkpoint.facts == {"epoch": 1}
    assert [remark.partition(": ")[2] for remark in found.remarks] == ["the one before it is used"]
    resumed.write(checkpoint(3))
    assert names(tmp_path) == ["00000001.checkpoint", "00000003.checkpoint"]


def test_of_the_oldest_it_is_said_that_there_is_none_before_it(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, {})
    for epoch in (1, 2):
        checkpoints.write(checkpoint(epoch))
    for path in (tmp_path / CHECKPOINTS).iterdir():
        path.write_bytes(b"nothing")
    found = Checkpoints(tmp_path, {}).newest()
    assert found.checkpoint is None
    assert [remark.partition(": ")[2] for remark in found.remarks] == [
        "the one before it is used",
        "there is none before it to be used",
    ]
