"""The main job: fine-tuning, from a folder of pictures to a run folder."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unfreeze.api.preparation import Preparation, prepare
from unfreeze.api.runs import Run, open_run
from unfreeze.data.scan import Progress
from unfreeze.diagnosis.diagnose import diagnose
from unfreeze.recipe.plan import Plan
from unfreeze.recipe.recipe import Recipe
from unfreeze.report.confusion import draw_confusion
from unfreeze.report.curves import draw_curves
from unfreeze.report.page import write_page
from unfreeze.training import run_folder
from unfreeze.training.feeding import Feeding
from unfreeze.training.history import EpochRecord, write_history
from unfreeze.training.loop import Outcome, Silent, Watcher, train_plan
from unfreeze.training.scores import score


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
    job = prepare(data, recipe, changes, progress)
    folder = run_folder.new_run_folder(Path(out) if out is not None else None, Path(data), job.recipe.model)
    run_folder.write_plan(folder, job.plan, job.recipe)
    run_folder.write_data(folder, job.dataset, [asdict(finding) for finding in job.findings])
    if on_plan is not None:
        on_plan(job.plan)
    watcher = watcher or Silent()
    prepared = time.perf_counter()

    def keep(history: list[EpochRecord]) -> None:
        # The best model so far is on disk at any time: whatever ends the training, `unfreeze predict` has it.
        if history[-1].best:
            job.backend.save_model(folder / run_folder.MODEL)
        write_history(history, folder)

    with Feeding(job.loader, job.backend, job.plan, job.cache, watcher.cache_filled) as feeding:
        outcome = train_plan(job.plan, job.backend, feeding, watcher, keep)
        if outcome.interrupted or outcome.best is None:  # Ctrl-C can come between an epoch and its saving
            job.backend.save_model(folder / run_folder.MODEL)
        seconds = {"preparing": prepared - started, "training": time.perf_counter() - prepared}
        _finish(folder, job, feeding, outcome, seconds)
    return open_run(folder)


def _finish(folder: Path, job: Preparation, feeding: Feeding, outcome: Outcome, seconds: dict[str, float]) -> None:
    """Scores the best weights and writes what is left of the run folder."""
    started, dataset, loader = time.perf_counter(), job.dataset, job.loader
    write_history(outcome.history, folder)
    predicted: dict[str, NDArray[np.float32]] = {}
    try:
        # After Ctrl-C nobody wants to wait for scores: `unfreeze evaluate` makes them later.
        if not outcome.interrupted:
            splits = [name for name in ("validation", "test") if name in dataset.splits]
            predicted = {split: job.backend.predict(feeding.scoring(split)) for split in splits}
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
    write_page(folder, job.plan, outcome.history, metrics, findings, job.findings, job.dataset.paths)
