"""Networks of timm, carried over from PyTorch once and then kept as `.keras` files of built-in layers."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray
from pydantic import ValidationError

from unfreeze.backends.tensorflow.build import build
from unfreeze.backends.tensorflow.keras_file import read_keras, write_keras
from unfreeze.backends.tensorflow.opened import Opened
from unfreeze.backends.tensorflow.tensors import load_timm_tensors
from unfreeze.cache.folder import CARRIED_OVER, cache_folder
from unfreeze.errors import FrameworkError, ModelError, RunError, StorageError
from unfreeze.exchange import apart, graph
from unfreeze.exchange.description import Description
from unfreeze.files import make_folder, write_text
from unfreeze.reading import read_text
from unfreeze.recipe.recipe import Recipe

# Part of each kept file's name: raise it when the same recipe gives another model.
FORMAT = 1
# Relative. Rounding alone gives about 1e-5, and up to 1e-3 in networks whose float32 is that far from their float64.
_TOLERANCE = 5e-3
_PRETRAINED_OR_RANDOM = "pretrained-or-random"
_RANDOM = "none"


def open_carried(recipe: Recipe, keep: bool = True) -> Opened:
    """The base of a recipe whose network is timm's, at the recipe's input size, or the checkpoint's where that is `auto`.

    PyTorch carries it over in a process of its own, once; after that the model comes from the cache folder and PyTorch isn't
    needed. Random weights are the same as those that the torch backend makes for the recipe. With `keep` False a network that
    isn't in the cache folder isn't put there.

    Raises:
        ModelError: no such network or weights, an input it can't take, or an operation that can't be carried over.
        RecipeError: the input is too small for the network, or stochastic depth isn't in it.
        FrameworkError: it must be carried over, and PyTorch isn't installed.
    """
    kept = _kept_file(recipe)
    return _read_kept(kept) or _carry_over(recipe, kept if keep else None)


def check(recipe: Recipe) -> None:
    """Refuses what `open_carried` would; carries the network over, unless it is kept already.

    Raises:
        ModelError, RecipeError, FrameworkError: as `open_carried`.
    """
    kept = _kept_file(recipe)
    if not (kept.is_file() and _description_file(kept).is_file()):
        open_carried(recipe)


def _carry_over(recipe: Recipe, kept: Path | None) -> Opened:
    if importlib.util.find_spec("torch") is None or importlib.util.find_spec("timm") is None:
        raise FrameworkError(
            f"{recipe.model} is carried over from timm once, which needs PyTorch: pip install 'unfreeze[torch]', or use a"
            " network of keras.applications, for example --model MobileNetV2"
        )
    with tempfile.TemporaryDirectory(prefix="unfreeze-") as folder:
        told = apart.call("unfreeze.backends.torch.graph:write_graph", recipe=recipe.model_dump(mode="json"), folder=folder)
        description = Description.model_validate(told)
        base = build(graph.read(Path(folder, "graph.json")))
        load_timm_tensors(base, safetensors.numpy.load_file(Path(folder, "weights.safetensors")))
        _compare(base, safetensors.numpy.load_file(Path(folder, "probe.safetensors")), recipe.model)
    # Where the pretrained weights couldn't be had this time, they are tried again the next time.
    if kept is not None and (description.pretrained or recipe.weights != _PRETRAINED_OR_RANDOM):
        _keep(base, description, kept)
    return _opened(base, description)


def _compare(base: Any, probe: dict[str, NDArray[np.float32]], model: str) -> None:
    """Refuses a network that gives other features than PyTorch's: better no model than one that is quietly wrong."""
    features = probe["features"]
    difference = np.abs(np.asarray(base(probe["images"], training=False)) - features).max() / np.abs(features).max()
    if not difference <= _TOLERANCE:  # turned round, so that NaN is refused as well
        raise ModelError(
            f"{model} can't be carried over to TensorFlow: its features differ by {difference:.1e} of their size."
            " Use another network (`unfreeze models` lists the tested ones) or framework: torch, and please report it."
        )


def _keep(base: Any, description: Description, kept: Path) -> None:
    try:
        make_folder(kept.parent)
        write_keras(base, kept)
        write_text(_description_file(kept), description.model_dump_json(indent=1) + "\n")
    except StorageError:  # a cache that can't be written costs time, not the training
        pass


def _read_kept(kept: Path) -> Opened | None:
    """The kept model; None where there is none or it is damaged."""
    try:
        description = Description.model_validate_json(read_text(_description_file(kept)))
        return _opened(read_keras(kept), description)
    except (OSError, ValueError, ValidationError, RunError):
        return None


def _opened(base: Any, description: Description) -> Opened:
    return Opened(base=base, **{name: getattr(description, name) for name in Description.model_fields})


def _kept_file(recipe: Recipe) -> Path:
    identity: dict[str, Any] = {"format": FORMAT, "model": recipe.model, "side_px": recipe.input.side_px}
    if recipe.weights == _RANDOM:
        identity["seed"] = recipe.seed
    elif recipe.weights in ("pretrained", _PRETRAINED_OR_RANDOM):
        identity["weights"] = "pretrained"
    else:
        identity["weights"] = _identity_of_files(Path(recipe.weights))
    if recipe.stochastic_depth:
        identity["stochastic_depth"] = recipe.stochastic_depth
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:8]
    name = re.sub(r"[^\w.-]", "_", f"{recipe.model}-{recipe.input.side_px}-{digest}.keras")
    return cache_folder() / CARRIED_OVER / name


def _description_file(kept: Path) -> Path:
    return kept.with_suffix(".json")


def _identity_of_files(path: Path) -> list[list[str | int]]:
    """Which files, how large and how old: for a folder, those in it."""
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    stats = [(file.resolve(), file.stat()) for file in files if file.is_file()]
    return [[str(file), stat.st_size, stat.st_mtime_ns] for file, stat in stats]
