"""The main job: fine-tuning, from a folder of pictures to a run folder."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from unfreeze.api.finishing import finish, finish_failed
from unfreeze.api.preparation import Preparation, prepare
from unfreeze.api.rates import Testing, keep_rates
from unfreeze.api.runs import Run, open_run
from unfreeze.api.searching import open_search
from unfreeze.api.watching import Diagnosing
from unfreeze.data.scan import Progress
from unfreeze.errors import DataError, StorageError, TrainingError
from unfreeze.files import settle
from unfreeze.recipe.plan import Plan
from unfreeze.recipe.recipe import Recipe
from unfreeze.trackers.tracker import Result
from unfreeze.trackers.watcher import load_trackers, open_trackers
from unfreeze.training import run_folder
from unfreeze.training.checkpoint import Checkpoints, Newest
from unfreeze.training.feeding import Feeding
from unfreeze.training.history import EpochRecord, write_history
from unfreeze.training.interruption import Interruption
from unfreeze.training.loop import Keeping, train_plan
from unfreeze.training.memory import OutOfMemory
from unfreeze.training.run_lock import locked
from unfreeze.training.steering import Steering
from unfreeze.training.watcher import Silent, Watcher


def train(
    data: str | Path,
    recipe: str | Path | Recipe | None = None,
    *,
    out: str | Path | None = None,
    watcher: Watcher | None = None,
    on_plan: Callable[[Plan], None] | None = None,
    progress: Progress | None = None,
    testing: Testing | None = None,
    log: str | Sequence[str] = (),
    **changes: Any,
) -> Run:
    """Fine-tunes a network on a folder of pictures. Twin of `unfreeze train`.

    Args:
        data: a folder `<class>/*`, a folder `{train,val,test}/<class>/*`, or a CSV manifest `path,label[,split][,group]`.
        recipe: a `Recipe`, the name of one that ships, or a YAML file; None for the defaults.
        out: the run's folder; None names it by time, data and model below `runs/`.
        watcher: is told what happens; see `training.watcher`.
        on_plan: is given the plan before training starts.
        progress: of the scan, as (files done, files in all).
        testing: where the recipe leaves rates open: told what is done to find them, how much of it, and of how much.
        log: trackers that are told as well: `tensorboard`, `mlflow`, `wandb`; see docs/trackers.md.
        changes: parts of the recipe, for example `model="resnet50", head={"dropout": 0.5}`; they win over `recipe`.

    Raises:
        RecipeError, DataError, ModelError, FrameworkError, TrackerError, RunError, TrainingError: each says what would do.
    """
    started = time.perf_counter()
    trackers = tuple(load_trackers(log))
    if out is not None:
        run_folder.check_free(Path(out))
    with Interruption().listening() as interruption:
        job = prepare(data, recipe, changes, progress, testing)
        start = run_folder.Start(Path(data).absolute(), trackers, job.resolved)
        place = Path(out) if out is not None else None
        folder = run_folder.new_run_folder(place, Path(data), job.recipe.model, partial(_write_start, job, start))
        if on_plan is not None:
            on_plan(job.plan)
        with locked(folder):
            return carry_out(folder, job, watcher or Silent(), trackers, started, interruption)


def carry_out(
    folder: Path,
    job: Preparation,
    watcher: Watcher,
    log: str | Sequence[str],
    started: float,
    interruption: Interruption,
    resume: bool = False,
) -> Run:
    """Trains, and writes what is left of the run folder.

    Args:
        started: when its preparation began, by `time.perf_counter`.
        resume: whether to go on from its newest checkpoint, if there is one.

    Raises:
        DataError, RunError, StorageError, TrainingError: as `train`.
    """
    with open_trackers(log, folder, job.plan, Diagnosing(watcher, job.plan)) as trackers:
        checkpoints = Checkpoints(folder, job.backend.snapshot())
        newest = checkpoints.newest() if resume else Newest(None)
        for remark in newest.remarks:
            trackers.warned(remark)
        if resume:
            run_folder.reopen(folder)
        keeping = Keeping(checkpoints, 60 * job.recipe.checkpoint_minutes, newest.checkpoint)
        interrupted = _train(folder, job, trackers, started, keeping, interruption)
        run = open_run(folder)
        if not interrupted:
            settle(folder)
            checkpoints.delete()
        trackers.finished(_result(run))
    return run


def _train(
    folder: Path, job: Preparation, watcher: Watcher, started: float, keeping: Keeping, interruption: Interruption
) -> bool:
    """Trains and writes what came of it; whether it was interrupted."""
    prepared = time.perf_counter()

    saved: EpochRecord | None = None

    def keep(history: list[EpochRecord]) -> None:
        # The best model so far is on disk at any time: whatever ends the training, `unfreeze predict` has it.
        nonlocal saved
        if history[-1].best:
            job.backend.save_model(folder / run_folder.MODEL)
            saved = history[-1]
        write_history(history, folder)

    with Feeding(job.loader, job.backend, job.plan, job.cache, watcher.cache_filled) as feeding:
        try:
            steering = _steering(folder, job, watcher, keeping.resumed is not None)
            outcome = train_plan(job.plan, job.backend, feeding, watcher, keep, steering, keeping, interruption)
            # Ctrl-C can come between an epoch and its saving; a search may go back to an earlier epoch.
            if outcome.interrupted is not None or outcome.best is None or outcome.best != saved:
                job.backend.save_model(folder / run_folder.MODEL)
            seconds = {"preparing": prepared - started, "training": time.perf_counter() - prepared}
            finish(folder, job, feeding, outcome, seconds)
        except TrainingError as error:
            finish_failed(folder)
            keeping.checkpoints.delete()
            raise TrainingError(f"{error} `unfreeze improve {folder}` does that.") from None
        except (DataError, StorageError, OutOfMemory) as error:
            kind = next((kind for kind in (DataError, StorageError) if isinstance(error, kind)), TrainingError)
            raise kind(f"{error}. When that is mended, go on with: unfreeze resume {folder}") from None
    return outcome.interrupted is not None


def _write_start(job: Preparation, start: run_folder.Start, folder: Path) -> None:
    """All that a run folder has before its training starts; the plan last, by which it is known as one."""
    run_folder.write_data(folder, job.dataset, [asdict(finding) for finding in job.findings])
    run_folder.write_start(folder, start)
    keep_rates(job.rates, folder)
    run_folder.write_plan(folder, job.plan, job.recipe)


def _steering(folder: Path, job: Preparation, watcher: Watcher, resume: bool) -> Steering | None:
    """What decides on the way, writing its evidence into the run's plan."""

    def tell(plan: Plan) -> None:
        run_folder.write_plan(folder, plan, job.recipe)
        if plan.evidence:
            watcher.decided(plan.evidence[-1])

    return open_search(job, tell, resume)


def _result(run: Run) -> Result:
    """What trackers are told in the end."""
    scores = {"validation": run.validation, "test": run.test}
    known = {split: one for split, one in scores.items() if one is not None}
    return Result(run.folder, known, run.best_epoch, run.endings, run.findings, run.interrupted)
