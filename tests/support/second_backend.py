"""The NumPy backend as another framework would have it: under its own name, with its weights on disk the other way round."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from support import numpy_backend
from support.numpy_backend import NumpyBackend, check
from unfreeze.recipe.recipe import Recipe

__all__ = ["check", "load_model", "open_network", "read_tensors", "write_model"]


class SecondBackend(NumpyBackend):
    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.network = self.network.model_copy(update={"framework": "second"})

    def save_model(self, folder: Path) -> None:
        here = self.weights
        self.weights = _turned(here)
        super().save_model(folder)
        self.weights = here


def open_network(recipe: Recipe, classes: tuple[str, ...]) -> SecondBackend:
    opened = numpy_backend.open_network(recipe, classes)
    return SecondBackend(opened.weights, recipe.model, classes, recipe.head.dropout, recipe.seed)


def load_model(folder: Path, device: str = "auto", precision: str = "auto") -> SecondBackend:
    loaded = numpy_backend.load_model(folder)
    return SecondBackend(_turned(loaded.weights), loaded.network.name, loaded.classes, 0.0, 0)


def read_tensors(folder: Path) -> dict[str, NDArray[np.float32]]:
    return load_model(folder).weights


def write_model(folder: Path, tensors: dict[str, NDArray[np.float32]], manifest: dict[str, Any]) -> None:
    SecondBackend(tensors, manifest["name"], tuple(manifest["classes"]), 0.0, 0).save_model(folder)


def _turned(weights: dict[str, NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
    return {name: values.T for name, values in weights.items()}
