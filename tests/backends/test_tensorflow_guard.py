"""Both frameworks in one process, whichever comes first, and nothing that needs a standard error: in processes of their own."""

from __future__ import annotations

import subprocess
import sys

import pytest

STEP = """
import torch
weight = torch.nn.Parameter(torch.ones(1))
optimizer = torch.optim.AdamW([weight])
weight.sum().backward()
optimizer.step()
import timm
"""


@pytest.mark.parametrize(
    "code",
    [
        f"import unfreeze.backends.tensorflow\n{STEP}",
        f"import torch\nimport unfreeze.backends.tensorflow\n{STEP}",
        f"import tensorflow\nimport unfreeze.backends.torch\n{STEP}",
        "import unfreeze.backends.torch, unfreeze.backends.tensorflow, tensorflow; tensorflow.constant(1) + 1",
    ],
    ids=["tensorflow, torch", "torch, tensorflow", "plain tensorflow, torch", "both of ours"],
)
def test_both_frameworks_in_one_process(code: str) -> None:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("closing", ["import os; os.close(2)", "import sys; sys.stderr = None"])
def test_a_process_without_standard_error_can_use_tensorflow(closing: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"{closing}\nimport unfreeze.backends.tensorflow\nprint('done')"], capture_output=True, text=True
    )
    assert done.stdout == "done\n"


def test_start_up_notes_are_kept_from_the_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL")
    done = subprocess.run([sys.executable, "-c", "import unfreeze.backends.tensorflow"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
