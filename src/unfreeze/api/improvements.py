"""A run made better by the remedies of its own findings, one at a time."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from unfreeze.api.diagnoses import diagnose
from unfreeze.api.finished import folder_of
from unfreeze.api.runs import Run, open_run
from unfreeze.api.trainings import train
from unfreeze.cache.folder import cache_folder
from unfreeze.data.scan import scan_for_training
from unfreeze.diagnosis.better import Gain, compare_models
from unfreeze.diagnosis.finding import Finding
from unfreeze.diagnosis.remedy import Change, apply_remedy
from unfreeze.errors import DataError, RecipeError, RunError, TrainingError
from unfreeze.files import write_json
from unfreeze.recipe.read import write_yaml
from unfreeze.recipe.recipe import Recipe, Watched
from unfreeze.training import run_folder
from unfreeze.training.watcher import Silent, Watcher

# In the folder of the run to begin with: what was tried, and the recipe of the trial that comes next.
RECORD, NEXT_RECIPE = "improvement.json", "next-recipe.yaml"
# Goes up when the record changes its meaning.
SCHEMA = 1
# A remedy of these alone is to train less; a model as good after less than this part of the training is the better one.
_TO_TRAIN_LESS = frozenset({"strategy", "head_only.stopping.patience_epochs", "unfrozen.stopping.patience_epochs"})
_LESS = 0.8

Outcome = Literal["", "better", "as good for less", "no better", "other splits", "a model at last", "failed", "interrupted"]
# Gives a watcher for one training, and closes it after that.
Watching = Callable[[], AbstractContextManager[Watcher]]


@dataclass(frozen=True)
class Trial:
    """One remedy, tried.

    Attributes:
        finding: whose remedy it is.
        parent: the run that it is to make better.
        recipe: with the remedy.
        changes: what it changes.
        run: the run that was trained by it; None where none was finished.
        gain: on the validation pictures, where both runs have the same.
        outcome: what came of it; empty before its training.
        explanation: the same in words, with numbers.
        kept: whether its run is the one to go on from.
    """

    finding: Finding
    parent: Run
    recipe: Recipe
    changes: tuple[Change, ...]
    run: Run | None = None
    gain: Gain | None = None
    outcome: Outcome = ""
    explanation: str = ""
    kept: bool = False


@dataclass(frozen=True)
class Improvement:
    """What improving came to.

    Attributes:
        first: the run to begin with.
        best: the best of all of them.
        trials: what was tried, in order.
        ended: why no more was, in words.
        upcoming: what would be tried next; its recipe is in `next-recipe.yaml`.
        left: what is still found in the best run -> why no change of the recipe does anything about it, in words.
    """

    first: Run
    best: Run
    trials: tuple[Trial, ...] = ()
    ended: str = ""
    upcoming: Trial | None = None
    left: dict[str, str] = field(default_factory=dict)

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C ended it."""
        return bool(self.trials) and self.trials[-1].outcome == "interrupted"


def improve(
    run: Run | str | Path,
    *,
    rounds: int = 3,
    data: str | Path | None = None,
    out: str | Path | None = None,
    dry_run: bool = False,
    on_trial: Callable[[Trial], None] = lambda _: None,
    watching: Watching = lambda: nullcontext(Silent()),
) -> Improvement:
    """Applies the remedy of a run's first finding, trains again, keeps the better run, and goes on. Twin of `unfreeze improve`.

    What didn't help isn't tried again, and the next finding's remedy is. Runs are compared on validation pictures; test
    pictures decide nothing. What was tried is written into the folder of the run to begin with, as `improvement.json`;
    nothing else of it is changed.

    Args:
        run: a run or its folder; also one whose loss wasn't finite in the first epoch.
        rounds: the most trainings.
        data: where the pictures are, if not where they were.
        out: the folder for the new runs, `1`, `2` …; by default they are beside the run and named after it.
        dry_run: write the next recipe, `next-recipe.yaml`, and train nothing.
        on_trial: is given each trial before its training (without an outcome) and after it.
        watching: gives a watcher for each training.

    Raises:
        RunError: the run can't be read or was interrupted, or `out` holds something.
        RecipeError: `rounds` is less than 1, or the run's recipe can't be read.
        DataError: the pictures aren't there, or aren't those that the run was trained on.
        ModelError, FrameworkError, StorageError: as `train`.
    """
    if rounds < 1:
        raise RecipeError(f"rounds: {rounds} won't do: give 1 or more, 3 is usual")
    first = _open(folder_of(run))
    pictures = _pictures_of(first, data)
    if out is not None:
        run_folder.check_free(Path(out))
    result = Improvement(first, first)
    while True:
        options = _options(result, pictures)
        upcoming = next((option for option in options.values() if isinstance(option, Trial)), None)
        left = {code: option if isinstance(option, str) else "not tried yet" for code, option in options.items()}
        ended = _ending(result, upcoming, rounds, dry_run)
        result = replace(result, ended=ended, upcoming=upcoming, left=left)
        _write(result)
        if ended or upcoming is None:
            return result
        on_trial(upcoming)
        trial = _try(upcoming, pictures, _folder(first, out, len(result.trials) + 1), watching)
        on_trial(trial)
        best = trial.run if trial.kept and trial.run is not None else result.best
        result = replace(result, best=best, trials=(*result.trials, trial))


def _open(folder: Path) -> Run:
    pair = [name for name in ("torch", "tensorflow") if (folder / name / run_folder.PLAN).is_file()]
    if pair and not (folder / run_folder.PLAN).exists():
        raise RunError(
            f"{folder} holds a run in each framework: give one of them, {' or '.join(str(folder / n) for n in pair)}"
        )
    run = open_run(folder)
    if not (folder / run_folder.RECIPE).is_file():
        raise RunError(f"{folder}: there is no {run_folder.RECIPE} in it: the run is incomplete")
    if run.interrupted:
        raise RunError(
            f"{folder} was interrupted, so there is nothing to compare with: train it to its end first, with"
            f" unfreeze resume {folder}"
        )
    if run.validation is not None and "validation" not in run_folder.read_predictions(folder, run.plan.data.classes):
        raise RunError(f"{folder / run_folder.PREDICTIONS}: has no validation pictures: the run is incomplete or damaged")
    return run


def _pictures_of(run: Run, data: str | Path | None) -> Path:
    """Where a run's pictures are.

    Raises:
        DataError: they aren't there, or aren't those that it was trained on.
    """
    pictures = Path(data) if data is not None else Path(run.plan.data.root)
    if not pictures.exists():
        raise DataError(
            f"{pictures}: the pictures of {run.folder} aren't there (as seen from {Path.cwd()}): say where they are with --data"
        )
    recipe = run.folder / run_folder.RECIPE
    if _fingerprint(pictures, run_folder.read_asked(run.folder)) != run.plan.data.fingerprint:
        raise DataError(
            f"{pictures}: not the pictures that {run.folder} was trained on, some were added, taken away, changed or moved, so"
            f" another run can't be compared with it: train it again first, with unfreeze train {pictures} --recipe {recipe}"
        )
    return pictures


def _fingerprint(pictures: Path, recipe: Recipe) -> str:
    """Of the pictures in their splits: two runs with the same one can be compared."""
    return scan_for_training(pictures, recipe.data, recipe.seed, None, cache_folder()).fingerprint


def _options(result: Improvement, pictures: Path) -> dict[str, Trial | str]:
    """What is found in the best run, by rank -> what can be tried about it, or why nothing can."""
    found = [finding for finding in diagnose(result.best.folder) if finding.is_found]
    return {finding.code: _option(result, finding, pictures) for finding in found}


def _option(result: Improvement, finding: Finding, pictures: Path) -> Trial | str:
    run = result.best
    asked = run_folder.read_asked(run.folder)
    if not finding.remedy:
        return "no change to the recipe mends it"
    try:
        recipe, changes = apply_remedy(asked, finding.remedy, run.plan.network)
        if not changes or (_splits_anew(changes) and _fingerprint(pictures, recipe) == run.plan.data.fingerprint):
            return "its remedy is in the recipe already, or changes nothing here"
    except (RecipeError, DataError) as error:
        return f"its remedy can't be followed here: {error}"
    if any(_targets(changes) == _targets(trial.changes) for trial in result.trials):
        return "its remedy was tried and didn't mend it"
    return Trial(finding, run, recipe, changes)


def _splits_anew(changes: tuple[Change, ...]) -> bool:
    return any(change.name.startswith("data.") for change in changes)


def _targets(changes: tuple[Change, ...]) -> dict[str, Any]:
    return {change.name: change.after for change in changes}


def _ending(result: Improvement, upcoming: Trial | None, rounds: int, dry_run: bool) -> str:
    """Why nothing more is tried; empty where something is."""
    if result.interrupted:
        return "interrupted"
    if upcoming is None:
        return "nothing else is left to try" if result.trials else "nothing was found that a change to the recipe could mend"
    if dry_run:
        return "only the next recipe was asked for"
    if len(result.trials) == rounds:
        return f"{rounds} {'round is' if rounds == 1 else 'rounds are'} done, and there is more to try"
    return ""


def _folder(first: Run, out: str | Path | None, number: int) -> Path:
    if out is not None:
        return Path(out) / str(number)
    folder = first.folder.resolve()
    while (new := folder.with_name(f"{folder.name}-improved-{number}")).exists():
        number += 1
    return new


def _try(trial: Trial, pictures: Path, folder: Path, watching: Watching) -> Trial:
    """The trial with what came of it."""
    try:
        with watching() as watcher:
            run = train(pictures, trial.recipe, out=folder, watcher=watcher)
    except (RecipeError, TrainingError) as error:
        return _failed(trial, folder, error)
    except KeyboardInterrupt:
        return replace(trial, outcome="interrupted", explanation="interrupted before its training")
    if run.interrupted:
        return replace(trial, run=run, outcome="interrupted", explanation="interrupted, so it has no scores")
    return _judged(replace(trial, run=run))


def _failed(trial: Trial, folder: Path, error: Exception) -> Trial:
    """A run that fails as the one before it did may still be nearer to one that doesn't: its own remedy goes on from there."""
    is_run = (folder / run_folder.METRICS).is_file()
    return replace(
        trial,
        run=open_run(folder) if is_run else None,
        outcome="failed",
        explanation=str(error),
        kept=is_run and trial.parent.validation is None,
    )


def _judged(trial: Trial) -> Trial:
    parent, run = trial.parent, trial.run
    assert run is not None  # it was trained
    if parent.validation is None:
        return replace(trial, outcome="a model at last", explanation="the run before it has no model", kept=True)
    if _splits_anew(trial.changes):
        explanation = "its validation pictures are others, as those before misled or said too little: it can't be compared"
        return replace(trial, outcome="other splits", explanation=explanation, kept=True)
    if run.plan.data.fingerprint != parent.plan.data.fingerprint:
        raise DataError(
            f"{run.plan.data.root}: the pictures changed while runs were trained on them: {run.folder} can't be judged"
        )
    gain = _gain(parent, run, _measure(trial))
    words = _in_words(gain)
    if gain.is_better:
        return replace(trial, gain=gain, outcome="better", explanation=words, kept=True)
    part = _training(run) / max(1, _training(parent))
    if gain.is_as_good and part < _LESS and _targets(trial.changes).keys() <= _TO_TRAIN_LESS:
        words = f"{words}, for {part:.0%} of the training"
        return replace(trial, gain=gain, outcome="as good for less", explanation=words, kept=True)
    return replace(trial, gain=gain, outcome="no better", explanation=words)


def _measure(trial: Trial) -> Watched:
    """What chose the epochs, but where a remedy is for something else: for rare classes, and for probabilities."""
    asked = trial.parent.plan.watch
    names = _targets(trial.changes)
    if "calibrate" in names:
        return "val_loss"
    if any(name.startswith("imbalance.") for name in names) and asked in ("val_loss", "val_accuracy"):
        return "val_balanced_accuracy"
    return asked


def _gain(before: Run, now: Run, measure: Watched) -> Gain:
    """Raises RunError: their predictions can't be read."""
    classes = before.plan.data.classes
    try:
        first, second = (run_folder.read_predictions(run.folder, classes)["validation"] for run in (before, now))
        return compare_models(first, second, measure)
    except (KeyError, ValueError) as error:
        raise RunError(f"{before.folder}, {now.folder}: their predictions can't be compared ({error})") from None


def _in_words(gain: Gain) -> str:
    name = gain.measure.removeprefix("val_").replace("_", " ")
    return f"validation {name} {gain.first:.4f} before, {gain.second:.4f} now, standard error of the gain {gain.error:.4f}"


def _training(run: Run) -> int:
    """How much was trained: weights times epochs."""
    return sum(run.plan.phases[record.phase - 1].trainable_parameters for record in run.history)


def _write(result: Improvement) -> None:
    """Writes the record, before the first training too: what can't be written should be said before it, not after."""
    if result.ended and result.upcoming is not None:
        write_yaml(result.upcoming.recipe, result.first.folder / NEXT_RECIPE)
    trials = [_as_dict(number, trial) for number, trial in enumerate(result.trials, start=1)]
    write_json(
        result.first.folder / RECORD,
        {
            "schema": SCHEMA,
            "first": str(result.first.folder),
            "best": str(result.best.folder),
            "ended": result.ended or None,
            "trials": trials,
            "left": result.left,
        },
    )


def _as_dict(number: int, trial: Trial) -> dict[str, Any]:
    return {
        "round": number,
        "finding": trial.finding.code,
        "parent": str(trial.parent.folder),
        "run": str(trial.run.folder) if trial.run is not None else None,
        "changes": [asdict(change) for change in trial.changes],
        "gain": asdict(trial.gain) if trial.gain is not None else None,
        "outcome": trial.outcome,
        "explanation": trial.explanation,
        "kept": trial.kept,
    }
