"""A remedy in a recipe."""

from __future__ import annotations

from typing import Any

import pytest

from support.numpy_backend import describe_network
from unfreeze.diagnosis.remedy import Change, apply_remedy
from unfreeze.errors import RecipeError
from unfreeze.recipe.read import read_recipe
from unfreeze.recipe.recipe import Recipe

NETWORK = describe_network("tiny")


def with_all_named(**given: Any) -> Recipe:
    """As a run's recipe.yaml has it: every value, also those by default."""
    return Recipe.model_validate(read_recipe(None, given).model_dump(mode="json"))


def test_a_change_and_all_else_as_it_was() -> None:
    recipe = with_all_named(**{"head.dropout": 0.1, "seed": 7, "imbalance.class_weights": {"a.b": 2.0, "c": 1.0}})
    changed, changes = apply_remedy(recipe, {"head.dropout": 0.5, "augment.flip": True}, NETWORK)
    assert changes == (Change("head.dropout", 0.1, 0.5),)
    assert changed == with_all_named(**{"head.dropout": 0.5, "seed": 7, "imbalance.class_weights": {"a.b": 2.0, "c": 1.0}})
    assert str(changes[0]) == "head.dropout: 0.1 → 0.5"


@pytest.mark.parametrize(
    ("given", "remedy"),
    [
        ({}, {"calibrate": True}),
        ({"head.hidden": [8]}, {"head.hidden": (8,)}),
        ({"strategy": "feature-extraction", "unfrozen.epochs": 3}, {"unfrozen.rate": 1e-5}),
        ({"strategy": "full", "unfreeze.stages": 1}, {"unfreeze.stages": 2}),
        ({}, {"data.inspect": "full"}),
        ({}, {}),
    ],
    ids=["there already", "a list as a tuple", "of a phase there isn't", "of another strategy", "looking only", "none"],
)
def test_what_changes_nothing(given: dict[str, Any], remedy: dict[str, Any]) -> None:
    assert apply_remedy(with_all_named(**given), remedy, NETWORK)[1] == ()


def test_what_the_new_strategy_has_no_use_for_is_left_out() -> None:
    recipe = with_all_named(**{"unfreeze.stages": 1, "unfrozen.rate": 1e-7, "head_only.epochs": 9})
    changed, changes = apply_remedy(recipe, {"strategy": "feature-extraction"}, NETWORK)
    assert changes == (Change("strategy", "fine-tune-top", "feature-extraction"),)
    assert changed == with_all_named(**{"strategy": "feature-extraction", "head_only.epochs": 9})


@pytest.mark.parametrize(
    ("given", "remedy", "message"),
    [
        ({"imbalance.oversample": True}, {"imbalance.class_weights": "balanced"}, "choose one"),
        ({"head_only.schedule.warmup_epochs": 4.0}, {"head_only.epochs": 3}, "warmup_epochs"),
        ({}, {"head.dropuot": 0.5}, "Did you mean 'dropout'"),
    ],
)
def test_what_contradicts_is_refused(given: dict[str, Any], remedy: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        apply_remedy(with_all_named(**given), remedy, NETWORK)


def test_a_changes_words_are_those_of_yaml() -> None:
    assert str(Change("unfrozen.optimizer.clip_norm", None, 1.0)) == "unfrozen.optimizer.clip_norm: null → 1.0"
    assert str(Change("data.resplit", False, True)) == "data.resplit: false → true"
