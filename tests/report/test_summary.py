"""The facts of a run as JSON and as Markdown."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from support.made_up import epochs
from support.made_up_run import CLASSES, HISTORY, OVERFITTING, made_up_dataset, write_run
from unfreeze.errors import RunError
from unfreeze.files import write_text
from unfreeze.recipe.read import validate_recipe, write_yaml
from unfreeze.report.page import write_report
from unfreeze.training import run_folder
from unfreeze.training.calibration import expected_calibration_error, reliability


def facts_of(folder: Path) -> dict:
    write_report(folder)
    return json.loads((folder / "report.json").read_text(encoding="utf-8"), parse_constant=pytest.fail)


def text_of(folder: Path) -> str:
    write_report(folder)
    return (folder / "report.md").read_text(encoding="utf-8")


def test_the_numbers_are_those_of_the_run(tmp_path: Path) -> None:
    metrics = write_run(tmp_path)
    facts = facts_of(tmp_path)
    assert facts["scores"] == {split: metrics[split] for split in ("test", "validation")}
    assert (facts["shown"], facts["best_epoch"], facts["state"]) == ("test", 3, "finished")
    assert facts["seconds"] == metrics["seconds"]
    for shown, record in zip(facts["epochs"], HISTORY, strict=True):
        assert shown == {name: getattr(record, name) for name in shown}
    assert facts["findings"][0]["measured"] == OVERFITTING.measured
    assert facts["findings"][0]["settings"] == ["--set head.dropout=0.5", "--set augment.rotation_degrees=15.0"]
    assert [phase["ended"] for phase in facts["plan"]["phases"]] == ["all epochs done", "no better for 5 epochs"]
    assert facts["missing"] == []


def test_calibration_is_of_the_split_that_is_shown(tmp_path: Path) -> None:
    write_run(tmp_path)
    predicted = run_folder.read_predictions(tmp_path, CLASSES)["test"]
    bins = reliability(predicted.confidences, predicted.right)
    calibration = facts_of(tmp_path)["calibration"]
    assert calibration["expected_calibration_error"] == pytest.approx(expected_calibration_error(bins))
    assert [one["pictures"] for one in calibration["bins"]] == [one.pictures for one in bins]
    assert sum(one["pictures"] for one in calibration["bins"]) == 45
    assert calibration["scaling"] is None


def test_examples_are_pictures_of_the_split_with_their_numbers(tmp_path: Path) -> None:
    write_run(tmp_path)
    predicted = run_folder.read_predictions(tmp_path, CLASSES)["test"]
    for one in facts_of(tmp_path)["examples"]["mistakes"]:
        place = predicted.names.index(one["name"])
        assert one["true"] == CLASSES[predicted.labels[place]]
        assert one["predicted"] == CLASSES[predicted.classes[place]] != one["true"]
        assert one["probability"] == predicted.confidences[place]


def test_commands_do_it_again(tmp_path: Path) -> None:
    folder = tmp_path / "my run"
    write_run(folder, made_up_dataset(tmp_path / "my pictures", CLASSES, 5))
    recipe = validate_recipe({"strategy": "full", "head": {"dropout": 0.5}, "data": {"classes": ["a b", "c"]}})
    write_yaml(recipe, folder / "recipe.yaml")
    commands = {one["does"]: one["command"] for one in facts_of(folder)["commands"]}
    data = f"'{tmp_path / 'my pictures'}'"
    assert commands["train again, just so"] == f"unfreeze train {data} --recipe '{folder / 'recipe.yaml'}'"
    assert commands["the same, spelled out"] == (
        f'unfreeze train {data} --set strategy=full --set \'data.classes=["a b", "c"]\' --set head.dropout=0.5'
    )
    assert commands["better, by what was found"] == f"unfreeze improve '{folder}'"


def test_numbers_that_are_none_are_null(tmp_path: Path) -> None:
    write_run(tmp_path, history=epochs(val_loss=[math.nan, math.inf, 1.0]))
    assert [record["val_loss"] for record in facts_of(tmp_path)["epochs"]] == [None, None, 1.0]


def test_predictions_that_are_no_numbers(tmp_path: Path) -> None:
    write_run(tmp_path)
    path = tmp_path / "predictions.csv"
    lines = path.read_text().splitlines()
    broken = [",".join([*line.split(",")[:-3], "nan", "nan", "nan"]) if ",test," in line else line for line in lines]
    write_text(path, "\n".join(broken) + "\n")
    facts = facts_of(tmp_path)
    assert facts["calibration"] is None
    assert {one["probability"] for one in facts["examples"]["mistakes"]} == {None}


def test_markdown_has_the_same_numbers(tmp_path: Path) -> None:
    test, text = write_run(tmp_path)["test"], text_of(tmp_path)
    low, high = (f"{100 * end:.1f} %" for end in test["interval"])
    assert f"| accuracy | {100 * test['accuracy']:.1f} % (95 % interval {low} to {high}, Wilson) |" in text
    assert f"| macro-F1 | {100 * test['macro_f1']:.1f} % |" in text
    assert f"| cat | 15 | {100 * test['per_class']['cat']['precision']:.1f} % |" in text
    assert "1. **overfitting** (warning, epoch 4): training accuracy 99%, validation accuracy \\<70%\\>" in text
    assert "Remedy: `--set head.dropout=0.5 --set augment.rotation_degrees=15.0`" in text
    assert "| 3 (best) | last stage | 0.500 | 0.500 | 98.0 % | 71.2 % |" in text
    assert text.startswith(f"# {tmp_path.name}".replace("_", "\\_"))


def test_markdown_is_not_broken_by_names(tmp_path: Path) -> None:
    names = ("a|b", "c\nd", "[e](f)", "`g`", "<h>", "K\udce4fer")
    write_run(tmp_path / "run", made_up_dataset(tmp_path, names, 5))
    text = text_of(tmp_path / "run")
    for name in ("a\\|b", "c\\\\nd", "\\[e\\](f)", "\\`g\\`", "\\<h\\>", "K\\\\udce4fer"):
        assert f"| {name} | 5 |" in text
    rows = text.split("| class |")[1].split("\n\n")[0].splitlines()
    assert {row.replace("\\|", "").count("|") for row in rows[1:]} == {6}


@pytest.mark.parametrize("splits", [[], ["validation"], ["test"]])
def test_markdown_of_whatever_was_scored(tmp_path: Path, splits: list[str]) -> None:
    write_run(tmp_path, splits=splits)
    assert f"## Classes ({splits[0]})" in text_of(tmp_path) if splits else "## Classes" not in text_of(tmp_path)


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"there is no plan\.yaml in it"):
        write_report(tmp_path)
    assert list(tmp_path.iterdir()) == []
