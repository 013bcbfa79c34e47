"""docs/diagnosis.md prints the codes and thresholds that the code has."""

from __future__ import annotations

import importlib
from pathlib import Path

from unfreeze.diagnosis.diagnose import CHECKS

PAGE = Path(__file__).parents[2] / "docs" / "diagnosis.md"


def row(module: str) -> str:
    check = importlib.import_module(module)
    what = check.__doc__.strip().split(": ", 1)[1].rstrip(".")
    thresholds = getattr(check, "THRESHOLDS", {})
    numbers = ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in thresholds.items())
    return f"| `{check.CODE}` | {what} | {numbers} |"


def test_the_page_has_every_code_with_its_thresholds():
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line.startswith("| `")][: len(CHECKS)] == [row(check.__module__) for check in CHECKS]
