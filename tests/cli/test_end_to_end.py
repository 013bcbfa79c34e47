"""The real thing as a person runs it: a process of its own, PyTorch, the bundled pretrained network."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]


def digits(folder: Path, classes: tuple[int, ...] = (0, 1, 7), count: int = 40) -> Path:
    """Some of scikit-learn's scans, as a folder."""
    from sklearn.datasets import load_digits

    scans = load_digits()
    for label in classes:
        for number, values in enumerate(scans.images[scans.target == label][:count]):
            path = folder / str(label) / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray((255 - values * 15.9375).astype(np.uint8)).resize((64, 64)).save(path)
    return folder


def unfreeze(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "unfreeze", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=500)


SMALL = ("--side", 64, "--set", "augment.flip=false", "--set", "augment.crop_min_area=0.8")


def test_train_evaluate_predict(tmp_path: Path) -> None:
    digits(tmp_path / "photos")
    trained = unfreeze("train", "photos", *SMALL, "--head-epochs", 3, "--epochs", 3, "--out", "run", cwd=tmp_path)
    assert (trained.returncode, trained.stderr) == (0, "")
    metrics = json.loads((tmp_path / "run/metrics.json").read_text())
    assert metrics["test"]["accuracy"] >= 0.9
    evaluated = unfreeze("evaluate", "run", "photos", cwd=tmp_path)
    assert evaluated.returncode == 0
    assert "photos: accuracy" in evaluated.stdout
    predicted = unfreeze("predict", "run", "photos/7", "--to", "p.csv", cwd=tmp_path)
    assert predicted.returncode == 0
    assert "40 pictures named: p.csv" in predicted.stdout
    # Made again from the folder, the run's own predictions come out.
    own = {line.split(",")[0]: line.split(",")[3:] for line in (tmp_path / "run/predictions.csv").read_text().splitlines()[1:]}
    for line in (tmp_path / "p.csv").read_text().splitlines()[1:]:
        name, label, confidence, _, *_ = line.split(",")
        if (short := name.removeprefix("photos/")) in own:
            assert label == own[short][0]
            # Batches of another size can round otherwise in bfloat16.
            assert float(confidence) == pytest.approx(float(own[short][1]), abs=0.02)


def test_the_exercise_follows_the_chapter(tmp_path: Path) -> None:
    digits(tmp_path / "photos", count=12)
    trained = unfreeze(
        "train", "photos", "--recipe", "exercise", "--side", 32, "--epochs", 2, "--batch-size", 12, "--out", "run", cwd=tmp_path
    )
    assert trained.returncode == 0, trained.stderr
    history = [json.loads(line) for line in (tmp_path / "run/history.jsonl").read_text().splitlines()]
    assert [record["boundary"] for record in history] == ["head"] * 5 + ["stage4"] * 2
    assert "random weights, because its hub can't be reached" in trained.stdout
    for part in ("global average pooling → dense 256 → ReLU → dropout 0.4 → dense 3", "L2 0.0001", "× 0.5 after 2 flat"):
        assert part in trained.stdout
    for question in ("overfitting", "underfitting", "trained-too-long"):
        assert question in trained.stdout
    with Image.open(tmp_path / "run/curves.png") as curves:
        assert curves.format == "PNG"


@pytest.fixture
def interruptible() -> Iterator[None]:
    """A test run in the background of a shell ignores Ctrl-C, and so would the processes it starts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_keeps_the_best_so_far(tmp_path: Path) -> None:
    digits(tmp_path / "photos")
    command = [sys.executable, "-m", "unfreeze", "train", "photos", *map(str, SMALL), "--head-epochs", "500", "--out", "run"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        history = tmp_path / "run/history.jsonl"
        for _ in range(600):
            if history.exists() and len(history.read_text().splitlines()) >= 2:
                break
            time.sleep(0.1)
        os.kill(process.pid, signal.SIGINT)
        printed = process.communicate(timeout=120)[0]
    assert process.returncode == 130
    assert "the best so far, are kept" in printed
    assert json.loads((tmp_path / "run/metrics.json").read_text())["interrupted"] is True
    assert unfreeze("evaluate", "run", "photos", cwd=tmp_path).returncode == 0


def test_the_example_runs(tmp_path: Path) -> None:
    digits(tmp_path / "photos", count=20)
    ran = subprocess.run(
        [sys.executable, ROOT / "examples/train_and_predict.py", "photos", "run"],
        cwd=tmp_path, capture_output=True, text=True, timeout=500,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert "epoch 4 (last 2 stages): validation accuracy" in ran.stdout
    assert "test accuracy" in ran.stdout
