"""What is asked of a new head from Python, checked."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import ValidationError

from unfreeze.errors import RecipeError
from unfreeze.recipe.recipe import Head


def asked_head(classes: int, dropout: float, hidden: Sequence[int]) -> Head:
    """The settings of a new head.

    Raises:
        RecipeError: fewer than two classes, dropout out of [0, 1), or hidden layers that aren't whole numbers from 1.
    """
    mistakes = [] if isinstance(classes, int) and classes >= 2 else [f"classes: {classes!r} won't do: give 2 or more"]
    try:
        settings = Head.model_validate({"dropout": dropout, "hidden": hidden})
    except ValidationError as error:
        wrong = {str(detail["loc"][0]) for detail in error.errors()}
        if "dropout" in wrong:
            mistakes.append(f"dropout: {dropout!r} won't do: give a number from 0 to below 1, such as 0.3")
        if "hidden" in wrong:
            mistakes.append(f"hidden: {hidden!r} won't do: give the units of each hidden layer, such as (256,), or ()")
    if mistakes:
        raise RecipeError("; ".join(mistakes))
    return settings
