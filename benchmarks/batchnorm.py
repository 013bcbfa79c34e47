"""Do the statistics of unfrozen BatchNorm layers better stay or follow the batches, and does the batch size decide it?

    python benchmarks/batchnorm.py FOLDER --to RUNS [--stages 2 4] [--batches 4 8 32 128] [--seeds 0 1 2] [--side 96]

FOLDER is split into train, validation and test. A line of RUNS/rows.jsonl is one training by `fine-tune-top`; it goes on where
it was stopped. Rates are the recipe's times the root of batch / 32, every run trains all its epochs, and all share one cache.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import shutil
from pathlib import Path
from typing import Any

import unfreeze


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--to", type=Path, required=True)
    parser.add_argument("--stages", type=int, nargs="+", default=[2, 4])
    parser.add_argument("--batches", type=int, nargs="+", default=[4, 8, 32, 128])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--side", type=int, default=96)
    asked = parser.parse_args()
    asked.to.mkdir(parents=True, exist_ok=True)
    rows = asked.to / "rows.jsonl"
    done = [json.loads(line)["of"] for line in rows.read_text().splitlines()] if rows.exists() else []
    for seed, stages, batch, policy in itertools.product(asked.seeds, asked.stages, asked.batches, ("frozen", "update")):
        of = {"data": str(asked.data), "side": asked.side, "seed": seed, "stages": stages, "batch": batch, "policy": policy}
        if of not in done:
            row = {"of": of, **_scores(asked.data, asked.to, asked.side, seed, stages, batch, policy)}
            with rows.open("a") as file:
                file.write(json.dumps(row) + "\n")
            print(row, flush=True)


def _scores(data: Path, to: Path, side: int, seed: int, stages: int, batch: int, policy: str) -> dict[str, Any]:
    out, factor = to / "run", math.sqrt(batch / 32)
    shutil.rmtree(out, ignore_errors=True)
    changes: dict[str, Any] = {
        "seed": seed, "explain": False, "calibrate": False, "data.inspect": "none", "input.side_px": side,
        "input.batch_size": batch, "head_only.rate": 3e-3 * factor, "unfrozen.rate": 5e-4 * factor, "unfrozen.epochs": 8,
        "unfrozen.stopping.patience_epochs": None, "unfreeze.stages": stages, "unfreeze.batchnorm": policy,
        "cache.use": "on", "cache.folder": str(to / "cache"),
    }  # fmt: skip
    run = unfreeze.train(data, out=out, **changes)
    scores = {"validation": run.validation, "test": run.test}
    known = {split: one for split, one in scores.items() if one is not None}
    return {f"{split}_{name}": getattr(one, name) for split, one in known.items() for name in ("loss", "accuracy")}


if __name__ == "__main__":
    main()
