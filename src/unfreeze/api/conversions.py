"""A run trained in one framework, opened in the other."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unfreeze.api.exports import PROBABILITIES, TENSORS, predict_exactly
from unfreeze.api.finished import folder_of
from unfreeze.api.frameworks import load_backend
from unfreeze.api.runs import Run, open_run
from unfreeze.api.samples import scored_pictures
from unfreeze.data.layout import find_files
from unfreeze.errors import ModelError, RunError, StorageError
from unfreeze.exchange import apart
from unfreeze.files import make_folder
from unfreeze.reading import check_readable
from unfreeze.recipe.network import Network
from unfreeze.report.page import write_report
from unfreeze.training import run_folder
from unfreeze.training.calibration import copy_calibration
from unfreeze.training.manifest import MANIFEST

# Models this near name the same class, except where its probability and the next one's are within twice this.
_TOLERANCE = 1e-3
_COPIED = (
    run_folder.DATA, run_folder.METRICS, run_folder.PREDICTIONS, run_folder.FINDINGS,
    "history.jsonl", "history.csv", "gradcam.json", "curves.png", "confusion.png",
)  # fmt: skip


@dataclass(frozen=True)
class Conversion:
    """A run in another framework.

    Attributes:
        folder: the new run's.
        framework: that it now runs in.
        pictures: how many both models were asked about.
        largest_difference: between their probabilities, over those pictures and all classes; in 0–1.
    """

    folder: Path
    framework: str
    pictures: int
    largest_difference: float


def convert(
    run: Run | str | Path, to: str, *, out: str | Path | None = None, check: Sequence[str | Path] | None = None
) -> Conversion:
    """Opens a run trained in one framework in the other. Twin of `unfreeze convert`.

    Both models name the same pictures, in float32 on the CPU. Where a probability differs by more than 0.001, there is no
    new run.

    Args:
        run: a run or its folder; it isn't changed.
        to: `torch` or `tensorflow`.
        out: the new run's folder; None adds the framework to the old one's name.
        check: pictures, and folders of pictures, to ask both models about; None takes up to 64 of those the run was scored on.

    Raises:
        FrameworkError: no such framework, or one of the two isn't installed.
        RunError: the run is of this framework already, hasn't ended or can't be read, or `out` holds something.
        DataError: there is no picture to check with, or one can't be read.
        ModelError: the network can't be carried over, or the two models don't agree.
        StorageError: the new folder can't be written.
    """
    old = open_run(folder_of(run))
    if old.plan.network.framework == to:
        raise RunError(f"{old.folder} is a run in {to} already: there is nothing to convert")
    target = load_backend(to)
    folder = Path(out) if out is not None else old.folder.resolve().with_name(f"{old.folder.resolve().name}-{to}")
    run_folder.check_free(folder)
    pictures = find_files([Path(path) for path in check]) if check else scored_pictures(old.folder)
    with _workplace(folder) as workplace:
        tensors, expected = _export(old.folder, pictures, workplace)
        new = workplace / folder.name
        target.write_model(new / run_folder.MODEL, tensors, _manifest(old.folder, to))
        copy_calibration(old.folder / run_folder.MODEL, new / run_folder.MODEL)
        network = old.plan.network.model_copy(update={"framework": to})
        difference = float(np.abs(predict_exactly(network, new / run_folder.MODEL, pictures) - expected).max())
        conversion = Conversion(folder, to, len(pictures), difference)
        _refuse_disagreement(conversion, old)
        _write_run(old, network, conversion, new)
        _move(new, folder)
    return conversion


@contextlib.contextmanager
def _workplace(folder: Path) -> Iterator[Path]:
    """A folder beside the new one, so that the finished run only needs to be renamed; it is gone afterwards."""
    make_folder(folder.parent)
    with _storage_errors(folder):
        workplace = tempfile.TemporaryDirectory(prefix=".unfreeze-", dir=folder.parent)
    with workplace as path:
        yield Path(path)


@contextlib.contextmanager
def _storage_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(f"{folder}: can't be written ({error.strerror or error})") from None


def _export(run: Path, pictures: Sequence[Path], workplace: Path) -> tuple[dict[str, NDArray[np.generic]], NDArray[np.float32]]:
    """The run's tensors and what its model says of the pictures, from a process of the run's own framework."""
    names = [str(path) for path in pictures]
    apart.call("unfreeze.api.exports:export", run=str(run), pictures=names, to=str(workplace))
    with np.load(workplace / TENSORS) as tensors:
        return dict(tensors), np.load(workplace / PROBABILITIES)


def _manifest(run: Path, to: str) -> dict[str, Any]:
    manifest = run_folder.read_json(run / run_folder.MODEL, MANIFEST)
    return {**manifest, "recipe": {**manifest.get("recipe", {}), "framework": to}}


def _refuse_disagreement(conversion: Conversion, old: Run) -> None:
    # Turned round, so that NaN is refused as well.
    if not conversion.largest_difference <= _TOLERANCE:
        raise ModelError(
            f"{old.folder}: the model in {conversion.framework} doesn't agree with the one in {old.plan.network.framework}:"
            f" on {conversion.pictures} pictures a probability differs by {conversion.largest_difference:.2g}, allowed is"
            f" {_TOLERANCE:g}. Nothing was written. Please report the network, {old.plan.network.name}"
        )


def _write_run(old: Run, network: Network, conversion: Conversion, new: Path) -> None:
    """All of the run folder but the model: as it was, with the framework changed and a remark on where it comes from."""
    _refuse_links(old.folder)
    with _storage_errors(conversion.folder):
        for name in _COPIED:
            if (old.folder / name).exists():
                shutil.copyfile(old.folder / name, new / name)
    before = old.plan.network.framework
    remark = (
        f"converted from the {before} run {old.folder}, checked on {conversion.pictures} pictures: largest difference of a"
        f" probability {conversion.largest_difference:.1e}. Curves, scores and times are those of the training in {before}"
    )
    plan = old.plan.model_copy(update={"network": network, "remarks": (*old.plan.remarks, remark)})
    recipe = run_folder.read_asked(old.folder).model_copy(update={"framework": conversion.framework})
    run_folder.write_plan(new, plan, recipe)
    write_report(new, known_as=conversion.folder)


def _refuse_links(run: Path) -> None:
    """A link out of the run would copy a file of the person's into the new one."""
    for path in (run / name for name in _COPIED if (run / name).exists()):
        try:
            check_readable(path, within=run)
        except OSError as error:
            raise RunError(f"{path}: can't be copied ({error})") from None


def _move(new: Path, folder: Path) -> None:
    with _storage_errors(folder):
        if folder.exists():  # empty, as `check_free` saw; not every system renames onto a folder
            folder.rmdir()
        new.rename(folder)
