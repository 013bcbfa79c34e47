"""What a peer is asked to do, what it reports, and the settings that are the same for all.

A peer is a program: `python -m peers.NAME JOB`, JOB being JSON as `Job.to_json` writes it. It trains, saves the model below
`job.out`, scores it on the test pictures and writes `result.json` there.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

BATCH_SIZE, WORKERS = 32, 2
SIDE_PX, SHORT_SIDE_PX = 224, 256
MEAN, STD = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)
DROPOUT, FEATURES = 0.3, 1280
# AdamW at a constant rate, by phase.
RATES = {"head": 3e-3, "last block": 5e-4, "whole": 5e-4}
WEIGHT_DECAY = 0.01
# With augmentation: a random crop of at least this part of the area, and a mirror image half of the time.
CROP_MIN_AREA = 0.35
RESULT = "result.json"
# In `Job.weights`: the bundled base by timm's names, and the same carried over to Keras.
TORCH_WEIGHTS, KERAS_BASE = "base.pt", "base.keras"


@dataclass(frozen=True)
class Job:
    """One training.

    Attributes:
        data: a folder {train,validation,test}/<class>/*.
        phases: name (`head`, `last block` or `whole`) and epochs, in order.
        again: train a second time on the same pictures with another head (unfreeze only).
        variant: of the peer, where it has several.
        program: the module that is `unfreeze` (unfreeze only).
        flags: more arguments of `unfreeze train`.
        weights: the folder of the pretrained weights.
        out: an empty folder.
        started: when the command was given, seconds since the epoch.
    """

    data: str
    phases: tuple[tuple[str, int], ...]
    augment: bool
    seed: int
    variant: str
    weights: str
    out: str
    started: float
    again: bool = False
    program: str = "unfreeze"
    flags: tuple[str, ...] = ()

    def to_json(self) -> str:
        return json.dumps(asdict(self))


def read_job() -> Job:
    """The job on the command line."""
    return Job(**json.loads(sys.argv[1]))


class Clock:
    """Seconds by part, from the command on; each call ends a part and begins the next."""

    def __init__(self, job: Job) -> None:
        self._last = job.started
        self._parts: dict[str, float] = {}
        self._epochs: list[dict[str, Any]] = []

    def part(self, name: str) -> None:
        self._parts[name] = self._parts.get(name, 0.0) + self._lap()

    def epoch(self, phase: str) -> None:
        """An epoch, its validation included."""
        self._epochs.append({"phase": phase, "seconds": self._lap()})

    def write(self, job: Job, right: int, pictures: int) -> None:
        """Ends the part `scoring` and writes the result: `right` of `pictures` test pictures were named right."""
        self.part("scoring")
        write_result(job, {"parts": self._parts, "epochs": self._epochs, "right": right, "pictures": pictures})

    def _lap(self) -> float:
        now = time.time()
        seconds, self._last = now - self._last, now
        return round(seconds, 3)


def write_result(job: Job, result: dict[str, Any]) -> None:
    Path(job.out, RESULT).write_text(json.dumps(result), encoding="utf-8")
