"""What every test can use."""

from __future__ import annotations

import contextlib
import os

import pytest

# Both frameworks share the tests' process. Triton, which torch loads, aborts one that holds TensorFlow; before it, it doesn't.
with contextlib.suppress(ImportError):
    import triton  # noqa: F401

# No test may wait for a hub that can't be reached, or fetch from one that can.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
# Threads that share so little work wait for each other longer than they compute.
os.environ["OMP_NUM_THREADS"] = "1"
# Converting a network takes longer than computing the few pictures of a test; those of the engine switch it on.
os.environ["UNFREEZE_ENGINE"] = "off"


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """One cache folder for all tests, also those in child processes; never the one of whoever runs them."""
    os.environ["UNFREEZE_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture
def numpy_framework(monkeypatch: pytest.MonkeyPatch) -> str:
    """Registers the NumPy backend under the name it gives back."""
    from unfreeze import api

    monkeypatch.setitem(api.BACKENDS, "numpy", ("support.numpy_backend", "none"))
    return "numpy"
