"""`python -m soak.unfreeze_with_numpy`: the command `unfreeze`, with the NumPy backend of the tests registered as `numpy`."""

from __future__ import annotations

from unfreeze import api
from unfreeze.__main__ import run

api.BACKENDS["numpy"] = ("support.numpy_backend", "none")

if __name__ == "__main__":
    run()
