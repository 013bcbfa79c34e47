"""A training that was stopped, however it was, goes on."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from unfreeze.api.frameworks import load_backend
from unfreeze.api.opening import open_as_planned
from unfreeze.api.preparation import Preparation, estimates_of
from unfreeze.api.runs import Run, open_run
from unfreeze.api.trainings import carry_out
from unfreeze.cache.folder import cache_folder
from unfreeze.data.dataset import Dataset
from unfreeze.data.scan import Progress, scan_for_training
from unfreeze.errors import DataError, RunError
from unfreeze.recipe.plan import Plan
from unfreeze.trackers.watcher import load_trackers
from unfreeze.training import run_folder
from unfreeze.training.checkpoint import is_there
from unfreeze.training.interruption import Interruption
from unfreeze.training.run_lock import locked
from unfreeze.training.watcher import Silent, Watcher

# The most pictures that an error names.
_NAMED = 3
_WORDS = "numbers may differ in their last digits from those of a training that wasn't stopped"


def resume(
    folder: str | Path,
    *,
    watcher: Watcher | None = None,
    on_plan: Callable[[Plan], None] | None = None,
    progress: Progress | None = None,
) -> Run:
    """Goes on with a training that Ctrl-C, a signal or a fault stopped. Twin of `unfreeze resume`.

    On the same machine it ends with the weights and the history, but for times, of one that wasn't stopped, byte for byte. A
    run that is finished is only opened.

    Args:
        folder: of the run.
        watcher, on_plan, progress: as for `train`.

    Raises:
        RunError: the folder isn't a run that can go on, or another process trains into it.
        DataError: the pictures aren't those any more that the training was started with.
        UnfreezeError: as `train`.
    """
    started, folder = time.perf_counter(), Path(folder)
    plan = run_folder.read_plan(folder)
    if is_finished(folder):
        return open_run(folder)
    _refuse_links(folder)
    start = run_folder.read_start(folder)
    if not is_there(folder) and _has_history(folder):
        raise RunError(
            f"{folder} has no checkpoint to go on from: train anew, with: unfreeze train {start.data} --recipe"
            f" {folder / run_folder.RECIPE}"
        )
    load_trackers(start.log)
    with Interruption().listening() as interruption, locked(folder):
        if is_finished(folder):  # by another process, since it was looked at
            return open_run(folder)
        job = _prepare_again(folder, plan, start, progress)
        if on_plan is not None:
            on_plan(job.plan)
        listener = watcher or Silent()
        for remark in _changed(plan, job):
            listener.warned(remark)
        return carry_out(folder, job, listener, start.log, started, interruption, resume=True)


def is_finished(folder: Path) -> bool:
    """Whether a run came to its end, well or badly."""
    if is_there(folder) or not (folder / run_folder.METRICS).is_file():
        return False
    # Ctrl-C before the first checkpoint leaves neither: there is all to be done.
    return _has_history(folder) or not open_run(folder).interrupted


def _has_history(folder: Path) -> bool:
    history = folder / "history.jsonl"
    return history.is_file() and history.stat().st_size > 0


def _refuse_links(folder: Path) -> None:
    """Refuses a run that would be written to elsewhere: it may be a stranger's.

    Raises:
        RunError: something in the folder is a link.
    """
    for path in folder.iterdir():
        if path.is_symlink():
            raise RunError(f"{path}: is a link, and the training would write to where it leads: put the thing itself there")


def _prepare_again(folder: Path, plan: Plan, start: run_folder.Start, progress: Progress | None) -> Preparation:
    """What the training started from, by what is written in its folder: nothing is decided anew."""
    asked, resolved = run_folder.read_asked(folder), start.recipe
    load_backend(asked.framework).check(asked)
    dataset = _same_pictures(folder, plan, start, progress)
    opening = open_as_planned(resolved, dataset, plan)
    estimates = estimates_of(plan, opening.backend, opening.loader, opening.place)
    return Preparation(asked, resolved, dataset, (), opening.backend, opening.loader, opening.place, plan, estimates)


def _same_pictures(folder: Path, plan: Plan, start: run_folder.Start, progress: Progress | None) -> Dataset:
    closely = start.recipe.data.inspect == "full"
    dataset = scan_for_training(start.data, start.recipe.data, plan.seed, progress, cache_folder(), closely)
    if dataset.fingerprint != plan.data.fingerprint:
        raise DataError(
            f"{start.data}: the pictures aren't those any more that the training was started with{_differing(folder, dataset)}."
            f" Put them back and go on with `unfreeze resume {folder}`, or train anew with `unfreeze train`."
        )
    return replace(dataset, root=Path(plan.data.root))


def _differing(folder: Path, dataset: Dataset) -> str:
    """Which of them were added, taken away or changed, in words."""
    before = run_folder.contents(folder)
    now = {record.name: record.content for record in dataset.records}
    names = sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f": {', '.join(map(repr, names[:_NAMED]))}{more}" if names else ""


def _changed(plan: Plan, job: Preparation) -> list[str]:
    """Remarks on what is otherwise than when the training was started."""
    now = job.backend.environment
    before = {name: plan.environment.get(name, now[name]) for name in now}
    changed = [f"{name} {before[name]} → {now[name]}" for name in now if before[name] != now[name]]
    return [f"resumed with {', '.join(changed)}: {_WORDS}"] if changed else []
