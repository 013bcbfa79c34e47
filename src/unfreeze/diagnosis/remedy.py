"""A recipe with a finding's remedy in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from unfreeze.recipe.network import Network
from unfreeze.recipe.read import flatten, read_recipe
from unfreeze.recipe.recipe import Recipe
from unfreeze.recipe.strategies import unused_keys

# What changes what is said about the pictures, and nothing that is trained.
LOOKING = frozenset({"data.inspect"})


@dataclass(frozen=True)
class Change:
    """One value of a recipe, by its dotted name, before and after; plain values, as in its YAML file."""

    name: str
    before: Any
    after: Any

    def __str__(self) -> str:
        before, after = (json.dumps(value, ensure_ascii=False) for value in (self.before, self.after))
        return f"{self.name}: {before} → {after}"


def apply_remedy(recipe: Recipe, remedy: Mapping[str, Any], network: Network) -> tuple[Recipe, tuple[Change, ...]]:
    """The next recipe, and what of it trains otherwise.

    What the strategy has no use for is left out of it: after a remedy that changes the strategy nobody asks for that any more.

    Args:
        remedy: changes by dotted name.
        network: that the recipe trains.

    Returns:
        No change where the remedy is in the recipe already, has no effect with its strategy, or is about looking only.

    Raises:
        RecipeError: the remedy contradicts something else in the recipe, or isn't one.
    """
    changed = _used(read_recipe(None, {**_given(recipe), **remedy}), network)
    before, after = _values(_used(recipe, network)), _values(changed)
    names = [name for name, value in after.items() if value != before[name]]
    return changed, tuple(Change(name, before[name], after[name]) for name in names if name in remedy and name not in LOOKING)


def _used(recipe: Recipe, network: Network) -> Recipe:
    """The recipe without what its strategy has no use for."""
    given = _given(recipe)
    unused = unused_keys(network, read_recipe(None, given))
    return read_recipe(None, {name: value for name, value in given.items() if not _is_in(name, unused)})


def _given(recipe: Recipe) -> dict[str, Any]:
    """What isn't by default: a run's recipe.yaml names every value."""
    return dict(flatten(recipe.model_dump(mode="json", exclude_defaults=True)))


def _values(recipe: Recipe) -> dict[str, Any]:
    return dict(flatten(recipe.model_dump(mode="json")))


def _is_in(name: str, sections: set[str]) -> bool:
    return any(name == section or name.startswith(f"{section}.") for section in sections)
