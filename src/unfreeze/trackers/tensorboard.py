"""TensorBoard: an event file in the folder `tensorboard` of the run, to look at with `tensorboard --logdir RUN`.

tensorboardX makes the records, for which it needs no framework. They are written one by one and not by its `SummaryWriter`: the
thread of that one ends at the first write that fails, and whoever tells it more waits for ever.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tensorboardX import summary
from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event

from unfreeze.files import make_folder
from unfreeze.recipe.plan import Phase, Plan
from unfreeze.trackers.facts import SHOWN, endings_in_words, final_numbers, found, parameters, phase_in_words
from unfreeze.trackers.tracker import PICTURES, Result, Status

FOLDER = "tensorboard"


def open_tracker(folder: Path, plan: Plan) -> TensorBoard:
    """Begins an event file in a run's folder, with the plan for the tab HPARAMS."""
    return TensorBoard(folder, plan)


class TensorBoard:
    """One event file."""

    def __init__(self, folder: Path, plan: Plan) -> None:
        make_folder(folder / FOLDER)
        self._writer = EventsWriter(str(folder / FOLDER / "events"))
        experiment, start, self._end = summary.hparams(parameters(plan), dict.fromkeys(SHOWN, 0.0))
        self._write(experiment, start)

    def phase_started(self, number: int, phase: Phase, epoch: int) -> None:
        self._write(summary.text("phases", phase_in_words(number, phase)), step=epoch)

    def epoch_done(self, epoch: int, numbers: Mapping[str, float]) -> None:
        self._write(*(summary.scalar(name, value) for name, value in numbers.items()), step=epoch)

    def finished(self, result: Result) -> None:
        epoch = result.best_epoch or 0
        self._write(*(summary.scalar(name, value) for name, value in final_numbers(result).items()), step=epoch)
        findings = [f"**{code}** {words}" for code, words in found(result.findings).items()]
        texts = {"endings": endings_in_words(result.endings), "findings": "\n\n".join(findings) or "nothing found"}
        self._write(*(summary.text(name, text) for name, text in texts.items()), step=epoch)
        for name in PICTURES:
            if (result.folder / name).is_file():
                self._write(_picture(result.folder / name), step=epoch)

    def close(self, status: Status) -> None:
        if status == "finished":
            self._write(self._end)
        self._writer.close()

    def _write(self, *summaries: Any, step: int = 0) -> None:
        for one in summaries:
            self._writer.write_event(Event(summary=one, step=step, wall_time=time.time()))
        self._writer.flush()


def _picture(path: Path) -> Any:
    with Image.open(path) as picture:
        return summary.image(path.stem, np.asarray(picture.convert("RGB")), dataformats="HWC")
