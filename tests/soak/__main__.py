"""`make soak`: every family of faults in its long form, and a table of those tried, survived and lost.

    PYTHONPATH=tests python -m soak [FAMILY …] [--count N] [--seed N] [--framework torch|tensorflow|both] [--to FILE]

Ends with status 1 where anything was lost.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
import tempfile
import time
from pathlib import Path

from soak.families import FAMILIES, run
from soak.rows import Row
from soak.table import as_markdown

FRAMEWORKS = ("torch", "tensorflow")


def main() -> int:
    asked = _arguments()
    frameworks = FRAMEWORKS if asked.framework == "both" else (asked.framework,)
    rows: list[Row] = []
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="soak-") as cache:
        # As in the tests: no hub, and never the cache of whoever runs this.
        os.environ.update(HF_HUB_OFFLINE="1", TF_CPP_MIN_LOG_LEVEL="2", UNFREEZE_CACHE=cache)
        for family in asked.families or FAMILIES:
            if importlib.util.find_spec(f"soak.{family}") is None:
                print(f"{family}: isn't written yet")
                continue
            for row in run(family, asked.count or FAMILIES[family], asked.seed, frameworks):
                rows.append(row)
                print(f"{family}: {row.fault} ({row.framework}): {row.survived} of {row.tried} survived", flush=True)
    text = as_markdown(rows)
    print(f"\n{text}\n{(time.perf_counter() - started) / 60:.0f} minutes, seed {asked.seed}")
    if asked.to is not None:
        asked.to.write_text(text, encoding="utf-8")
    return int(any(row.lost or row.survived < row.tried for row in rows))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="soak", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("families", nargs="*", metavar="FAMILY", help=f"of {', '.join(FAMILIES)}; all by default")
    parser.add_argument("--count", type=int, help="faults of each kind; by default as many as the family's long form has")
    parser.add_argument("--seed", type=int, default=0, help="of everything drawn: the same faults again")
    parser.add_argument("--framework", choices=(*FRAMEWORKS, "both"), default="both")
    parser.add_argument("--to", type=Path, metavar="FILE", help="the table, as Markdown")
    asked = parser.parse_args()
    if unknown := set(asked.families) - set(FAMILIES):
        parser.error(f"no family {', '.join(sorted(unknown))}: there are {', '.join(FAMILIES)}")
    return asked


if __name__ == "__main__":
    sys.exit(main())
