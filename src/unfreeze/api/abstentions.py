"""When a run's model had better say nothing: the threshold that its own validation pictures give."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from unfreeze.api.finished import folder_of
from unfreeze.errors import RecipeError, RunError
from unfreeze.training import run_folder
from unfreeze.training.calibration import AbstentionThreshold, abstention_threshold, best_precision

if TYPE_CHECKING:
    from unfreeze.api.runs import Run


def abstention(run: Run | str | Path, min_precision: float) -> AbstentionThreshold:
    """The confidence below which a run's model must say nothing, for what it does say to be right often enough.

    It is chosen by the run's validation pictures, and holds for pictures like them: see
    `unfreeze.training.calibration.abstention_threshold`. Loads no framework.

    Args:
        run: a run or its folder.
        min_precision: the part of the named pictures that must be named right, above 0 and below 1.

    Raises:
        RecipeError: it isn't such a number, or more than the validation pictures can promise; the message says what they can.
        RunError: the run can't be read, or has no predictions of validation pictures.
    """
    if not 0 < min_precision < 1:
        raise RecipeError(
            f"min_precision: it is the part of the named pictures that must be named right, above 0 and below 1, for example"
            f" 0.95; received {min_precision:g}"
        )
    folder = folder_of(run)
    validation = run_folder.read_predictions(folder, run_folder.read_plan(folder).data.classes).get("validation")
    if validation is None:
        raise RunError(
            f"{folder / run_folder.PREDICTIONS}: there are no predictions of validation pictures, by which a threshold for"
            " min_precision is chosen: the training was interrupted. Train to the end, or predict without it"
        )
    threshold = abstention_threshold(validation.confidences, validation.right, min_precision)
    if threshold is None:
        can = best_precision(validation.confidences, validation.right)
        raise RecipeError(
            f"min_precision: {min_precision:g} can't be promised by {folder}: by its {len(validation.labels)} validation"
            f" pictures the most is {can:g}, with 95 % confidence. Ask for that or less, or train with more of them"
        )
    # predictions.csv has six decimals of a confidence: one that was rounded up must still reach the threshold.
    return replace(threshold, threshold=threshold.threshold - 0.5e-6)
