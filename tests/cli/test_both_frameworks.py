"""What needs both frameworks, as a person runs it: PyTorch and TensorFlow, each in a process of its own."""

from __future__ import annotations

import csv
import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

from support.browser import CLICK_EVERYTHING, open_page
from support.folders import class_folder
from unfreeze import api

WEIGHTS = "model/weights.safetensors"


def unfreeze(*arguments: object, cwd: Path) -> str:
    """What a command that ends well prints."""
    command = [sys.executable, "-m", "unfreeze", *map(str, arguments)]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    return done.stdout


def table(path: Path) -> dict[str, dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return {row["path"]: row for row in csv.DictReader(file)}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `photos`, and with `out`, where both frameworks were trained."""
    for framework in ("torch", "tensorflow"):
        if importlib.util.find_spec(framework) is None:
            pytest.skip(f"{framework} isn't installed")
    place = tmp_path_factory.mktemp("both")
    class_folder(place / "photos", {"a": 10, "b": 10})
    # Without dropout, whose random numbers are each framework's own.
    options = ("--strategy", "feature-extraction", "--head-epochs", 2, "--side", 64, "--dropout", 0, "--precision", "float32")
    assert "look at     out/comparison.html" in unfreeze(
        "train", "photos", "--framework", "both", *options, "--out", "out", cwd=place
    )
    return place


def test_both_learn_the_same(place: Path) -> None:
    comparison = api.compare([place / "out/torch", place / "out/tensorflow"])
    assert comparison.same_data
    assert {row.name for row in comparison.differences} <= {"network.framework", "environment"}
    one, two = (run.scores("validation") for run in comparison.runs)
    assert one is not None
    assert two is not None
    assert two.loss == pytest.approx(one.loss, rel=1e-3)


def test_from_torch_to_tensorflow_and_back(place: Path) -> None:
    for source, framework, target in (("out/torch", "tensorflow", "there"), ("there", "torch", "back")):
        printed = unfreeze("convert", source, "--to", framework, "--out", target, cwd=place)
        found = re.match(r"checked on (\d+) pictures: the largest difference of a probability is (\S+)\n", printed)
        assert found is not None
        assert int(found[1]) == len(table(place / source / "predictions.csv"))
        assert float(found[2]) < 1e-4
    assert (place / "back" / WEIGHTS).read_bytes() == (place / "out/torch" / WEIGHTS).read_bytes()
    unfreeze("predict", "there", "photos", "--to", "predictions.csv", cwd=place)
    named = table(place / "predictions.csv")
    for path, row in table(place / "out/torch/predictions.csv").items():
        assert float(named[f"photos/{path}"]["p(a)"]) == pytest.approx(float(row["p(a)"]), abs=1e-4)


@pytest.mark.parametrize("framework", ["torch", "tensorflow"])
def test_their_reports_work_in_a_browser(place: Path, tmp_path: Path, framework: str) -> None:
    seen = open_page(place / "out" / framework / "report.html", CLICK_EVERYTHING, tmp_path)
    assert seen["clicked"] > 20
    assert seen["broken"] == seen["unreachable"] == []
