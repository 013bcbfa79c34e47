"""The examples do what they say, run as a person would."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.mark.parametrize(
    ("name", "needs", "last"),
    [
        ("torch_own_loop", "torch", "train from layer4.1 on: 8 tensors"),
        ("keras_own_fit", "tensorflow", "train from norm32 on: 4 variables"),
        ("lightning_callback", "lightning", "boundary: stage3"),
    ],
)
def test_the_pieces_in_a_loop_of_ones_own(name: str, needs: str, last: str) -> None:
    if importlib.util.find_spec(needs) is None:
        pytest.skip(f"{needs} isn't installed")
    done = subprocess.run([sys.executable, EXAMPLES / f"{name}.py"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == last
