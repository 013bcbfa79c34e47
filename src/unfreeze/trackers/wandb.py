"""Weights & Biases: a run in the folder `wandb` of the run, or in `WANDB_DIR`.

`WANDB_MODE` says whether it goes to their server at once. Without it, it does where there is an API key, and else it stays on
the disk for `wandb sync`. Nobody is ever asked for a key.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import wandb

from unfreeze.recipe.plan import Phase, Plan
from unfreeze.trackers.facts import decodable, endings_in_words, final_numbers, found, parameters, phase_in_words
from unfreeze.trackers.tracker import PICTURES, Result, Status

PROJECT = "unfreeze"
# Seconds; its own would keep a training waiting for a minute and a half, and its end for ever, where the server doesn't answer.
_WAIT_TO_BEGIN, _WAIT_TO_END = 20.0, 120.0
# The longest that it takes.
_LONGEST_TAG = 64
_STATUS = {"finished": 0, "failed": 1, "interrupted": 130}


def open_tracker(folder: Path, plan: Plan) -> WeightsAndBiases:
    """Begins a run of the folder's name, in the project of `WANDB_PROJECT` or else in `unfreeze`."""
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # of its own errors, to a third party
    return WeightsAndBiases(folder, plan)


class WeightsAndBiases:
    """One run, beside any that a script has of its own."""

    def __init__(self, folder: Path, plan: Plan) -> None:
        settings = wandb.Settings(silent=True, console="off", init_timeout=_WAIT_TO_BEGIN, finish_timeout=_WAIT_TO_END)
        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", PROJECT),
            name=os.environ.get("WANDB_NAME", decodable(folder.name)),
            dir=os.environ.get("WANDB_DIR", str(folder.resolve())),
            mode=_mode(),
            config=parameters(plan),
            settings=settings,
            reinit="create_new",
        )

    def phase_started(self, number: int, phase: Phase, epoch: int) -> None:
        self._run.summary[f"phase.{number}"] = f"{phase_in_words(number, phase)}, from epoch {epoch}"

    def epoch_done(self, epoch: int, numbers: Mapping[str, float]) -> None:
        self._run.log({"epoch": epoch, **numbers}, step=epoch)

    def finished(self, result: Result) -> None:
        findings = found(result.findings)
        self._run.summary.update(
            {
                **final_numbers(result),
                "endings": endings_in_words(result.endings),
                "findings": ", ".join(findings) or "nothing found",
                **{f"finding.{code}": words for code, words in findings.items()},
            }
        )
        self._run.tags = (*(self._run.tags or ()), *(code[:_LONGEST_TAG] for code in findings))
        pictures = [result.folder / name for name in PICTURES if (result.folder / name).is_file()]
        if pictures:
            self._run.log({path.stem: wandb.Image(str(path)) for path in pictures})

    def close(self, status: Status) -> None:
        self._run.finish(exit_code=_STATUS[status])


def _mode() -> Literal["online", "offline"] | None:
    """None leaves it to `WANDB_MODE`."""
    if "WANDB_MODE" in os.environ:
        return None
    return "online" if wandb.login(prompt=False) else "offline"
