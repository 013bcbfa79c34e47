"""What a training would do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from unfreeze.api.preparation import prepare
from unfreeze.api.rates import Testing
from unfreeze.data.scan import Progress
from unfreeze.recipe.plan import Plan
from unfreeze.recipe.recipe import Recipe


def plan(
    data: str | Path,
    recipe: str | Path | Recipe | None = None,
    *,
    progress: Progress | None = None,
    testing: Testing | None = None,
    **changes: Any,
) -> Plan:
    """What `train` would do with the same arguments; no run is made. Twin of `unfreeze plan`.

    Nothing is trained, but where the recipe leaves rates open: a plan has numbers, so they are looked for, as `find_rate` does.

    Raises:
        UnfreezeError: as `train`.
    """
    return prepare(data, recipe, changes, progress, testing).plan
