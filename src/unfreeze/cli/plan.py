"""`unfreeze plan`: what a training would do."""

from __future__ import annotations

from typing import Any

from unfreeze.cli.options import DataArgument, RecipeOption, takes_recipe


@takes_recipe
def plan(changes: dict[str, Any], data: DataArgument, recipe: RecipeOption = None) -> None:
    """Show the phases a training would run, every value resolved; nothing is trained. In Python: unfreeze.plan."""
    from unfreeze import api
    from unfreeze.cli.show import show_plan
    from unfreeze.cli.watch import scan_progress

    with scan_progress() as progress:
        planned = api.plan(data, recipe, progress=progress, **changes)
    show_plan(planned)
