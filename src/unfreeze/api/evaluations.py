"""How a run's model does on labelled pictures."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from unfreeze.api.abstentions import abstention
from unfreeze.api.finished import PREDICTION_BATCH, folder_of, load_model
from unfreeze.cache.folder import cache_folder
from unfreeze.data.dataset import Dataset, LeftOut
from unfreeze.data.load import Loader
from unfreeze.data.picture import decoding_threads
from unfreeze.data.scan import Progress, refuse_half_split, scan
from unfreeze.errors import DataError, did_you_mean
from unfreeze.recipe.plan import Plan
from unfreeze.recipe.recipe import Augment
from unfreeze.training import run_folder
from unfreeze.training.calibration import (
    AbstentionThreshold,
    calibrated,
    expected_calibration_error,
    expected_error_by_chance,
    reliability,
)
from unfreeze.training.scores import Scores, accuracy_interval, score

if TYPE_CHECKING:
    from unfreeze.api.runs import Run


@dataclass(frozen=True)
class Abstaining:
    """What a model does that names only pictures it is sure enough of.

    Attributes:
        chosen: the threshold, by the run's validation pictures.
        named: how many of the pictures it names.
        precision: the part of those that is named right, in 0–1; None where it names none.
        interval: Wilson's 95 % interval of that.
    """

    chosen: AbstentionThreshold
    named: int
    precision: float | None
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class Evaluation:
    """How a run's model does on a folder.

    Attributes:
        scores: of the pictures in `split`.
        split: the folder's split that was scored; `all` where it has none.
        trained_on: how many of the pictures the run was trained on, by their bytes: scores on those say little.
        left_out: every file that can't be read, with its reason.
        decisions: what was decided about this data, in words.
        calibration_error: the mean difference of confidence and accuracy, in 0–1, over 15 bins of confidence.
        error_by_chance: what that is for perfectly calibrated probabilities on as many pictures: mean and 95th percentile.
        abstaining: where a precision was asked for.
    """

    scores: Scores
    split: str
    trained_on: int
    left_out: tuple[LeftOut, ...]
    decisions: tuple[str, ...]
    calibration_error: float
    error_by_chance: tuple[float, float]
    abstaining: Abstaining | None = None


def evaluate(
    run: Run | str | Path,
    data: str | Path,
    *,
    device: str = "auto",
    min_precision: float | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Scores a run's model on labelled pictures. Twin of `unfreeze evaluate`.

    Args:
        run: a run or its folder.
        data: as for `train`; where it is split, its test pictures (or its validation pictures, if it has none) are used.
        device: `auto`, `cpu` or `cuda`.
        min_precision: as for `predict`: also say what naming only the pictures it is sure enough of gives here.

    Raises:
        RecipeError: the precision can't be had; the message says which can.
        DataError: no readable picture, or a class that the run doesn't know.
        RunError: the run can't be read.
    """
    folder = folder_of(run)
    planned = run_folder.read_plan(folder)
    chosen = abstention(folder, min_precision) if min_precision is not None else None
    dataset, split = _labelled_like(folder, planned, scan(Path(data), progress=progress, index_folder=cache_folder()))
    backend = load_model(planned, folder, device)
    loader = Loader(dataset, planned.network.contract, PREDICTION_BATCH, Augment(), threads=decoding_threads())
    predicted, labels = calibrated(backend.predict(loader.evaluation("test")), folder / run_folder.MODEL), loader.labels("test")
    confidences, right = np.exp(predicted.max(axis=1).astype(np.float64)), predicted.argmax(axis=1) == labels
    trained = set(run_folder.contents(folder, "train").values())
    known = sum(record.content in trained for record in dataset.records)
    return Evaluation(
        scores=score(predicted, labels, dataset.classes),
        split=split,
        trained_on=known,
        left_out=dataset.left_out,
        decisions=dataset.decisions,
        calibration_error=expected_calibration_error(reliability(confidences, right)),
        error_by_chance=expected_error_by_chance(confidences),
        abstaining=_abstaining(chosen, confidences, right) if chosen is not None else None,
    )


def _abstaining(chosen: AbstentionThreshold, confidences: NDArray[np.float64], right: NDArray[np.bool_]) -> Abstaining:
    sure = confidences >= chosen.threshold
    named, rights = int(sure.sum()), int(right[sure].sum())
    if not named:
        return Abstaining(chosen, 0, None, None)
    return Abstaining(chosen, named, rights / named, accuracy_interval(rights, named))


def _labelled_like(folder: Path, planned: Plan, dataset: Dataset) -> tuple[Dataset, str]:
    """The pictures to be scored, all in the split `test`, with the run's classes; and which split they come from.

    Where the run chose some of the classes, pictures of others are left out, as in its training.
    """
    classes = planned.data.classes
    unknown = [label for label in dataset.classes if label not in classes]
    chose_classes = run_folder.read_asked(folder).data.classes is not None
    if unknown and not chose_classes:
        hint = "".join(did_you_mean(label, classes) for label in unknown)
        raise DataError(
            f"{dataset.root}: the run knows no class {', '.join(repr(label) for label in unknown)}.{hint}"
            f" It knows {', '.join(classes)}."
        )
    known = replace(dataset, records=tuple(record for record in dataset.records if record.label in classes))
    refuse_half_split(known)
    split = next((name for name in ("test", "validation", "train") if name in known.splits), None)
    chosen = tuple(replace(record, split="test") for record in known.records if record.split == split)
    if not chosen:
        raise DataError(f"{dataset.root}: no picture of {', '.join(classes)} in it")
    remarks = (f"left out, because the run chose other classes: {', '.join(unknown)}",) if unknown else ()
    return replace(known, classes=classes, records=chosen, decisions=(*dataset.decisions, *remarks)), split or "all"
