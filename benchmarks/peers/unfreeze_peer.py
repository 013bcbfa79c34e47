"""unfreeze, as a user runs it: the command `unfreeze train`, in PyTorch or TensorFlow (the variant), and its run folder read.

All defaults but those that make it the same work as the peers': batch size, rates, decay, a constant schedule, no label
smoothing, no clipping, no early stopping, and the peers' augmentation or none. Full retraining trains the head for an epoch
first, for unfreeze has no strategy without: that epoch counts.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from peers.job import BATCH_SIZE, CROP_MIN_AREA, DROPOUT, RATES, SIDE_PX, WEIGHT_DECAY, Job, read_job, write_result

SECTIONS = {"head": "head_only", "last block": "unfrozen", "whole": "unfrozen"}
NAMES = {"head only": "head", "last stage": "last block", "whole network": "whole"}
# Another head, for the second run.
OTHER = ["--seed", "1", "--set", "head.hidden=[256]"]


def main() -> None:
    job = read_job()
    importing = time.time() - job.started
    run = train(job, "run", ["--seed", str(job.seed)])
    if job.again:
        run["again"] = train(job, "again", OTHER)
    run["parts"]["importing"] = round(run["parts"]["importing"] + importing, 3)
    write_result(job, run)


def train(job: Job, name: str, more: list[str]) -> dict[str, Any]:
    """Runs the command and reads what it left; says when it printed what."""
    out = Path(job.out, name)
    command = [sys.executable, "-m", job.program, "train", job.data, "--out", str(out), *flags(job), *job.flags, *more]
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    first_epoch = None
    for line in process.stdout:
        print(line, end="")
        if first_epoch is None and line.startswith("  epoch"):
            first_epoch = time.perf_counter() - started
    if process.wait() != 0:
        raise SystemExit(process.returncode)
    return read_run(out, time.perf_counter() - started, first_epoch)


def flags(job: Job) -> list[str]:
    phases = dict(job.phases)
    if "whole" in phases:
        phases = {"head": 1, **phases}
    strategy = {"head": "feature-extraction", "last block": "fine-tune-top", "whole": "full"}[list(phases)[-1]]
    stages = ["--stages", "1"] if strategy == "fine-tune-top" else []
    crop = CROP_MIN_AREA if job.augment else 1
    values = [
        "label_smoothing=0",
        f"head.dropout={DROPOUT}",
        f"augment.crop_min_area={crop}",
        f"augment.flip={str(job.augment).lower()}",
        "augment.rotation_degrees=0",
        "augment.jitter=0",
    ]
    for phase, epochs in phases.items():
        section = SECTIONS[phase]
        values += [
            f"{section}.epochs={epochs}",
            f"{section}.rate={RATES[phase]:g}",
            f"{section}.schedule={{name: constant, warmup_epochs: 0}}",
            f"{section}.optimizer={{name: adamw, weight_decay: {WEIGHT_DECAY}, clip_norm: null}}",
            f"{section}.stopping.patience_epochs=null",
        ]
    settings = [part for value in values for part in ("--set", value)]
    size = ["--batch-size", str(BATCH_SIZE), "--side", str(SIDE_PX)]
    return ["--framework", job.variant, "--strategy", strategy, *stages, *size, *settings]


def read_run(out: Path, seconds: float, first_epoch: float | None) -> dict[str, Any]:
    """The run folder as a result; `unfreeze` holds its own seconds by part.

    `starts_training_s` is from the command to the beginning of the first epoch: when the line about that epoch came, less
    the seconds it took.
    """
    metrics = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
    history = [json.loads(line) for line in (out / "history.jsonl").read_text(encoding="utf-8").splitlines()]
    own: dict[str, Any] = metrics["seconds"]
    epochs = [
        {
            "phase": NAMES.get(row["phase_name"], row["phase_name"]),
            "seconds": row["fill_seconds"] + row["train_seconds"] + row["val_seconds"],
        }
        for row in history
    ]
    known = sum(own[name] for name in ("preparing", "training", "scoring"))
    test = metrics["test"]
    return {
        "parts": {"importing": round(seconds - known, 3), **own},
        "epochs": epochs,
        "right": round(test["accuracy"] * test["pictures"]),
        "pictures": test["pictures"],
        "seconds": round(seconds, 3),
        "starts_training_s": None if first_epoch is None else round(first_epoch - epochs[0]["seconds"], 3),
        "first_epoch_done_s": None if first_epoch is None else round(first_epoch, 3),
    }


if __name__ == "__main__":
    main()
