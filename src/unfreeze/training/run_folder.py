"""The run folder: everything about one training, in files that need nothing else to be read.

    plan.yaml           what was done, every value resolved, with versions, seed, device and the dataset's fingerprint
    recipe.yaml         what was asked
    start.json          what else the training was started with, for it to be resumed
    data.json           every picture with its split, every file left out with its reason, what was found in them
    history.jsonl .csv  one line per epoch
    metrics.json        validation and test scores, best epoch, seconds by part
    predictions.csv     of validation and test: path, split, label, predicted, confidence, a probability per class
    findings.json       what was recognised in the curves
    model/              weights.safetensors (PyTorch) or model.keras (TensorFlow), manifest.json and calibration.json
    curves.png, confusion.png, report.html
    rates.json .png     the range tests, where the recipe leaves rates open
    checkpoints/        where the training stood last, until it is finished; see `training.checkpoint`

Nothing in it needs unpickling.
"""

from __future__ import annotations

import csv
import glob
import io
import re
import shutil
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from unfreeze.data.dataset import Dataset
from unfreeze.errors import RunError, StorageError, first_line
from unfreeze.files import is_leftover, next_step, settle, temporary_name, write_json, write_text
from unfreeze.reading import check_readable, parse_json, parse_yaml, read_text
from unfreeze.recipe.plan import Plan
from unfreeze.recipe.read import read_recipe, write_yaml
from unfreeze.recipe.recipe import Recipe
from unfreeze.training.run_lock import LOCK, busy, is_trained
from unfreeze.typed import first_mistake

PLAN, RECIPE, START, DATA, METRICS, PREDICTIONS, FINDINGS, MODEL = (
    "plan.yaml", "recipe.yaml", "start.json", "data.json", "metrics.json", "predictions.csv", "findings.json", "model",
)  # fmt: skip


@dataclass(frozen=True)
class Predicted:
    """What the model said of one split.

    Attributes:
        names: of the N pictures, as in data.json.
        labels: int64 [N], the true classes by their place in the plan.
        probabilities: float64 [N, K], six decimals of each.
    """

    names: tuple[str, ...]
    labels: NDArray[np.int64]
    probabilities: NDArray[np.float64]

    @property
    def classes(self) -> NDArray[np.int64]:
        """int64 [N]: the most probable class of each picture."""
        classes: NDArray[np.int64] = self.probabilities.argmax(axis=1)
        return classes

    @property
    def confidences(self) -> NDArray[np.float64]:
        """float64 [N]: its probability."""
        confidences: NDArray[np.float64] = self.probabilities.max(axis=1)
        return confidences

    @property
    def right(self) -> NDArray[np.bool_]:
        """bool [N]: whether it is the true one."""
        right: NDArray[np.bool_] = self.classes == self.labels
        return right


@dataclass(frozen=True)
class Start:
    """What a training was started with, besides its plan and what was asked.

    Attributes:
        data: where the pictures are, as an absolute path.
        log: trackers that are told.
        recipe: the recipe with numbers for the rates that were left open.
    """

    data: Path
    log: tuple[str, ...]
    recipe: Recipe


def new_run_folder(out: Path | None, data: Path, model: str, fill: Callable[[Path], None] = lambda _: None) -> Path:
    """Makes the folder of a new run: `out`, or `runs/<time>-<data>-<model>`.

    Args:
        fill: puts into it, by its place, what is there from the start: with all of that or not at all it appears. Only where
            the folder is there already, empty, it is filled where it is.

    Raises:
        RunError: it exists and holds something.
        StorageError: it can't be made.
    """
    folder = out if out is not None else _free_name(data, model)
    check_free(folder)
    if folder.exists():
        fill(folder)
        return folder
    place = temporary_name(folder.absolute())
    try:
        for left in filter(is_leftover, place.parent.glob(f"{glob.escape(folder.name)}.*")):
            shutil.rmtree(left, ignore_errors=True)
        place.mkdir(parents=True)
        fill(place)
        settle(place)
        place.rename(folder)
    except OSError as error:
        raise StorageError(f"{folder}: the folder can't be made ({error.strerror or error}){next_step(error)}") from None
    finally:
        shutil.rmtree(place, ignore_errors=True)
    return folder


def check_free(folder: Path) -> None:
    """Refuses a folder that a run can't be written to without touching what is there.

    Raises:
        RunError: it exists and holds something, is a file, or a process is training into it.
    """
    if is_trained(folder):
        raise RunError(busy(folder))
    if folder.exists() and (not folder.is_dir() or any(path.name != LOCK for path in folder.iterdir())):
        raise RunError(f"{folder} exists and isn't an empty folder: give another --out, or move it away")


def write_plan(folder: Path, plan: Plan, recipe: Recipe) -> None:
    """Writes the plan, and the recipe it was made from."""
    write_yaml(recipe, folder / RECIPE)
    write_yaml(plan, folder / PLAN)


def read_plan(folder: Path) -> Plan:
    """The plan of a run.

    Raises:
        RunError: it is missing or damaged.
    """
    path = folder / PLAN
    if not path.is_file():
        raise RunError(f"{folder} isn't a run: there is no {PLAN} in it. Give a folder that `unfreeze train` made.")
    try:
        plan = Plan.model_validate(parse_yaml(read_text(path, within=folder)))
        _check_classes(plan)
    except ValidationError as error:
        raise RunError(f"{path}: can't be read as a plan ({first_mistake(error)})") from None
    except (OSError, ValueError) as error:
        raise RunError(f"{path}: can't be read as a plan ({error})") from None
    return plan


def _check_classes(plan: Plan) -> None:
    """Raises ValueError: a table of the plan is of other classes than its own."""
    asked: list[Mapping[str, Any] | None] = [plan.class_weights, plan.logit_offsets, plan.repeats]
    tables = [*plan.data.counts.values(), *(table for table in asked if table is not None)]
    for table in tables:
        if other := set(table) ^ set(plan.data.classes):
            raise ValueError(f"its tables differ about the classes: {', '.join(sorted(other)[:3])[:200]}")


def write_start(folder: Path, start: Start) -> None:
    """Writes what `read_start` reads."""
    recipe = start.recipe.model_dump(mode="json")
    write_json(folder / START, {"data": str(start.data), "log": list(start.log), "recipe": recipe})


def read_start(folder: Path) -> Start:
    """What the training was started with.

    Raises:
        RunError: it is missing or damaged.
    """
    values = read_json(folder, START)
    try:
        log = tuple(str(name) for name in values["log"])
        return Start(Path(values["data"]), log, Recipe.model_validate(values["recipe"]))
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(f"{folder / START}: isn't as written ({first_line(error)})") from None


def read_asked(folder: Path) -> Recipe:
    """The recipe that a run was made from.

    Raises:
        RunError: it is missing, or a link to somewhere else.
        RecipeError: it is damaged.
    """
    path = folder / RECIPE
    try:
        check_readable(path, within=folder)
    except OSError as error:
        raise RunError(f"{path}: can't be read ({error.strerror or error}): the run is incomplete or damaged") from None
    return read_recipe(path)


def write_data(folder: Path, dataset: Dataset, findings: Sequence[Mapping[str, Any]]) -> None:
    """Writes every picture with its split, every file left out with its reason, and what was found in them."""
    write_json(
        folder / DATA,
        {
            "root": str(dataset.root),
            "fingerprint": dataset.fingerprint,
            "classes": list(dataset.classes),
            "decisions": list(dataset.decisions),
            "findings": list(findings),
            "left_out": [{"name": file.name, "reason": file.reason} for file in dataset.left_out],
            "pictures": [
                {"name": record.name, "label": record.label, "split": record.split, "content": record.content}
                for record in dataset.records
            ],
        },
    )


def reopen(folder: Path) -> None:
    """Takes away what an interrupted training wrote of its end, which isn't its end any more."""
    for name in (METRICS, PREDICTIONS, FINDINGS):
        (folder / name).unlink(missing_ok=True)


def write_metrics(folder: Path, metrics: dict[str, Any]) -> None:
    """Writes the scores."""
    write_json(folder / METRICS, metrics)


def write_findings(folder: Path, findings: list[dict[str, Any]]) -> None:
    """Writes what was recognised in the curves."""
    write_json(folder / FINDINGS, findings)


def read_json(folder: Path, name: str) -> Any:
    """A JSON file of the run.

    Raises:
        RunError: it is missing or damaged.
    """
    try:
        # As `write_json` writes: a class is a folder's name, which on Linux needn't be UTF-8.
        return parse_json(read_text(folder / name, within=folder, errors="surrogateescape"))
    except (OSError, ValueError) as error:
        raise RunError(f"{folder / name}: can't be read ({error}): the run is incomplete or damaged") from None


def contents(folder: Path, split: str | None = None) -> dict[str, str]:
    """The content hashes of the pictures of a run, or of one of its splits, by their names.

    Raises:
        RunError: as `read_json`.
    """
    try:
        pictures = read_json(folder, DATA)["pictures"]
        return {one["name"]: one["content"] for one in pictures if split in (None, one["split"])}
    except (KeyError, TypeError) as error:
        raise RunError(f"{folder / DATA}: isn't as written ({error})") from None


def prediction_columns(classes: Sequence[str]) -> list[str]:
    """The names of the columns with a probability per class."""
    return [f"p({name})" for name in classes]


def write_table(path: Path, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Writes a CSV file in UTF-8, its lines ended by a newline."""
    write_text(path, "".join(_line(cells) for cells in (columns, *rows)))


def _line(cells: Sequence[Any]) -> str:
    text = io.StringIO()
    # A writer quotes what ends its own lines only, and readers take a carriage return in a name for an end too.
    csv.writer(text, lineterminator="\r\n").writerow(cells)
    return text.getvalue().removesuffix("\r\n") + "\n"


def probability_cells(probabilities: Iterable[float]) -> list[str]:
    """Probabilities as table cells."""
    return [f"{probability:.6f}" for probability in probabilities]


def write_predictions(folder: Path, dataset: Dataset, predicted: dict[str, NDArray[np.float32]]) -> None:
    """Writes the predictions of some splits: split -> log-probabilities, float32 [N, K], in the order of its records."""
    rows = []
    for split, log_probabilities in predicted.items():
        for record, row in zip(dataset.split(split), log_probabilities, strict=True):
            best, cells = int(row.argmax()), probability_cells(np.exp(row))
            rows.append([record.name, split, record.label, dataset.classes[best], cells[best], *cells])
    columns = ["path", "split", "label", "predicted", "confidence", *prediction_columns(dataset.classes)]
    write_table(folder / PREDICTIONS, columns, rows)


def read_predictions(folder: Path, classes: Sequence[str]) -> dict[str, Predicted]:
    """What `write_predictions` wrote, by split; a split without pictures isn't in it.

    Raises:
        RunError: it is missing or damaged.
    """
    path, places = folder / PREDICTIONS, {name: place for place, name in enumerate(classes)}
    columns = prediction_columns(classes)
    rows: dict[str, list[tuple[str, int, list[float]]]] = {}
    try:
        check_readable(path, within=folder)
        with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
            for row in csv.DictReader(file):
                values = [float(row[column]) for column in columns]
                rows.setdefault(row["split"], []).append((row["path"], places[row["label"]], values))
    except (OSError, KeyError, TypeError, ValueError, csv.Error) as error:
        raise RunError(f"{path}: can't be read as a run's predictions ({error!r})") from None
    return {
        split: Predicted(
            tuple(name for name, _, _ in of_split),
            np.array([label for _, label, _ in of_split], np.int64),
            np.array([values for _, _, values in of_split], np.float64),
        )
        for split, of_split in rows.items()
    }


def _free_name(data: Path, model: str) -> Path:
    stem = re.sub(r"[^\w.-]+", "-", f"{time.strftime('%Y%m%d-%H%M%S')}-{data.resolve().stem}-{model}")
    folder, number = Path("runs", stem), 2
    while folder.exists():
        folder, number = Path("runs", f"{stem}-{number}"), number + 1
    return folder
