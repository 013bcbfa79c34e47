"""Whether pictures reach a network as they did in its pretraining."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from unfreeze.api.finished import load_model
from unfreeze.api.frameworks import BACKENDS, BOTH, load_backend
from unfreeze.api.network_findings import check_files, some
from unfreeze.api.preparation import read_changed
from unfreeze.data.layout import read_layout
from unfreeze.errors import DataError, FrameworkError, RecipeError
from unfreeze.inspection.finding import DataFinding
from unfreeze.recipe.network import InputContract
from unfreeze.training import run_folder
from unfreeze.training.backend import Backend

# Enough for the mean and the variance of every channel, few enough for a moment on a CPU.
_PICTURES = 32


def check_inputs(model: str | Path, data: str | Path, *, pictures: int = _PICTURES, **changes: Any) -> DataFinding:
    """Whether pictures reach a network as they did in its pretraining. Twin of `unfreeze check-inputs`.

    For a model and a loader of your own there are `unfreeze.torch.check_inputs` and `unfreeze.keras.check_inputs`.

    Args:
        model: a network's name as for `train`, or the folder of a run.
        data: as for `train`; some pictures of all of it are read.
        pictures: how many.
        changes: parts of the recipe, for example `framework="tensorflow"` or `weights="weights/"`; for a run only `device`.

    Returns:
        A finding with the code `inputs-fit`, `inputs-mismatch` or `inputs-unknown`; see `inspection.inputs`.

    Raises:
        RecipeError, DataError, ModelError, FrameworkError, RunError: each says what to do about it.
    """
    if pictures < 1:
        raise RecipeError(f"pictures: {pictures} won't do: give 1 or more, {_PICTURES} is usual")
    files = some([file.path for file in read_layout(Path(data)).found], pictures)
    backend, contract = _open(model, changes)
    finding = check_files(files, contract, backend)
    if finding is None:
        raise DataError(f"{data}: none of {len(files)} files can be read as a picture: `unfreeze inspect` lists why")
    return finding


def _open(model: str | Path, changes: dict[str, Any]) -> tuple[Backend, InputContract]:
    """The network of a run or of a recipe, and how its pictures are to be prepared."""
    if (Path(model) / run_folder.PLAN).is_file():
        if extra := changes.keys() - {"device"}:
            raise RecipeError(
                f"{', '.join(sorted(extra))}: a run is checked as it was trained. Leave it out, or give a network's name"
                " instead of the run's folder"
            )
        planned, folder = run_folder.read_plan(Path(model)), Path(model)
        return load_model(planned, folder, changes.get("device", "auto")), planned.network.contract
    asked = read_changed(None, {"model": str(model), "precision": "float32", **changes})
    if asked.framework == BOTH:
        raise FrameworkError(f"framework: check-inputs takes one framework: {' or '.join(BACKENDS)}")
    package = load_backend(asked.framework)
    package.check(asked)
    backend: Backend = package.open_network(asked, ("one", "other"))
    contract, side = backend.network.contract, asked.input.side_px
    return backend, contract if side == "auto" else contract.with_side(side)
