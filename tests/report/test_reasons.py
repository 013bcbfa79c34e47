"""Why a plan is as it is."""

from __future__ import annotations

import typing

import pytest

from support.made_up import small_plan
from unfreeze.recipe.read import read_recipe
from unfreeze.recipe.recipe import StrategyName
from unfreeze.report.reasons import reasons


@pytest.mark.parametrize("strategy", typing.get_args(StrategyName))
def test_every_strategy_has_its_reason(strategy: str) -> None:
    found = reasons(small_plan(read_recipe(None, {"strategy": strategy})))
    assert found[0].startswith(f"{strategy}: ")
    assert any("goes first" in reason for reason in found) == (strategy != "feature-extraction")
    assert any("BatchNorm statistics stay as pretrained" in reason for reason in found) == (strategy != "feature-extraction")


def test_what_the_plan_does_not_do_has_no_reason() -> None:
    plain, done = small_plan(), small_plan(class_weights={"cat": 1.0, "dog": 1.0, "owl": 2.0}, calibrate=True)
    assert not any("rare classes" in reason or "temperature" in reason for reason in reasons(plain))
    assert [word in " ".join(reasons(done)) for word in ("rare classes are made up for", "a temperature is fitted")] == [
        True,
        True,
    ]


def test_the_lower_rate_is_said() -> None:
    recipe = read_recipe(None, {"head_only.rate": 3e-3, "unfrozen.rate": 5e-4})
    assert "then at 0.0005 instead of 0.003: what is pretrained is changed with care" in reasons(small_plan(recipe))
    faster = read_recipe(None, {"head_only.rate": 1e-4, "unfrozen.rate": 5e-4})
    assert not any("changed with care" in reason for reason in reasons(small_plan(faster)))
