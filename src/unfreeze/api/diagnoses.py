"""What a training's curves and predictions say, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unfreeze.api.finished import folder_of
from unfreeze.diagnosis.diagnose import diagnose as diagnose_evidence
from unfreeze.diagnosis.evidence import Evidence, phases_of
from unfreeze.diagnosis.finding import Finding
from unfreeze.diagnosis.foreign.table import Table, read_table
from unfreeze.errors import RecipeError, RunError
from unfreeze.recipe.plan import Plan
from unfreeze.training import run_folder
from unfreeze.training.history import EpochRecord, read_history

if TYPE_CHECKING:
    from unfreeze.api.runs import Run


def diagnose(
    run: Run | Table | str | Path,
    *,
    columns: Mapping[str, str] | None = None,
    classes: int | None = None,
    val_pictures: int | None = None,
) -> list[Finding]:
    """What is wrong with a training, and what isn't, ranked. Loads no framework. Twin of `unfreeze diagnose`.

    Args:
        run: a run or its folder, also one that hasn't ended, or that failed; or the history of another tool, as a file or
            as `read_table` gave it.
        columns, classes, val_pictures: of a file, as for `read_table`.

    Raises:
        RunError: the folder isn't a run, a file of it is damaged, or the file isn't a history.
        RecipeError: what is said of columns, classes or pictures can't be, or a run says it itself.
    """
    said = {"columns": columns, "classes": classes, "val_pictures": val_pictures}
    if isinstance(run, (str, Path)) and not is_run(run):
        return diagnose_evidence(read_table(run, columns, classes, val_pictures).evidence)
    if given := [name for name, value in said.items() if value]:
        raise RecipeError(f"{', '.join(given)}: only for the history file of another tool, as a run says it itself")
    return diagnose_evidence(run.evidence if isinstance(run, Table) else read_evidence(folder_of(run)))


def is_run(source: str | Path) -> bool:
    """Whether a path is a run folder, rather than another tool's history."""
    return (Path(source) / run_folder.PLAN).is_file()


def read_evidence(folder: Path) -> Evidence:
    """What a run's folder has for a diagnosis; what isn't there yet is left out.

    Raises:
        RunError: it isn't a run, or a file of it is damaged.
    """
    plan = run_folder.read_plan(folder)
    history = read_history(folder) if (folder / "history.jsonl").is_file() else []
    metrics = run_folder.read_json(folder, run_folder.METRICS) if (folder / run_folder.METRICS).is_file() else {}
    predicted = {}
    if (folder / run_folder.PREDICTIONS).is_file():
        predicted = run_folder.read_predictions(folder, plan.data.classes)
    try:
        sample = metrics.get("training_sample")
        known = evidence_of(plan, history, tuple(metrics.get("phase_endings", ())))
        return replace(
            known,
            # A search may keep another epoch than the one that was the best at the time.
            best_epoch=metrics.get("best_epoch", known.best_epoch),
            predicted=predicted.get("validation"),
            sample_accuracy=sample["accuracy"] if sample else None,
            **_seen_in_data(folder),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise RunError(f"{folder}: {run_folder.METRICS} or {run_folder.DATA} isn't as written ({error!r})") from None


def evidence_of(plan: Plan, history: Sequence[EpochRecord], endings: tuple[str, ...] = ()) -> Evidence:
    """What is known while a training goes on."""
    return Evidence(
        phases=phases_of(history, endings),
        best_epoch=max((record.epoch for record in history if record.best), default=None),
        endings=endings,
        classes=plan.data.classes,
        train_counts=plan.data.counts["train"],
        val_pictures=sum(plan.data.counts["validation"].values()),
        plan=plan,
    )


def _seen_in_data(folder: Path) -> dict[str, Any]:
    """What the look at the data before the training says about it; nothing where nobody looked."""
    recipe, path = folder / run_folder.RECIPE, folder / run_folder.DATA
    if not path.is_file() or (recipe.is_file() and run_folder.read_asked(folder).data.inspect == "none"):
        return {}
    data: dict[str, Any] = run_folder.read_json(folder, run_folder.DATA)
    if "findings" not in data:  # by a version that didn't look
        return {}
    findings = {finding["code"]: finding for finding in data["findings"]}
    mismatch = findings.get("inputs-mismatch", {"explanation": "", "details": {}})
    return {
        "leaked_part": _leaked_part(data["pictures"], findings.get("leakage", {"groups": []})["groups"]),
        "inputs_mismatch": mismatch["explanation"],
        "inputs_mistakes": frozenset(mismatch["details"].get("mistake", "").split("+")) - {""},
    }


def _leaked_part(pictures: Sequence[dict[str, Any]], groups: Sequence[Sequence[str]]) -> float | None:
    """The part of the validation pictures with a copy among the training pictures.

    Args:
        groups: names of pictures that are the same.
    """
    splits = {picture["name"]: picture["split"] for picture in pictures}
    validation = {name for name, split in splits.items() if split == "validation"}
    leaked = {name for group in groups if any(splits.get(other) == "train" for other in group) for name in group}
    return len(leaked & validation) / len(validation) if validation else None
