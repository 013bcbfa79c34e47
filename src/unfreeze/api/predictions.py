"""What a run's model says of pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from unfreeze.api.abstentions import abstention
from unfreeze.api.finished import folder_of, load_model, predict_files
from unfreeze.data.layout import find_files
from unfreeze.files import make_folder
from unfreeze.training import run_folder

if TYPE_CHECKING:
    from unfreeze.api.runs import Run


@dataclass(frozen=True)
class Prediction:
    """What a model says of one picture.

    Attributes:
        path: the file.
        label: the most probable class; None where the model abstained, or the file can't be read and `error` says why.
        confidence: the highest probability, in 0–1; None where the file can't be read.
        probabilities: class -> probability, calibrated where the run is.
        abstained: whether the confidence is too low for the precision that was asked for.
    """

    path: Path
    label: str | None
    confidence: float | None
    probabilities: dict[str, float]
    error: str | None = None
    abstained: bool = False


def predict(
    run: Run | str | Path,
    paths: Sequence[str | Path],
    *,
    to: str | Path | None = None,
    device: str = "auto",
    min_precision: float | None = None,
) -> list[Prediction]:
    """Names pictures with a run's model. Twin of `unfreeze predict`.

    Args:
        run: a run or its folder.
        paths: pictures, and folders of pictures (searched whole, hidden files left out).
        to: also write a CSV file: path, predicted, confidence, error, a probability per class.
        device: `auto`, `cpu` or `cuda`.
        min_precision: name only pictures of which the model is sure enough for this part of them to be named right, in 0–1;
            `unfreeze.abstention` gives the threshold. The CSV file then has a column `abstained`, `true` or `false`.

    Returns:
        One per file, in the order given, folders by name; a file that can't be read has an `error` and no label.

    Raises:
        DataError: a path doesn't exist, or there is no file at all.
        RecipeError: the precision can't be had; the message says which can.
        RunError: the run can't be read.
    """
    folder = folder_of(run)
    planned = run_folder.read_plan(folder)
    threshold = abstention(folder, min_precision).threshold if min_precision is not None else None
    files = find_files([Path(path) for path in paths])
    backend = load_model(planned, folder, device)
    rows, unreadable = predict_files(backend, folder / run_folder.MODEL, planned.network.contract, files)
    classes = planned.data.classes
    predictions = [
        _prediction(file, rows[place], classes, threshold)
        if place in rows
        else Prediction(file, None, None, {}, unreadable[place])
        for place, file in enumerate(files)
    ]
    if to is not None:
        _write_predictions(Path(to), predictions, classes, threshold is not None)
    return predictions


def _prediction(
    file: Path, log_probabilities: NDArray[np.float32], classes: tuple[str, ...], threshold: float | None
) -> Prediction:
    probabilities = dict(zip(classes, np.exp(log_probabilities).astype(float).tolist(), strict=True))
    label = max(probabilities, key=lambda name: probabilities[name])
    prediction = Prediction(file, label, probabilities[label], probabilities)
    if threshold is None or probabilities[label] >= threshold:
        return prediction
    return replace(prediction, label=None, abstained=True)


def _write_predictions(path: Path, predictions: Sequence[Prediction], classes: tuple[str, ...], may_abstain: bool) -> None:
    extra = ["abstained"] if may_abstain else []
    columns = ["path", "predicted", "confidence", "error", *extra, *run_folder.prediction_columns(classes)]
    rows: list[list[Any]] = []
    for prediction in predictions:
        if prediction.confidence is None:
            rows.append([prediction.path, "", "", prediction.error, *[""] * (len(extra) + len(classes))])
            continue
        confidence, *cells = run_folder.probability_cells(
            [prediction.confidence, *(prediction.probabilities[name] for name in classes)]
        )
        abstained = [str(prediction.abstained).lower()] if may_abstain else []
        rows.append([prediction.path, prediction.label or "", confidence, "", *abstained, *cells])
    make_folder(path.parent)
    run_folder.write_table(path, columns, rows)
