"""The short form of `soak.texts`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from soak import texts
from soak.mutations import BYTES, PLACES, VALUES, misplace, mutate, put_back


@pytest.fixture(scope="module")
def where() -> Iterator[Path]:
    with texts.place() as folder:
        yield folder


@pytest.mark.parametrize(
    ("name", "targets", "count"),
    [
        ("recipes", texts.RECIPES, 20), ("manifests", texts.MANIFESTS, 9), ("run folders", texts.RUNS, 24),
        ("stopped runs", texts.STOPPED, 8),
        ("tune folders", texts.TUNINGS, 5), ("caches", texts.CACHES, 1),
    ],
)  # fmt: skip
def test_every_damaged_text_is_survived(where: Path, name: str, targets: list[texts.Target], count: int) -> None:
    row = texts.damaged(name, targets, where, count, seed=0)
    assert row.lost == []
    assert row.tried == row.survived == count


def test_a_fault_that_is_lost_is_said(where: Path) -> None:
    """The soak itself: a command that takes no notice of what it should name."""
    target = texts.Target("run/recipe.yaml", (lambda place: ("report", place / "nowhere"),))
    row = texts.damaged("lost", [target], where, 2, seed=0)
    assert (row.tried, row.survived) == (2, 0)
    assert "seed 0, lost 0, run/recipe.yaml" in row.lost[0]
    assert "doesn't name recipe.yaml" in row.lost[0]


@pytest.mark.parametrize("kind", [*BYTES, *VALUES])
def test_a_mutation_can_be_repeated(kind: str) -> None:
    from random import Random

    content = b"model: tiny\nhead:\n  dropout: 0.5\n  hidden: [1, 2]\n"
    assert mutate(content, "a.yaml", Random(kind)) == mutate(content, "a.yaml", Random(kind))


@pytest.mark.parametrize("kind", PLACES)
def test_what_is_misplaced_is_put_back(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(b"model: tiny\n")
    misplace(path, kind)
    assert not (path.is_file() and kind != "nothing")
    put_back(path, b"model: tiny\n")
    assert path.read_bytes() == b"model: tiny\n"
    assert not path.is_symlink()
