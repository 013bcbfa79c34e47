"""Recipes and plans: written and read they are the same, phases go down and slow down, and nothing unknown is let through."""

from __future__ import annotations

import contextlib
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from properties.made import recipes, steady
from support.made_up import small_network, small_plan
from unfreeze.errors import RecipeError
from unfreeze.reading import parse_yaml
from unfreeze.recipe.network import HEAD
from unfreeze.recipe.read import flatten, read_recipe, validate_recipe, write_yaml
from unfreeze.recipe.recipe import Recipe
from unfreeze.recipe.strategies import make_phases
from unfreeze.training.run_folder import read_plan

SECTIONS = (
    "",
    "data",
    "input",
    "augment",
    "head",
    "head_only",
    "unfrozen.schedule",
    "unfrozen.optimizer",
    "imbalance",
    "cache",
)


def place(recipe: Recipe, pretrained: bool) -> list[int]:
    network = small_network(pretrained)
    return [network.place(phase.boundary) for phase in make_phases(network, recipe)]


@given(recipes)
@steady
def test_a_recipe_is_the_same_after_it_was_written(recipe: Recipe) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder, "recipe.yaml")
        write_yaml(recipe, path)
        assert read_recipe(path) == recipe
        assert read_recipe(path, dict(flatten(recipe.model_dump()))) == recipe


@given(recipes)
@steady
def test_a_plan_is_the_same_after_it_was_written(recipe: Recipe) -> None:
    plan = small_plan(recipe)
    with TemporaryDirectory() as folder:
        write_yaml(plan, Path(folder, "plan.yaml"))
        assert read_plan(Path(folder)) == plan
        values = parse_yaml(Path(folder, "plan.yaml").read_text(encoding="utf-8"))
    # But for the strategy's own name.
    assert "auto" not in [value for name, value in flatten(values) if name != "strategy" and isinstance(value, str)]


@given(recipes, some.booleans())
@steady
def test_phases_go_down_and_slow_down(recipe: Recipe, pretrained: bool) -> None:
    network = small_network(pretrained)
    made = make_phases(network, recipe)
    places = [network.place(phase.boundary) for phase in made]
    assert places == sorted(places, reverse=True)
    assert len(set(places)) == len(places)
    assert all(phase.epochs > 0 and phase.rate > 0 for phase in made)
    unfrozen = [phase.rate for phase in made if phase.boundary != HEAD]
    assert unfrozen == sorted(unfrozen, reverse=True)
    assert all(phase.frozen_parameters + phase.trainable_parameters == network.parameters for phase in made)
    assert len({phase.name for phase in made}) == len(made)


@given(some.sampled_from(SECTIONS), some.text(min_size=1, max_size=30), some.none() | some.integers() | some.text())
@steady
def test_an_unknown_key_is_refused_by_its_dotted_name(section: str, key: str, value: Any) -> None:
    known: Any = Recipe
    values: dict[str, Any] = {}
    inner = values
    for part in section.split(".") if section else ():
        known, inner[part] = known.model_fields[part].annotation, {}
        inner = inner[part]
    if key in known.model_fields:
        return
    inner[key] = value
    with pytest.raises(RecipeError) as refused:
        validate_recipe(values)
    assert f"{section}.{key}".removeprefix(".") in str(refused.value)
    assert "there is no such key" in str(refused.value)


anything = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | some.text() | some.dates(),
    lambda inner: some.lists(inner, max_size=4) | some.dictionaries(some.text() | some.integers(), inner, max_size=4),
    max_leaves=12,
)
names = some.sampled_from([name for name, _ in flatten(Recipe().model_dump())])


@given(some.dictionaries(names, anything, max_size=3))
@steady
def test_whatever_is_given_is_a_recipe_or_an_error_of_ours(changes: dict[str, Any]) -> None:
    try:
        recipe = read_recipe(None, changes)
    except RecipeError as error:
        assert len(str(error)) < 5_000
    else:
        assert Recipe.model_validate(recipe.model_dump()) == recipe


@given(some.text(max_size=200))
@steady
def test_whatever_text_is_values_or_a_value_error(text: str) -> None:
    with contextlib.suppress(ValueError):
        parse_yaml(text)
