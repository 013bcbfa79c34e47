"""A few trials around a recipe, each judged by validation pictures; the best of them is a recipe to train."""

from __future__ import annotations

import gc
import importlib
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unfreeze.api.preparation import Preparation, prepare, prepare_scanned, read_changed
from unfreeze.api.rates import Testing
from unfreeze.api.trying import Attempt, try_recipe
from unfreeze.api.tuned import Trial, Tuning, scored, write_tables
from unfreeze.api.tuning_folder import TUNING, check_folder, describe, held, write_or_check
from unfreeze.data.scan import Progress
from unfreeze.diagnosis.better import Gain, compare_models
from unfreeze.errors import FrameworkError, RecipeError, RunError
from unfreeze.files import make_folder
from unfreeze.recipe.network import HEAD
from unfreeze.recipe.plan import Plan
from unfreeze.recipe.read import write_yaml
from unfreeze.recipe.recipe import Recipe, Watched
from unfreeze.training import run_folder
from unfreeze.training.history import EpochRecord, write_history
from unfreeze.training.loop import NOT_FINITE
from unfreeze.training.watcher import Silent, Watcher
from unfreeze.tuning.budget import Budget
from unfreeze.tuning.space import Space, check_search, make_space

if TYPE_CHECKING:
    from unfreeze.tuning.study import Study

# In the folder: Optuna's journal, and a folder for each trial.
JOURNAL, FOLDERS = "study.jsonl", "trials"
# Of a phase's epochs with stages unfrozen, the part that every trial is given: a high rate is behind at first, and gains while
# it falls.
_UNPRUNED = 1 / 3
_PRUNED, _OVER = "pruned", "the budget is over"

# Gives a watcher for one training, and closes it after that.
Watching = Callable[[], AbstractContextManager[Watcher]]


def tune(
    data: str | Path,
    recipe: str | Path | Recipe | None = None,
    *,
    out: str | Path,
    trials: int = 12,
    budget: str | None = None,
    search: str | Sequence[str] = (),
    on_plan: Callable[[Plan], None] | None = None,
    on_trial: Callable[[Trial], None] = lambda _: None,
    watching: Watching = lambda: nullcontext(Silent()),
    progress: Progress | None = None,
    testing: Testing | None = None,
    **changes: Any,
) -> Tuning:
    """Tries a few values of rates, stages, dropout and decay around a recipe. Twin of `unfreeze tune`.

    The first trial is the recipe as asked. All share what the activation cache keeps. Trials that are worse than the median are
    given up early. The same call with the same folder goes on where it was left, also after Ctrl-C or a crash. The best recipe
    is written as `best.yaml`. Test pictures decide nothing and aren't scored.

    Args:
        recipe: as for `train`.
        out: the folder of it all.
        trials: the most, with those that are in the folder already.
        budget: the most that this call may take: `90s`, `30m`, `1.5h`; None sets no limit.
        search: what to search: `head-rate`, `rate`, `stages`, `dropout`, `decay`, whether the recipe gives it or not; by
            default those of them that it doesn't give.
        on_plan: is given the plan of the recipe as asked, before the first trial.
        on_trial: is given each trial before its training (without a state) and after it.
        watching: gives a watcher for each training.
        progress: of the scan, as (files done, files in all).
        testing: told how far the search for rates that the recipe leaves open is; it is made once, before the first trial.
        changes: as for `train`.

    Raises:
        FrameworkError: the package optuna isn't installed.
        RecipeError: besides mistakes in the recipe, one in `trials`, `budget` or `search`.
        RunError: the folder holds something else: also a tuning of other pictures, another recipe or other values.
        DataError, ModelError, StorageError: as `train`.
    """
    limit, opener = Budget(budget), _load()
    if trials < 1:
        raise RecipeError(f"trials: {trials} won't do: give 1 or more, 12 is usual")
    folder, names = Path(out), [search] if isinstance(search, str) else search
    asked = read_changed(recipe, changes)
    check_search(asked, names)
    check_folder(folder)
    job = prepare(data, _sharing(asked), {}, progress, testing)
    space = make_space(asked, job.plan, names)
    make_folder(folder / FOLDERS)
    with held(folder):
        write_or_check(folder / TUNING, describe(job, space))
        unpruned = max(1, round(space.recipe.unfrozen.epochs * _UNPRUNED)) + 1
        study = opener(folder / JOURNAL, space.searched, asked.seed, unpruned)
        if on_plan is not None:
            on_plan(job.plan)
        return _Tuner(folder, job, space, study, limit, on_trial, watching).run(trials)


class _Tuner:
    def __init__(
        self,
        folder: Path,
        job: Preparation,
        space: Space,
        study: Study,
        limit: Budget,
        on_trial: Callable[[Trial], None],
        watching: Watching,
    ) -> None:
        self._folder, self._dataset, self._space, self._study = folder, job.dataset, space, study
        self._measure: Watched = job.plan.watch
        self._limit, self._on_trial, self._watching = limit, on_trial, watching

    def run(self, most: int) -> Tuning:
        while not (ended := self._ending(most)):
            try:
                reason = self._try(Trial(len(self._study.tried) + 1, self._space.rounded(self._study.ask())))
            except KeyboardInterrupt:
                reason = "interrupted"
            finally:
                self._study.drop()  # where it didn't end as it should
            if reason:
                return self._write(reason)
            self._write("")
        return self._write(ended)

    def _ending(self, most: int) -> str:
        """Why no other trial is begun; empty where one is."""
        tried = self._study.tried
        if len(tried) >= most:
            return f"{len(tried)} {'trial is' if len(tried) == 1 else 'trials are'} done"
        if self._limit.is_over:
            return _OVER
        if not self._limit.has_room([one.facts["seconds"] for one in tried if one.state == "done"]):
            return "the rest of the budget is too short for another trial"
        return ""

    def _try(self, trial: Trial) -> str:
        """Carries a trial out; why it doesn't count, if it doesn't."""
        self._on_trial(trial)
        started, recipe = time.perf_counter(), self._space.recipe_of(trial.values)
        gc.collect()  # the network of the trial before it
        with self._watching() as watcher:
            # What there is to find in the pictures was found before the first.
            data = recipe.data.model_copy(update={"inspect": "none"})
            job = prepare_scanned(_sharing(recipe.model_copy(update={"data": data})), self._dataset)
            attempt = try_recipe(job, watcher, self._judge)
        if attempt.interrupted or attempt.given_up == _OVER:
            return "interrupted" if attempt.interrupted else _OVER
        trial = replace(_ended(trial, attempt), seconds=round(time.perf_counter() - started, 2))
        trial = replace(trial, epochs=len(attempt.history), **scored(attempt.history, self._measure))
        self._keep(trial, recipe, attempt)
        facts = {name: value for name, value in asdict(trial).items() if name not in ("number", "values", "state")}
        if trial.state == "done":
            self._carry_on(trial, attempt.history)
        assert trial.state != ""
        self._study.end(trial.state, trial.watched(self._measure), facts)
        self._on_trial(trial)
        return ""

    def _judge(self, unfrozen: int, best: float) -> str:
        if self._limit.is_over:
            return _OVER
        return _PRUNED if unfrozen and self._study.report(unfrozen, best) else ""

    def _carry_on(self, trial: Trial, history: list[EpochRecord]) -> None:
        """A trial that ended early, or unfroze nothing, stays as good in the epochs it didn't need, for others to beat."""
        unfrozen = sum(record.boundary != HEAD for record in history)
        for epoch in range(unfrozen + 1, self._space.most_unfrozen_epochs + 1):
            self._study.report(epoch, trial.watched(self._measure))

    def _keep(self, trial: Trial, recipe: Recipe, attempt: Attempt) -> None:
        folder = self._folder_of(trial)
        make_folder(folder)
        write_yaml(recipe, folder / run_folder.RECIPE)
        write_history(attempt.history, folder)
        if attempt.predicted is not None:
            run_folder.write_predictions(folder, self._dataset, {"validation": attempt.predicted})

    def _folder_of(self, trial: Trial) -> Path:
        return self._folder / FOLDERS / str(trial.number)

    def _write(self, ended: str) -> Tuning:
        """Writes what there is to know so far."""
        try:
            trials = tuple(
                Trial(number, self._space.rounded(one.values), one.state, **one.facts)
                for number, one in enumerate(self._study.tried, start=1)
            )
        except TypeError as error:
            raise RunError(f"{self._folder / JOURNAL}: isn't as written ({error})") from None
        done = [trial for trial in trials if trial.state == "done"]
        best = min(done, key=lambda trial: trial.watched(self._measure), default=None)
        result = Tuning(
            folder=self._folder,
            measure=self._measure,
            trials=trials,
            best=best,
            recipe=None if best is None else self._space.recipe_of(best.values),
            gain=None if best is None else self._gain(trials[0], best),
            pictures=len(self._dataset.split("validation")),
            ended=ended,
            interrupted=ended == "interrupted",
        )
        write_tables(result)
        return result

    def _gain(self, first: Trial, best: Trial) -> Gain | None:
        if first.state != "done" or first == best:
            return None
        said = [run_folder.read_predictions(self._folder_of(one), self._dataset.classes) for one in (first, best)]
        try:
            return compare_models(said[0]["validation"], said[1]["validation"], self._measure)
        except (KeyError, ValueError) as error:
            raise RunError(f"{self._folder / FOLDERS}: predictions can't be compared ({error})") from None


def _sharing(recipe: Recipe) -> Recipe:
    """With activations kept that a training by itself has no use for again: another trial has."""
    if recipe.cache.use != "auto":
        return recipe
    return recipe.model_copy(update={"cache": recipe.cache.model_copy(update={"use": "on"})})


def _ended(trial: Trial, attempt: Attempt) -> Trial:
    if attempt.failed:
        return replace(trial, state="failed", ending=NOT_FINITE)
    if attempt.given_up:
        words = f"worse than the median after epoch {len(attempt.history)}"
        return replace(trial, state="pruned", ending=words)
    return replace(trial, state="done")


def _load() -> Callable[..., Study]:
    """The class that keeps trials.

    Raises:
        FrameworkError: Optuna isn't installed.
    """
    try:
        opener: Callable[..., Study] = importlib.import_module("unfreeze.tuning.study").Study
        return opener
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("unfreeze"):
            raise
        raise FrameworkError(
            f"tune needs the package {error.name}, which isn't installed: pip install 'unfreeze[tune]'"
        ) from None
