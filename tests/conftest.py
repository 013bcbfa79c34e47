"""What every test can use."""

from __future__ import annotations

import os

import pytest

# No test may wait for a hub that can't be reached, or fetch from one that can.
os.environ["HF_HUB_OFFLINE"] = "1"


@pytest.fixture
def numpy_framework(monkeypatch: pytest.MonkeyPatch) -> str:
    """Registers the NumPy backend under the name it gives back."""
    from unfreeze import api

    monkeypatch.setitem(api.BACKENDS, "numpy", ("support.numpy_backend", "none"))
    return "numpy"
