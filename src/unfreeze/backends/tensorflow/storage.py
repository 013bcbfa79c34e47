"""A finished model as a folder: a `.keras` file of built-in layers, everything else in JSON. Loading runs no code from it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
from numpy.typing import NDArray

from unfreeze.backends.tensorflow import applications, carried
from unfreeze.backends.tensorflow.head import add_head
from unfreeze.backends.tensorflow.keras_file import read_keras, write_keras
from unfreeze.backends.tensorflow.tensors import load_timm_tensors, timm_tensors
from unfreeze.errors import ModelError, RunError
from unfreeze.files import make_folder
from unfreeze.recipe.network import Network
from unfreeze.recipe.recipe import Recipe
from unfreeze.training.manifest import MANIFEST, parse_manifest, read_manifest, write_manifest

MODEL = "model.keras"


def save_model(model: keras.Model, manifest: dict[str, Any], folder: Path) -> None:
    """Writes both files, each under a temporary name first; the weights first, so that a manifest never lacks them."""
    make_folder(folder)
    write_keras(model, folder / MODEL)
    write_manifest(manifest, "tensorflow", folder)


def read_model(folder: Path) -> tuple[keras.Model, Network, tuple[str, ...], Recipe]:
    """The model in a folder, with its network, classes and recipe.

    Raises:
        RunError: a file is missing or damaged, or the model holds anything but Keras's own layers.
    """
    network, classes, recipe = parse_manifest(read_manifest(folder), folder)
    model = read_keras(folder / MODEL)
    side_px = network.contract.side_px
    if model.input_shape != (None, side_px, side_px, 3):
        raise RunError(f"{folder / MODEL}: takes {model.input_shape}, {MANIFEST} says {side_px} × {side_px} pictures")
    if model.output_shape != (None, len(classes)):
        raise RunError(f"{folder / MODEL}: gives {model.output_shape[-1]} outputs, {MANIFEST} names {len(classes)} classes")
    return model, network, classes, recipe


def read_tensors(folder: Path) -> dict[str, NDArray[Any]]:
    """The tensors of a finished model, under timm's names: `base.…` and `new_head.…`.

    Raises:
        RunError: as `read_model`.
        ModelError: the network isn't one of timm's.
    """
    model, network, _, _ = read_model(folder)
    if network.architecture in applications.names():
        raise ModelError(
            f"{folder}: {network.architecture} is a network of keras.applications, which PyTorch hasn't: only networks of timm"
            " can be converted"
        )
    return timm_tensors(model, base_prefix="base.")


def write_model(folder: Path, tensors: dict[str, NDArray[Any]], manifest: dict[str, Any]) -> None:
    """A finished model of this framework from the tensors and the manifest of another's.

    Args:
        tensors: as `read_tensors` gives them.
        manifest: with classes, recipe and network.

    Raises:
        RunError: they don't fit each other.
        ModelError: the network can't be carried over.
    """
    network, classes, recipe = parse_manifest(manifest, folder)
    side_px = network.contract.side_px if recipe.input.side_px == "auto" else recipe.input.side_px
    at_side = recipe.input.model_copy(update={"side_px": side_px})
    opened = carried.open_carried(recipe.model_copy(update={"weights": "none", "input": at_side}), keep=False)
    model = add_head(opened.base, len(classes), recipe.head, recipe.seed)
    load_timm_tensors(model, tensors, base_prefix="base.")
    contract = network.contract.with_side(side_px)
    here = network.model_copy(update={"framework": "tensorflow", "contract": contract})
    save_model(model, {**manifest, "network": here.model_dump(mode="json")}, folder)
