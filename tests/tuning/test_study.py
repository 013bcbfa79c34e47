"""What is tried next, what is given up, and that a journal goes on where it was left."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from unfreeze.errors import RunError
from unfreeze.tuning.space import Searched
from unfreeze.tuning.study import Study

SEARCHED = (
    Searched("rate", 5e-4, 5e-5, 5e-3, log=True),
    Searched("stages", 2, 0, 4, whole=True),
    Searched("dropout", 0.3, 0.0, 0.6),
)
ASKED = {"rate": 5e-4, "stages": 2, "dropout": 0.3}
# As asked, four that are spread, and two that TPE draws.
ALL = 7


def opened(journal: Path, seed: int = 0, unpruned: int = 1) -> Study:
    return Study(journal, SEARCHED, seed, unpruned)


def tried(journal: Path, seed: int = 0, left_at: int = ALL) -> list[dict[str, float]]:
    """The values of all trials that were tried, the loss of which is made up; a trial `left_at` is begun and not ended."""
    study = opened(journal, seed)
    while (number := len(study.tried)) < ALL:
        values = study.ask()
        if number == left_at:
            break
        loss = abs(values["rate"] - 1e-3) * 100 + abs(values["stages"] - 3) / 10 + values["dropout"]
        study.report(1, loss)
        study.end("done", loss, {"seconds": 1.5})
    return [one.values for one in study.tried]


def done(study: Study, *losses: float) -> None:
    """A trial with these losses by epoch."""
    study.ask()
    for epoch, loss in enumerate(losses, start=1):
        assert not study.report(epoch, loss)
    study.end("done", losses[-1], {})


def test_the_first_is_as_asked_and_the_others_lie_within_the_bounds(tmp_path: Path) -> None:
    first, *others = tried(tmp_path / "journal")
    assert first == ASKED
    for values in others:
        assert 5e-5 <= values["rate"] <= 5e-3 and 0 <= values["dropout"] <= 0.6
        assert values["stages"] in range(5)
    # The four that are spread: each quarter of the logarithm of the rate has one of them.
    assert sorted(int((values["rate"] / 5e-5) ** 0.5 > 10**0.5) for values in others[:4]) == [0, 0, 1, 1]
    assert len({values["stages"] for values in others[:4]}) > 1


def test_the_seed_decides(tmp_path: Path) -> None:
    once = tried(tmp_path / "once")
    assert tried(tmp_path / "twice") == once
    assert tried(tmp_path / "other", seed=1)[1:] != once[1:]


def test_a_study_that_was_killed_goes_on_as_if_it_had_not_been(tmp_path: Path) -> None:
    journal = tmp_path / "killed"
    for left_at in (0, 2, 6):
        tried(journal, left_at=left_at)
    with journal.open("a") as file:
        file.write('{"op_code":5,"worker')
    assert tried(journal) == tried(tmp_path / "whole")


def test_a_trial_that_is_dropped_comes_again(tmp_path: Path) -> None:
    study = opened(tmp_path / "journal")
    done(study, 0.5)
    values = study.ask()
    study.drop()
    assert len(study.tried) == 1
    assert study.ask() == values


def test_what_is_worse_than_the_median_at_the_same_epoch_is_given_up(tmp_path: Path) -> None:
    study = opened(tmp_path / "journal", unpruned=2)
    for losses in ((0.9, 0.5, 0.1), (0.8, 0.4, 0.2), (0.7, 0.3, 0.3)):
        done(study, *losses)
    study.ask()
    assert not study.report(1, 5.0)  # every trial is given so many epochs
    assert study.report(2, 0.41)
    study.end("pruned", None, {})
    study.ask()
    assert not study.report(2, 0.39)
    assert not study.report(3, 0.15)
    study.drop()
    assert [one.state for one in study.tried] == ["done", "done", "done", "pruned"]


def test_nothing_is_given_up_before_three_are_done(tmp_path: Path) -> None:
    study = opened(tmp_path / "journal")
    done(study, 0.1, 0.1)
    done(study, 0.1, 0.1)
    study.ask()
    assert not study.report(1, 9.0)
    assert not study.report(2, 9.0)


def test_the_journal_is_json_and_keeps_what_is_said(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    study = opened(journal)
    study.ask()
    study.end("failed", None, {"seconds": 2.5, "interval": [0.25, 0.75]})
    assert all(isinstance(json.loads(line), dict) for line in journal.read_text().splitlines())
    (again,) = opened(journal).tried
    assert (again.values, again.state) == (ASKED, "failed")
    assert again.facts == {"seconds": 2.5, "interval": [0.25, 0.75]}


def test_a_damaged_journal_is_refused(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    tried(journal, left_at=1)
    first, *rest = journal.read_text().splitlines(keepends=True)
    journal.write_text("".join([first, "not JSON\n", *rest]))
    with pytest.raises(RunError, match="journal: can't be read as a study"):
        opened(journal)
