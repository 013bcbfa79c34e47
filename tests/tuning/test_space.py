"""What trials search of a recipe, and the recipes that they are."""

from __future__ import annotations

from typing import Any

import pytest

from support.made_up import small_plan
from unfreeze.errors import RecipeError
from unfreeze.recipe.plan import Phase, Plan
from unfreeze.recipe.read import read_recipe
from unfreeze.recipe.recipe import Recipe
from unfreeze.tuning.space import Searched, Space, make_space


def space_of(changes: dict[str, Any] | None = None, *search: str) -> Space:
    recipe = read_recipe(None, changes or {})
    return make_space(recipe, small_plan(recipe), search)


def names(space: Space) -> list[str]:
    return [one.name for one in space.searched]


def test_what_the_recipe_does_not_give_is_searched_around_what_it_would_be() -> None:
    assert space_of().searched == (
        Searched("head-rate", 3e-3, pytest.approx(3e-4), pytest.approx(3e-2), log=True),
        Searched("rate", 5e-4, pytest.approx(5e-5), pytest.approx(5e-3), log=True),
        Searched("stages", 2, 0, 4, whole=True),
        Searched("dropout", 0.3, 0.0, 0.6),
        Searched("decay", 0.02, pytest.approx(0.002), pytest.approx(0.2), log=True),
    )


@pytest.mark.parametrize(
    ("given", "left"),
    [
        ({"unfrozen.rate": 1e-4, "head.dropout": 0.5}, ["head-rate", "stages", "decay"]),
        ({"unfreeze.layers": 2}, ["head-rate", "rate", "dropout", "decay"]),
        ({"unfrozen.optimizer.weight_decay": 0.1}, ["head-rate", "rate", "stages", "dropout"]),
        ({"strategy": "full"}, ["head-rate", "rate", "dropout", "decay"]),
        ({"strategy": "feature-extraction"}, ["head-rate", "dropout", "decay"]),
        ({"unfrozen.optimizer.name": "sgd"}, ["head-rate", "rate", "stages", "dropout"]),
    ],
)
def test_what_it_gives_and_what_has_no_use_is_left_alone(given: dict[str, Any], left: list[str]) -> None:
    assert names(space_of(given)) == left


def test_what_is_named_is_searched_around_what_the_recipe_gives() -> None:
    space = space_of({"unfrozen.rate": 1e-4, "head.dropout": 0.7}, "dropout", "rate")
    assert space.asked == {"rate": 1e-4, "dropout": 0.7}
    assert [one.high for one in space.searched] == [pytest.approx(1e-3), 0.7]


def test_a_strategy_that_is_asked_for_is_kept() -> None:
    (stages,) = space_of({"strategy": "gradual"}, "stages").searched
    assert (stages.low, stages.high) == (1, 4)
    space = space_of({"strategy": "gradual"}, "stages")
    recipe = space.recipe_of({"stages": 3})
    assert (recipe.strategy, recipe.unfreeze.stages) == ("gradual", 3)
    assert space.most_unfrozen_epochs == 4 * recipe.unfrozen.epochs


def test_the_values_of_a_trial_make_its_recipe() -> None:
    space = space_of({"seed": 7})
    values = {"head-rate": 1e-3, "rate": 2e-4, "stages": 3, "dropout": 0.1, "decay": 0.05}
    recipe = space.recipe_of(values)
    assert (recipe.seed, recipe.strategy, recipe.unfreeze.stages) == (7, "fine-tune-top", 3)
    assert (recipe.head_only.rate, recipe.unfrozen.rate, recipe.head.dropout) == (1e-3, 2e-4, 0.1)
    assert recipe.head_only.optimizer.weight_decay == recipe.unfrozen.optimizer.weight_decay == 0.05
    assert space.recipe_of({**values, "stages": 0}).strategy == "feature-extraction"


def test_the_first_trial_plans_what_was_asked() -> None:
    for given in ({}, {"strategy": "full"}, {"unfreeze.stages": 3}, {"strategy": "feature-extraction"}):
        recipe = read_recipe(None, given)
        space = make_space(recipe, small_plan(recipe), ())
        assert small_plan(space.recipe_of(space.asked)) == small_plan(recipe)


def test_drawn_values_have_two_digits_and_those_asked_all_of_theirs() -> None:
    space = space_of({"unfrozen.rate": 0.00012345}, "rate", "dropout")
    assert space.rounded({"rate": 0.00012345, "dropout": 0.123456}) == {"rate": 0.00012345, "dropout": 0.12}


def test_rates_that_were_found_stand_in_the_place_of_auto() -> None:
    recipe = read_recipe(None, {"unfrozen.rate": "auto", "head_only.rate": "auto"})
    space = make_space(recipe, with_rates(small_plan(), 7e-3, 2e-4), ["rate"])
    assert space.asked == {"rate": 2e-4}
    assert (space.recipe.head_only.rate, space.recipe.unfrozen.rate) == (7e-3, 2e-4)


def with_rates(plan: Plan, *rates: float) -> Plan:
    phases: tuple[Phase, ...] = tuple(
        phase.model_copy(update={"rate": rate}) for phase, rate in zip(plan.phases, rates, strict=True)
    )
    return plan.model_copy(update={"phases": phases})


@pytest.mark.parametrize(
    ("given", "search", "words"),
    [
        ({}, ["dropuot"], "there is no 'dropuot'. Did you mean 'dropout'"),
        ({"strategy": "auto"}, [], "strategy: auto measures how far to unfreeze by itself"),
        ({"unfreeze.layers": 2}, ["stages"], "can't be searched around unfreeze.layers: 2"),
        ({"unfrozen.optimizer.name": "sgd"}, ["decay"], "which sgd hasn't"),
        ({"head_only.optimizer.weight_decay": 0.0}, ["decay"], "the recipe has 0 and 0.02"),
        (Recipe().model_dump(), [], "the recipe gives every value that could be searched: name some, of head-rate"),
    ],
)
def test_what_cannot_be_searched_is_refused(given: dict[str, Any], search: list[str], words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        plan = small_plan()
        recipe = Recipe.model_validate(given) if "head" in given else read_recipe(None, given)
        make_space(recipe, plan if recipe.strategy == "auto" else small_plan(recipe), search)
