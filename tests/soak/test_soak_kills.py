"""Kills, in the short form: dozens on the NumPy backend, a few in each framework."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from signal import SIGINT, SIGTERM, Signals

import pytest

from soak import kills
from soak.killing import CHECKPOINT, Killing, Moment

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="each process that is killed is forked")
PLAIN = next(iter(kills.KINDS))


@pytest.fixture(scope="module")
def numpy_place() -> Iterator[kills.Place]:
    with kills.place_of("numpy") as place:
        yield place


@pytest.mark.parametrize("what", kills.MOMENTS)
def test_killed_and_resumed_it_ends_as_one_left_alone(what: str, numpy_place: kills.Place) -> None:
    row = kills.killed(numpy_place, what, 1, seed=0)
    assert row.lost == []
    assert row.survived == row.tried >= 1


@pytest.mark.parametrize("number", [SIGINT, SIGTERM])
def test_asked_to_end_it_keeps_all_and_says_how_to_go_on(number: Signals, numpy_place: kills.Place) -> None:
    assert kills.signalled(numpy_place, number, 1, seed=0).lost == []


def test_of_damaged_checkpoints_another_serves(numpy_place: kills.Place) -> None:
    assert kills.damaged(numpy_place, 1, seed=0).lost == []


@pytest.mark.parametrize("framework", ["torch", "tensorflow"])
def test_each_framework_ends_as_one_left_alone(framework: str, tmp_path: Path) -> None:
    """Killed while a checkpoint of the first phase is written, and again within the steps of the second."""
    cache = Path(os.environ["UNFREEZE_CACHE"])
    with Killing(framework, cache) as killing:
        place = kills.Place(tmp_path, framework, killing)
        moments = Moment(CHECKPOINT, 10), Moment("step", 15)
        assert kills.killed_at(place, PLAIN, *moments) == (2, "")
