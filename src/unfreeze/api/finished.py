"""A finished run's folder and model, and what the model says of files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from unfreeze.api.frameworks import load_backend
from unfreeze.data.load import Batch, load_files
from unfreeze.data.picture import decoding_threads
from unfreeze.errors import RecipeError
from unfreeze.recipe.network import InputContract
from unfreeze.recipe.plan import Plan
from unfreeze.training import run_folder
from unfreeze.training.backend import Backend
from unfreeze.training.calibration import calibrated

if TYPE_CHECKING:
    from unfreeze.api.runs import Run

# Pictures a batch, where a model only predicts.
PREDICTION_BATCH = 32


def folder_of(run: Run | str | Path) -> Path:
    """The folder of a run that is given as itself or as its folder."""
    return Path(run) if isinstance(run, (str, Path)) else run.folder


def load_model(planned: Plan, folder: Path, device: str) -> Backend:
    """The model of a run in its framework, at the precision it was trained in.

    Args:
        device: `auto`, `cpu` or `cuda`.

    Raises:
        RecipeError: another device.
        RunError: the model can't be read.
        FrameworkError: the run's framework isn't installed.
    """
    if device not in ("auto", "cpu", "cuda"):
        raise RecipeError(f"device: it can be auto, cpu or cuda, received '{device}'")
    # bfloat16 on a machine without it would be emulated: `auto` then takes float32.
    precision = "auto" if planned.precision == "bfloat16" else planned.precision
    package = load_backend(planned.network.framework)
    backend: Backend = package.load_model(folder / run_folder.MODEL, device, precision)
    return backend


def predict_files(
    backend: Backend, model: Path, contract: InputContract, files: Sequence[Path]
) -> tuple[dict[int, NDArray[np.float32]], dict[int, str]]:
    """What a model says of picture files at its temperature, each by its place in `files`.

    Args:
        model: the folder that the backend's model is from.

    Returns:
        Log-probabilities, float32 [K], of every file that can be read; the reason for every other.

    Raises:
        RunError: the model's calibration can't be read.
    """
    unreadable: dict[int, str] = {}
    places: list[int] = []

    def batches() -> Iterator[Batch]:
        for batch in load_files(files, contract, PREDICTION_BATCH, decoding_threads(), unreadable):
            places.extend(batch.labels.tolist())
            yield batch

    rows = calibrated(backend.predict(batches()), model)
    return dict(zip(places, rows, strict=True)), unreadable
