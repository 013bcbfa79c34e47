"""Looking at a folder of pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from unfreeze.api.frameworks import load_backend
from unfreeze.api.network_findings import find_disputed_labels, find_in_inputs
from unfreeze.api.opening import cache_place
from unfreeze.cache.folder import cache_folder
from unfreeze.data.dataset import Dataset
from unfreeze.data.scan import Progress, scan
from unfreeze.files import check_folder_of
from unfreeze.inspection.finding import DataFinding
from unfreeze.inspection.inspection import USUAL_SIDE_PX, Inspection, inspect_dataset
from unfreeze.recipe.read import read_recipe


def inspect(
    data: str | Path,
    *,
    classes: Sequence[str] | None = None,
    group_by: str | None = None,
    model: str | None = None,
    framework: str = "torch",
    page: str | Path | None = None,
    progress: Progress | None = None,
) -> Inspection:
    """Looks at a folder or manifest: counts, splits, duplicates, files, look and, with a network, labels and inputs.

    Changes nothing in it. Twin of `unfreeze inspect`.

    Args:
        classes: look at these only.
        group_by: which pictures belong to one patient, camera or session: as for `train`.
        model: a network, as for `train`: its frozen features are asked about the labels, its normalisation layers about the
            inputs, and its input side is what small pictures are held against. What it gives for each picture is kept in the
            cache, where a training finds it.
        framework: `torch` or `tensorflow`, in which the network runs.
        page: where to write everything as one HTML page with the pictures concerned.
        progress: of the scan.

    Raises:
        DataError: it can't be used at all.
        RecipeError, ModelError, FrameworkError: the network can't be had.
        StorageError: the page can't be written.
    """
    if page is not None:
        check_folder_of(Path(page))
    dataset = scan(Path(data), tuple(classes) if classes else None, progress, cache_folder(), group_by, closely=True)
    side_px, said = _ask_network(dataset, model, framework) if model else (USUAL_SIDE_PX, [])
    inspection = inspect_dataset(dataset, side_px, said)
    if page is not None:
        from unfreeze.report.inspection import write_inspection  # draws, which takes a while to import

        write_inspection(inspection, dataset.paths, Path(page))
    return inspection


def _ask_network(dataset: Dataset, model: str, framework: str) -> tuple[int, list[DataFinding]]:
    """The side of a network's input, and what it says of the pictures."""
    asked = read_recipe(None, {"framework": framework, "model": model})
    package = load_backend(asked.framework)
    package.check(asked)
    backend = package.open_network(asked, dataset.classes)
    contract = backend.network.contract
    return contract.side_px, [
        *find_in_inputs(dataset, contract, backend),
        *find_disputed_labels(dataset, contract, backend, cache_place(asked.cache)),
    ]
