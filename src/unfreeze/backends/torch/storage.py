"""A finished model as a folder: tensors in safetensors, everything else in JSON. Loading runs no code from it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from numpy.typing import NDArray

from unfreeze.backends.torch.head import FineTuned, NewHead, feature_count
from unfreeze.backends.torch.networks import create_base, known_architecture
from unfreeze.errors import RunError, first_line
from unfreeze.files import make_folder, write_bytes
from unfreeze.reading import check_readable
from unfreeze.recipe.network import Network
from unfreeze.recipe.recipe import Recipe
from unfreeze.training.manifest import MANIFEST, parse_manifest, read_manifest, write_manifest

WEIGHTS = "weights.safetensors"


def save_model(model: FineTuned, manifest: dict[str, Any], folder: Path) -> None:
    """Writes both files, each under a temporary name first; the weights first, so that a manifest never lacks them."""
    make_folder(folder)
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    write_bytes(folder / WEIGHTS, safetensors.torch.save(tensors))
    write_manifest(manifest, "torch", folder)


def read_model(folder: Path) -> tuple[FineTuned, Network, tuple[str, ...], Recipe]:
    """The model in a folder, with its network, classes and recipe.

    Raises:
        RunError: a file is missing or damaged, or the model isn't one of timm's.
    """
    network, classes, recipe = parse_manifest(read_manifest(folder), folder)
    model = _empty_model(network, classes, recipe, folder)
    try:
        check_readable(folder / WEIGHTS, within=folder)
        model.load_state_dict(safetensors.torch.load_file(folder / WEIGHTS))
    except (OSError, ValueError, RuntimeError, safetensors.SafetensorError) as error:
        raise RunError(
            f"{folder / WEIGHTS}: can't be loaded into {network.architecture} ({first_line(error)}): the run is damaged"
        ) from None
    return model, network, classes, recipe


def read_tensors(folder: Path) -> dict[str, NDArray[Any]]:
    """The tensors of a finished model, under timm's names: `base.…` and `new_head.…`.

    Raises:
        RunError: as `read_model`.
    """
    model = read_model(folder)[0]
    return {name: tensor.numpy() for name, tensor in model.state_dict().items()}


def write_model(folder: Path, tensors: dict[str, NDArray[Any]], manifest: dict[str, Any]) -> None:
    """A finished model of this framework from the tensors and the manifest of another's.

    Args:
        tensors: as `read_tensors` gives them.
        manifest: with classes, recipe and network.

    Raises:
        RunError: they don't fit each other, or the model isn't one of timm's.
    """
    network, classes, recipe = parse_manifest(manifest, folder)
    model = _empty_model(network, classes, recipe, folder)
    try:
        model.load_state_dict({name: torch.from_numpy(values.copy()) for name, values in tensors.items()})
    except RuntimeError as error:
        raise RunError(f"{folder}: the tensors don't fit {network.architecture} ({error})") from None
    here = network.model_copy(update={"framework": "torch"})
    save_model(model, {**manifest, "network": here.model_dump(mode="json")}, folder)


def _empty_model(network: Network, classes: tuple[str, ...], recipe: Recipe, folder: Path) -> FineTuned:
    # Only names in timm's own registry: a stranger's manifest must not make timm fetch from a hub or a path.
    if not known_architecture(network.architecture):
        raise RunError(f"{folder / MANIFEST}: timm has no architecture '{network.architecture}'")
    base = create_base(network.architecture)
    return FineTuned(base, NewHead(feature_count(base), len(classes), recipe.head))
