"""The manifest of a finished model: all about it but its tensors, the same in every framework."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from unfreeze.errors import RunError
from unfreeze.files import write_json
from unfreeze.reading import parse_json, read_text
from unfreeze.recipe.network import Network
from unfreeze.recipe.recipe import Recipe
from unfreeze.typed import first_mistake

MANIFEST = "manifest.json"
FORMAT = 1


def write_manifest(manifest: dict[str, Any], framework: str, folder: Path) -> None:
    """Writes a manifest with classes, recipe and network."""
    write_json(folder / MANIFEST, {**manifest, "format": FORMAT, "framework": framework})


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest in a model's folder, as plain values.

    Raises:
        RunError: it is missing, damaged, or of another version.
    """
    path = folder / MANIFEST
    try:
        manifest = parse_json(read_text(path, within=folder))
    except (OSError, ValueError) as error:
        raise RunError(f"{path}: can't be read ({error}). Give a run folder that `unfreeze train` made.") from None
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        found = manifest.get("format") if isinstance(manifest, dict) else None
        raise RunError(f"{path}: format {found!r}, this version of unfreeze reads format {FORMAT}")
    return manifest


def parse_manifest(manifest: dict[str, Any], folder: Path) -> tuple[Network, tuple[str, ...], Recipe]:
    """What a manifest says: the network, the classes in the order of its outputs, and the recipe.

    Raises:
        RunError: something is missing or isn't as written.
    """
    try:
        network = Network.model_validate(manifest["network"])
        return network, tuple(manifest["classes"]), Recipe.model_validate(manifest["recipe"])
    except ValidationError as error:
        raise RunError(f"{folder / MANIFEST}: isn't the manifest of a model ({first_mistake(error)})") from None
    except (KeyError, TypeError) as error:
        raise RunError(f"{folder / MANIFEST}: isn't the manifest of a model ({error!r})") from None
