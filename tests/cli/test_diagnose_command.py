"""`unfreeze diagnose` as a person runs it: of a run, of another tool's history, as JSON, and the status a script can use."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import unfreeze as package
from support import histories
from support.command import Command
from unfreeze.cli.diagnose import parse_columns
from unfreeze.diagnosis.diagnose import CODES
from unfreeze.errors import RecipeError, RunError

# Twelve epochs that overfit: training on to 99 %, validation back to 60 %.
OVERFITTED = "epoch,accuracy,loss,val_accuracy,val_loss,my[0]\n" + "".join(
    f"{epoch},{0.6 + 0.39 * epoch / 11:.3f},{1.2 * 0.6**epoch:.4f},0.6{epoch % 3},{0.9 + 0.05 * max(0, epoch - 3):.3f},7\n"
    for epoch in range(12)
)


@pytest.fixture
def overfitted(tmp_path: Path) -> Path:
    path = tmp_path / "history.csv"
    path.write_text(OVERFITTED)
    return path


def test_every_code_is_that_of_a_finding(overfitted: Path) -> None:
    assert sorted(finding.code for finding in package.diagnose(overfitted)) == sorted(CODES)


def test_columns_and_findings_of_another_tools_history(unfreeze: Command, overfitted: Path) -> None:
    status, out, err = unfreeze("diagnose", overfitted, "--val-pictures", 1000)
    assert (status, err) == (0, "")
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert f"{overfitted}: 12 epochs. Its columns, by their names:" in lines
    assert {"training loss loss", "validation accuracy val_accuracy", "learning rate not known"} <= set(lines)
    assert {"classes not known: --classes N", "validation pictures 1000, as said", "not used: my[0]"} <= set(lines)
    assert "note: epochs are counted from 1 here, from 0 in the file" in lines
    place = next(place for place, line in enumerate(lines) if line.startswith("overfitting (warning): training accuracy"))
    assert "(threshold 0.1)" in lines[place + 1]
    assert lines[place + 2].startswith("in a recipe of unfreeze: head.dropout=")
    assert any(line.startswith("could not tell: wrong-inputs") for line in lines)
    assert any(line.startswith("not found: ") and "underfitting" in line for line in lines)


def test_columns_are_said_by_hand(unfreeze: Command, overfitted: Path) -> None:
    status, out, _ = unfreeze("diagnose", overfitted, "--columns", "train_accuracy=,rate=my[0]", "--classes", 5)
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert status == 0
    assert {"training accuracy not known: --columns train_accuracy=NAME", "learning rate my[0]", "classes 5, as said"} <= set(
        lines
    )


def test_the_same_as_json_without_what_json_lacks(unfreeze: Command, tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    path.write_text(histories.KERAS_NAN)
    status, out, _ = unfreeze("diagnose", path, "--json")
    answer = json.loads(out, parse_constant=lambda name: pytest.fail(f"{name} in JSON"))
    assert (status, answer["schema"], answer["source"]) == (0, 1, str(path))
    assert answer["columns"]["train_loss"] == "loss"
    first = answer["findings"][0]
    assert (first["code"], first["outcome"], first["severity"]) == ("not-finite", "found", "warning")
    assert any("NaN or infinite from epoch 2 on" in remark for remark in answer["remarks"])


@pytest.mark.parametrize(
    ("watched", "status"),
    [("found", 3), ("overfitting", 3), ("warning", 3), ("error", 0), ("not-finite, underfitting", 0), ("error,overfitting", 3)],
)
def test_a_script_can_fail_on_what_is_found(unfreeze: Command, overfitted: Path, watched: str, status: int) -> None:
    assert unfreeze("diagnose", overfitted, "--val-pictures", 1000, "--fail-on", watched)[0] == status


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--fail-on", "overfiting"), "--fail-on: there is no 'overfiting'. Did you mean 'overfitting'?"),
        (("--columns", "loss"), '--columns: "loss" isn\'t WHAT=NAME'),
        (("--columns", "loss=accuracy"), "columns: there is no 'loss'. Did you mean 'val_loss'?"),
        (("--columns", "rate=lr"), "history.csv: columns: rate=lr, but there is no such column."),
        (("--classes", "1"), "classes: it must be 2 or more, received 1"),
    ],
)
def test_what_is_said_wrong_is_refused_in_a_line(unfreeze: Command, overfitted: Path, options: tuple, message: str) -> None:
    status, out, err = unfreeze("diagnose", overfitted, *options)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert message in err


def test_what_is_no_history_is_refused_in_a_line(unfreeze: Command, tmp_path: Path) -> None:
    status, _, err = unfreeze("diagnose", tmp_path)
    assert (status, err.count("\n")) == (2, 1)
    assert f"{tmp_path} is a folder, and no run of unfreeze. Give a run folder or a file." in err


def test_a_run_finished_and_not(unfreeze: Command, run: Path) -> None:
    status, out, _ = unfreeze("diagnose", run, "--json")
    answer = json.loads(out)
    assert status == 0
    assert sorted(finding["code"] for finding in answer["findings"]) == sorted(CODES)
    assert "columns" not in answer
    for name in ("metrics.json", "predictions.csv", "findings.json"):
        (run / name).unlink()
    status, out, _ = unfreeze("diagnose", run)
    assert status == 0
    assert "could not tell: " in out
    (run / "history.jsonl").unlink()
    assert unfreeze("diagnose", run) == (0, "there is no finished epoch to look at yet\n", "")
    status, _, err = unfreeze("diagnose", run, "--classes", 3)
    assert (status, err) == (2, "unfreeze: classes: only for the history file of another tool, as a run says it itself\n")


def test_the_twin_takes_a_file_or_a_table(overfitted: Path) -> None:
    table = package.read_table(overfitted, val_pictures=1000)
    assert package.diagnose(table) == package.diagnose(overfitted, val_pictures=1000)
    with pytest.raises(RunError, match="no such file"):
        package.diagnose(overfitted.with_name("none.csv"))


def test_a_comma_in_a_columns_name() -> None:
    assert parse_columns("train_loss=loss, of training, val_loss=a=b") == {"train_loss": "loss, of training", "val_loss": "a=b"}
    with pytest.raises(RecipeError):
        parse_columns("loss,val_loss=x")
