"""What to type to get a run again, and to go on from it."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

from unfreeze.recipe.plan import Plan
from unfreeze.recipe.recipe import Recipe
from unfreeze.training.run_folder import RECIPE


def commands(folder: Path, plan: Plan, asked: dict[str, Any] | None) -> list[dict[str, str]]:
    """What each does, and its text; paths are quoted for a shell.

    Args:
        folder: of the run.
        asked: as of `asked_for`; None where the recipe is lost.
    """
    run, data = _quoted(folder), _quoted(plan.data.root)
    other = "torch" if plan.network.framework == "tensorflow" else "tensorflow"
    again = {} if asked is None else {
        "train again, just so": f"unfreeze train {data} --recipe {_quoted(folder / RECIPE)}",
        "the same, spelled out": " ".join(["unfreeze train", data, *settings(asked)]),
    }  # fmt: skip
    lines = again | {
        "better, by what was found": f"unfreeze improve {run}",
        "name new pictures": f"unfreeze predict {run} PICTURES --to predictions.csv",
        "score on other pictures": f"unfreeze evaluate {run} FOLDER",
        f"open it in {other}": f"unfreeze convert {run} --to {other}",
        "hold it against another run": f"unfreeze compare {run} OTHER_RUN",
        "make this page again": f"unfreeze report {run}",
    }
    return [{"does": does, "command": command} for does, command in lines.items()]


def asked_for(recipe: Recipe) -> dict[str, Any]:
    """The values of a recipe that aren't the defaults, by their dotted names."""
    return _differences(recipe.model_dump(), Recipe().model_dump(), "")


def settings(changes: dict[str, Any]) -> list[str]:
    """Changes to a recipe as flags, quoted for a shell."""
    return [f"--set {_quoted(f'{name}={_value(value)}')}" for name, value in changes.items()]


def _differences(given: dict[str, Any], default: dict[str, Any], prefix: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in given.items():
        if isinstance(value, dict) and isinstance(default.get(name), dict):
            found |= _differences(value, default[name], f"{prefix}{name}.")
        elif value != default.get(name):
            found[prefix + name] = value
    return found


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _quoted(text: object) -> str:
    return shlex.quote(str(text))
