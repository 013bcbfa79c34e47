"""A finished model as arrays, for another framework to take in. Runs in the process of the framework it was trained in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unfreeze.api.finished import predict_files
from unfreeze.api.frameworks import load_backend
from unfreeze.errors import DataError
from unfreeze.recipe.network import Network
from unfreeze.training import run_folder

TENSORS, PROBABILITIES = "tensors.npz", "probabilities.npy"


def export(run: str, pictures: Sequence[str], to: str) -> None:
    """Writes a run's tensors, and what its model says of some pictures, into the folder `to`.

    `tensors.npz` holds an array per tensor under timm's names, `probabilities.npy` float32 [N, K] of the N pictures. Paths
    are strings, because the call comes from another process.

    Raises:
        ModelError: the network can't be carried over.
        RunError: the model is missing or damaged.
        FrameworkError: the run's framework isn't installed.
        DataError: a picture can't be read.
    """
    network, model = run_folder.read_plan(Path(run)).network, Path(run, run_folder.MODEL)
    np.savez(Path(to, TENSORS), **load_backend(network.framework).read_tensors(model))
    np.save(Path(to, PROBABILITIES), predict_exactly(network, model, [Path(picture) for picture in pictures]))


def predict_exactly(network: Network, model: Path, pictures: Sequence[Path]) -> NDArray[np.float32]:
    """Probabilities, float32 [N, K], of N pictures by the model in a folder, in float32 on the CPU, at its temperature.

    Raises:
        RunError: the model is missing or damaged.
        DataError: a picture can't be read.
    """
    backend = load_backend(network.framework).load_model(model, "cpu", "float32")
    rows, unreadable = predict_files(backend, model, network.contract, pictures)
    for place, reason in unreadable.items():
        raise DataError(f"{pictures[place]}: {reason}. Check with pictures that can be read")
    return np.exp(np.stack([rows[place] for place in range(len(pictures))]))
