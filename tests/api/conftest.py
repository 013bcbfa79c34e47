"""Trainings in this process, on the NumPy backend."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from unfreeze import api


@pytest.fixture(scope="module")
def numpy_backend() -> Iterator[None]:
    """As the root's `numpy_framework`, for what the tests of a module share."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(api.BACKENDS, "numpy", ("support.numpy_backend", "none"))
        yield
