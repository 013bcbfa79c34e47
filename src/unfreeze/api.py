"""inspect · plan · train · evaluate · predict · models: the one place that wires the parts. Each is the twin of a command."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unfreeze.data.dataset import Dataset, LeftOut
from unfreeze.data.layout import find_files
from unfreeze.data.load import Loader, load_files
from unfreeze.data.picture import decoding_threads
from unfreeze.data.scan import Progress, refuse_half_split, scan, scan_for_training
from unfreeze.data.summary import Inspection, summarise
from unfreeze.diagnosis.diagnose import diagnose
from unfreeze.diagnosis.finding import Finding
from unfreeze.errors import DataError, FrameworkError, RecipeError, RunError, did_you_mean
from unfreeze.files import make_folder
from unfreeze.recipe.network import Network
from unfreeze.recipe.plan import Plan
from unfreeze.recipe.read import flatten, read_recipe
from unfreeze.recipe.recipe import Augment, Recipe
from unfreeze.report.confusion import draw_confusion
from unfreeze.report.curves import draw_curves
from unfreeze.report.page import write_page
from unfreeze.training import run_folder
from unfreeze.training.backend import Backend, ModelEntry
from unfreeze.training.history import EpochRecord, read_history, write_history
from unfreeze.training.loop import Outcome, Silent, Watcher, train_plan
from unfreeze.training.planning import make_plan
from unfreeze.training.scores import Scores, score

# Framework -> (its package here, the extra that installs it).
BACKENDS = {"torch": ("unfreeze.backends.torch", "torch")}
_PREDICTION_BATCH = 32


@dataclass(frozen=True)
class Prediction:
    """What a model says of one picture.

    Attributes:
        path: the file.
        label: the most probable class; None where the file can't be read, and then `error` says why.
        confidence: its probability, in 0–1.
        probabilities: class -> probability.
    """

    path: Path
    label: str | None
    confidence: float | None
    probabilities: dict[str, float]
    error: str | None = None


@dataclass(frozen=True)
class Evaluation:
    """How a run's model does on a folder.

    Attributes:
        scores: of the pictures in `split`.
        split: the folder's split that was scored; `all` where it has none.
        trained_on: how many of the pictures the run was trained on, by their bytes: scores on those say little.
        left_out: every file that can't be read, with its reason.
        decisions: what was decided about this data, in words.
    """

    scores: Scores
    split: str
    trained_on: int
    left_out: tuple[LeftOut, ...]
    decisions: tuple[str, ...]


@dataclass(frozen=True)
class Run:
    """A finished training, read from its folder.

    Attributes:
        folder: where everything is; see `training.run_folder`.
        plan: what was done.
        history: one record per epoch.
        validation: scores of the best epoch's weights on the validation pictures; None where it was interrupted.
        test: scores on the test pictures, made once at the end; None where there are none or it was interrupted.
        best_epoch: the epoch whose weights the model has.
        findings: what was recognised in the curves.
        endings: why each phase ended, in words.
        interrupted: whether it was ended by Ctrl-C.
    """

    folder: Path
    plan: Plan
    history: list[EpochRecord]
    validation: Scores | None
    test: Scores | None
    best_epoch: int | None
    findings: list[Finding]
    endings: list[str]
    interrupted: bool

    def predict(self, paths: Sequence[str | Path], device: str = "auto") -> list[Prediction]:
        """`unfreeze.predict` with this run."""
        return predict(self, paths, device=device)

    def evaluate(self, data: str | Path, device: str = "auto") -> Evaluation:
        """`unfreeze.evaluate` with this run."""
        return evaluate(self, data, device=device)


def inspect(data: str | Path, *, classes: Sequence[str] | None = None, progress: Progress | None = None) -> Inspection:
    """Looks at a folder or manifest: counts, sizes, what can't be read. Twin of `unfreeze inspect`.

    Raises:
        DataError: it can't be used at all.
    """
    return summarise(scan(Path(data), tuple(classes) if classes else None, progress))


def plan(
    data: str | Path,
    recipe: str | Path | Recipe | None = None,
    *,
    progress: Progress | None = None,
    **changes: Any,
) -> Plan:
    """What `train` would do with the same arguments; nothing is trained or written. Twin of `unfreeze plan`.

    Raises:
        UnfreezeError: as `train`.
    """
    return _prepare(data, recipe, changes, progress)[0]


def train(
    data: str | Path,
    recipe: str | Path | Recipe | None = None,
    *,
    out: str | Path | None = None,
    watcher: Watcher | None = None,
    on_plan: Callable[[Plan], None] | None = None,
    progress: Progress | None = None,
    **changes: Any,
) -> Run:
    """Fine-tunes a network on a folder of pictures. Twin of `unfreeze train`.

    Args:
        data: a folder `<class>/*`, a folder `{train,val,test}/<class>/*`, or a CSV manifest `path,label[,split][,group]`.
        recipe: a `Recipe`, the name of one that ships, or a YAML file; None for the defaults.
        out: the run's folder; None names it by time, data and model below `runs/`.
        watcher: is told what happens; see `training.loop`.
        on_plan: is given the plan before training starts.
        progress: of the scan, as (files done, files in all).
        changes: parts of the recipe, for example `model="resnet50", head={"dropout": 0.5}`; they win over `recipe`.

    Raises:
        RecipeError, DataError, ModelError, FrameworkError, RunError, TrainingError: each says what to do about it.
    """
    started = time.perf_counter()
    if out is not None:
        run_folder.check_free(Path(out))
    planned, backend, dataset, asked = _prepare(data, recipe, changes, progress)
    folder = run_folder.new_run_folder(Path(out) if out is not None else None, Path(data), asked.model)
    run_folder.write_plan(folder, planned, asked)
    run_folder.write_data(folder, dataset)
    if on_plan is not None:
        on_plan(planned)
    loader = Loader(
        dataset,
        planned.network.contract,
        planned.batch_size,
        planned.augment,
        planned.oversample,
        planned.seed,
        planned.loader_threads,
    )
    prepared = time.perf_counter()

    def keep(history: list[EpochRecord]) -> None:
        # The best model so far is on disk at any time: whatever ends the training, `unfreeze predict` has it.
        if history[-1].best:
            backend.save_model(folder / run_folder.MODEL)
        write_history(history, folder)

    outcome = train_plan(planned, backend, loader, watcher or Silent(), keep)
    if outcome.interrupted or outcome.best is None:  # Ctrl-C can come between an epoch and its saving
        backend.save_model(folder / run_folder.MODEL)
    seconds = {"preparing": prepared - started, "training": time.perf_counter() - prepared}
    _finish(folder, planned, backend, loader, dataset, outcome, seconds)
    return open_run(folder)


def open_run(folder: str | Path) -> Run:
    """A run from its folder. Loads no framework.

    Raises:
        RunError: a file of it is missing or damaged.
    """
    folder = Path(folder)
    planned = run_folder.read_plan(folder)
    metrics = run_folder.read_json(folder, run_folder.METRICS)
    try:
        return Run(
            folder=folder,
            plan=planned,
            history=read_history(folder),
            validation=Scores.from_dict(metrics["validation"]) if metrics["validation"] else None,
            test=Scores.from_dict(metrics["test"]) if metrics["test"] else None,
            best_epoch=metrics["best_epoch"],
            findings=[Finding(**finding) for finding in run_folder.read_json(folder, run_folder.FINDINGS)],
            endings=metrics["phase_endings"],
            interrupted=metrics["interrupted"],
        )
    except (KeyError, TypeError, IndexError) as error:
        raise RunError(f"{folder}: {run_folder.METRICS} or {run_folder.FINDINGS} isn't as written ({error})") from None


def evaluate(run: Run | str | Path, data: str | Path, *, device: str = "auto", progress: Progress | None = None) -> Evaluation:
    """Scores a run's model on labelled pictures. Twin of `unfreeze evaluate`.

    Args:
        run: a run or its folder.
        data: as for `train`; where it is split, its test pictures (or its validation pictures, if it has none) are used.
        device: `auto`, `cpu` or `cuda`.

    Raises:
        DataError: no readable picture, or a class that the run doesn't know.
        RunError: the run can't be read.
    """
    folder = _folder_of(run)
    planned = run_folder.read_plan(folder)
    dataset, split = _labelled_like(folder, planned, scan(Path(data), progress=progress))
    backend = _load_model(planned, folder, device)
    loader = Loader(dataset, planned.network.contract, _PREDICTION_BATCH, Augment(), threads=decoding_threads())
    scores = score(backend.predict(loader.evaluation("test")), loader.labels("test"), dataset.classes)
    trained = run_folder.training_contents(folder)
    known = sum(record.content in trained for record in dataset.records)
    return Evaluation(scores, split, known, dataset.left_out, dataset.decisions)


def predict(
    run: Run | str | Path, paths: Sequence[str | Path], *, to: str | Path | None = None, device: str = "auto"
) -> list[Prediction]:
    """Names pictures with a run's model. Twin of `unfreeze predict`.

    Args:
        run: a run or its folder.
        paths: pictures, and folders of pictures (searched whole, hidden files left out).
        to: also write a CSV file: path, predicted, confidence, error, a probability per class.
        device: `auto`, `cpu` or `cuda`.

    Returns:
        One per file, in the order given, folders by name; a file that can't be read has an `error` and no label.

    Raises:
        DataError: a path doesn't exist, or there is no file at all.
        RunError: the run can't be read.
    """
    folder = _folder_of(run)
    planned = run_folder.read_plan(folder)
    files = find_files([Path(path) for path in paths])
    backend = _load_model(planned, folder, device)
    unreadable: dict[int, str] = {}
    places: list[int] = []

    def batches() -> Any:
        for batch in load_files(files, planned.network.contract, _PREDICTION_BATCH, decoding_threads(), unreadable):
            places.extend(batch.labels.tolist())
            yield batch

    rows = dict(zip(places, backend.predict(batches()), strict=False))
    classes = planned.data.classes
    predictions = [
        _prediction(file, rows[place], classes) if place in rows else Prediction(file, None, None, {}, unreadable[place])
        for place, file in enumerate(files)
    ]
    if to is not None:
        _write_predictions(Path(to), predictions, classes)
    return predictions


def models(pattern: str | None = None, *, framework: str = "torch") -> list[ModelEntry]:
    """The networks that can be used: the tested ones, or all whose names match a pattern with `*`. Twin of `unfreeze models`.

    Raises:
        FrameworkError: the framework is unknown or not installed.
    """
    entries: list[ModelEntry] = _backend(framework).list_models(pattern)
    return entries


def describe_model(name: str, *, framework: str = "torch") -> Network:
    """The stages and input contract of one network. Twin of `unfreeze models NAME`.

    Raises:
        ModelError: there is no such network, or it can't be used.
        FrameworkError: the framework is unknown or not installed.
    """
    network: Network = _backend(framework).describe_network(name)
    return network


def _prepare(
    data: str | Path, recipe: str | Path | Recipe | None, changes: Mapping[str, Any], progress: Progress | None
) -> tuple[Plan, Backend, Dataset, Recipe]:
    asked = _recipe(recipe, changes)
    package = _backend(asked.framework)
    package.check(asked)
    dataset = scan_for_training(Path(data), asked.data, asked.seed, progress)
    backend: Backend = package.open_network(asked, dataset.classes)
    return make_plan(asked, dataset, backend), backend, dataset, asked


def _recipe(recipe: str | Path | Recipe | None, changes: Mapping[str, Any]) -> Recipe:
    flat = dict(flatten(changes))
    if not isinstance(recipe, Recipe):
        return read_recipe(recipe, flat)
    return read_recipe(None, {**dict(flatten(recipe.model_dump(exclude_unset=True))), **flat})


def _backend(framework: str) -> ModuleType:
    if framework not in BACKENDS:
        raise FrameworkError(
            f"framework: there is no backend for '{framework}'.{did_you_mean(framework, BACKENDS)}"
            f" It can be {' or '.join(BACKENDS)}."
        )
    package, extra = BACKENDS[framework]
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("unfreeze"):
            raise
        raise FrameworkError(
            f"framework: {framework} needs the package {error.name}, which isn't installed: pip install 'unfreeze[{extra}]'"
        ) from None


def _load_model(planned: Plan, folder: Path, device: str) -> Backend:
    if device not in ("auto", "cpu", "cuda"):
        raise RecipeError(f"device: it can be auto, cpu or cuda, received '{device}'")
    # bfloat16 on a machine without it would be emulated: `auto` then takes float32.
    precision = "auto" if planned.precision == "bfloat16" else planned.precision
    package = _backend(planned.network.framework)
    backend: Backend = package.load_model(folder / run_folder.MODEL, device, precision)
    return backend


def _finish(
    folder: Path,
    planned: Plan,
    backend: Backend,
    loader: Loader,
    dataset: Dataset,
    outcome: Outcome,
    seconds: dict[str, float],
) -> None:
    """Scores the best weights and writes what is left of the run folder."""
    started = time.perf_counter()
    write_history(outcome.history, folder)
    predicted: dict[str, NDArray[np.float32]] = {}
    try:
        # After Ctrl-C nobody wants to wait for scores: `unfreeze evaluate` makes them later.
        if not outcome.interrupted:
            splits = [name for name in ("validation", "test") if name in dataset.splits]
            predicted = {split: backend.predict(loader.evaluation(split)) for split in splits}
    except KeyboardInterrupt:
        outcome.interrupted = True
    scores = {split: score(predicted[split], loader.labels(split), dataset.classes) for split in predicted}
    run_folder.write_predictions(folder, dataset, predicted)
    findings = diagnose(outcome.history)
    run_folder.write_findings(folder, [asdict(finding) for finding in findings])
    metrics = {
        "validation": scores["validation"].as_dict() if "validation" in scores else None,
        "test": scores["test"].as_dict() if "test" in scores else None,
        "best_epoch": outcome.best.epoch if outcome.best else None,
        "phase_endings": outcome.endings,
        "interrupted": outcome.interrupted,
        "seconds": {name: round(value, 2) for name, value in seconds.items()}
        | {"scoring": round(time.perf_counter() - started, 2)},
    }
    run_folder.write_metrics(folder, metrics)
    if outcome.history:
        draw_curves(outcome.history, folder / "curves.png")
    shown = scores.get("test") or scores.get("validation")
    if shown is not None:
        draw_confusion(shown.confusion, dataset.classes, folder / "confusion.png")
    write_page(folder, planned, outcome.history, metrics, findings)


def _labelled_like(folder: Path, planned: Plan, dataset: Dataset) -> tuple[Dataset, str]:
    """The pictures to be scored, all in the split `test`, with the run's classes; and which split they come from.

    Where the run chose some of the classes, pictures of others are left out, as in its training.
    """
    classes = planned.data.classes
    unknown = [label for label in dataset.classes if label not in classes]
    chose_classes = read_recipe(folder / run_folder.RECIPE).data.classes is not None
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


def _prediction(file: Path, log_probabilities: NDArray[np.float32], classes: tuple[str, ...]) -> Prediction:
    probabilities = dict(zip(classes, np.exp(log_probabilities).astype(float).tolist(), strict=True))
    label = max(probabilities, key=lambda name: probabilities[name])
    return Prediction(file, label, probabilities[label], probabilities)


def _write_predictions(path: Path, predictions: Sequence[Prediction], classes: tuple[str, ...]) -> None:
    columns = ["path", "predicted", "confidence", "error", *run_folder.prediction_columns(classes)]
    rows = []
    for prediction in predictions:
        if prediction.confidence is None:
            rows.append([prediction.path, "", "", prediction.error, *[""] * len(classes)])
            continue
        confidence, *cells = run_folder.probability_cells(
            [prediction.confidence, *(prediction.probabilities[name] for name in classes)]
        )
        rows.append([prediction.path, prediction.label, confidence, "", *cells])
    make_folder(path.parent)
    run_folder.write_table(path, columns, rows)


def _folder_of(run: Run | str | Path) -> Path:
    return run.folder if isinstance(run, Run) else Path(run)
