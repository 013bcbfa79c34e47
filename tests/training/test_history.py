"""The history on disk."""

from __future__ import annotations

import csv
import json
import math

import pytest

from support.made_up import epoch_record
from unfreeze.errors import RunError
from unfreeze.training.history import read_history, write_history

HISTORY = [
    epoch_record(1, rate=1 / 3, train_loss=0.1 + 0.2),
    epoch_record(2, phase=2, phase_name='last "2" stages, slowly\nKäfer', boundary="layer4.0.conv1", best=True),
    epoch_record(3, val_loss=math.inf),
]


def test_round_trip(tmp_path):
    write_history(HISTORY, tmp_path)
    assert read_history(tmp_path) == HISTORY


def test_not_a_number_comes_back_as_such(tmp_path):
    write_history([epoch_record(val_loss=math.nan)], tmp_path)
    assert math.isnan(read_history(tmp_path)[0].val_loss)


def test_no_epochs(tmp_path):
    write_history([], tmp_path)
    assert read_history(tmp_path) == []


def test_one_line_per_epoch_and_a_table_without_the_matrix(tmp_path):
    write_history(HISTORY, tmp_path)
    assert len((tmp_path / "history.jsonl").read_text().splitlines()) == 3
    with (tmp_path / "history.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert "confusion" not in rows[0]
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert float(rows[0]["train_loss"]) == HISTORY[0].train_loss
    assert rows[1]["phase_name"] == HISTORY[1].phase_name


def test_writing_again_replaces_and_leaves_nothing_behind(tmp_path):
    write_history(HISTORY, tmp_path)
    write_history(HISTORY[:1], tmp_path)
    assert read_history(tmp_path) == HISTORY[:1]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["history.csv", "history.jsonl"]


def test_columns_of_a_later_version_are_passed_over(tmp_path):
    write_history(HISTORY[:1], tmp_path)
    path = tmp_path / "history.jsonl"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"grad_norm": 1.0}))
    assert read_history(tmp_path) == HISTORY[:1]


def test_a_run_of_an_earlier_version_has_no_gradient_norm(tmp_path):
    write_history([epoch_record(gradient_norm=2.5)], tmp_path)
    path = tmp_path / "history.jsonl"
    values = json.loads(path.read_text())
    assert values.pop("gradient_norm") == 2.5
    path.write_text(json.dumps(values))
    assert read_history(tmp_path) == [epoch_record(gradient_norm=None)]


def test_a_run_of_an_earlier_version_gets_its_means_from_its_matrix(tmp_path):
    write_history([epoch_record(confusion=[[40, 10], [15, 35]])], tmp_path)
    path = tmp_path / "history.jsonl"
    values = json.loads(path.read_text())
    del values["val_balanced_accuracy"], values["val_macro_f1"]
    path.write_text(json.dumps(values))
    (record,) = read_history(tmp_path)
    assert record.val_balanced_accuracy == pytest.approx((40 / 50 + 35 / 50) / 2)
    assert record.val_macro_f1 == pytest.approx((80 / 105 + 70 / 95) / 2)


@pytest.mark.parametrize(
    "content",
    [b'{"epoch": 1', b'{"epoch": 1}', b"3", b"null", b"[]", b"\xff\xfe", b"\n", b"nonsense"],
    ids=["cut off", "too little", "a number", "null", "a list", "not UTF-8", "blank", "not JSON"],
)
def test_damaged(tmp_path, content):
    (tmp_path / "history.jsonl").write_bytes(content)
    with pytest.raises(RunError) as caught:
        read_history(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / 'history.jsonl'}: can't be read as a run's history (")


def test_missing(tmp_path):
    with pytest.raises(RunError, match=r"history\.jsonl: can't be read as a run's history \(.*No such file"):
        read_history(tmp_path)


def test_the_watched_value_is_lower_when_better():
    record = epoch_record(val_loss=0.4, val_accuracy=0.9, val_balanced_accuracy=0.8, val_macro_f1=0.7)
    assert record.watched("val_loss") == 0.4
    assert record.watched("val_accuracy") == -0.9
    assert record.watched("val_balanced_accuracy") == -0.8
    assert record.watched("val_macro_f1") == -0.7
