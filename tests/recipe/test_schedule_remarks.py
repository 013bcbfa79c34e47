"""What is said of schedules that don't do what was asked."""

from __future__ import annotations

import pytest

from support.made_up import small_network
from unfreeze.errors import RecipeError
from unfreeze.recipe.read import preset_names, read_recipe, validate_recipe
from unfreeze.recipe.recipe import Recipe, Schedule
from unfreeze.recipe.schedule_remarks import _USED_BY, schedule_remarks
from unfreeze.recipe.strategies import make_phases


def remarks(**values):
    recipe = validate_recipe(values)
    return schedule_remarks(recipe, make_phases(small_network(), recipe))


def test_nothing_is_said_of_the_defaults_and_of_presets():
    assert remarks() == ()
    for preset in preset_names():
        recipe = read_recipe(preset)
        assert schedule_remarks(recipe, make_phases(small_network(), recipe)) == ()


def test_a_recipe_that_names_every_value_is_no_other():
    assert remarks(**Recipe().model_dump()) == ()


def test_keys_of_other_schedules_are_named():
    given = {"name": "step", "step_epochs": 2, "floor": 0.1, "rise": 0.5}
    assert remarks(unfrozen={"schedule": given}) == (
        "unfrozen.schedule: step has no use for floor, rise, which the recipe gives",
    )


def test_only_phases_that_are_planned_count():
    given = {"unfrozen": {"schedule": {"name": "constant", "factor": 0.5}}}
    assert remarks(strategy="feature-extraction", **given) == ()
    assert len(remarks(strategy="gradual", **given)) == 1


@pytest.mark.parametrize(
    ("schedule", "said"),
    [
        ({"name": "step", "step_epochs": 10}, "step would change the rate after 10 epochs, but a phase of 10 has 9.5 after"),
        ({"name": "step", "step_epochs": 9}, None),
        ({"name": "multi-step", "milestones": [3, 10, 20]}, "multi-step would change the rate after 10 and 20 epochs, but a"),
        ({"name": "cosine-restarts", "restart_epochs": 12}, "cosine-restarts would change the rate after 12 epochs, but a"),
        ({"name": "cosine-restarts", "restart_epochs": 4, "restart_growth": 3}, None),
        ({"name": "one-cycle", "rise": 0.2}, None),
    ],
)
def test_changes_that_come_too_late(schedule, said):
    (*_, remark) = remarks(unfrozen={"epochs": 10, "schedule": schedule}) or (None,)
    assert remark is None if said is None else remark.startswith(f"unfrozen.schedule: {said}")


def test_every_key_but_name_and_warm_up_is_of_some_schedule():
    assert set(_USED_BY) == set(Schedule.model_fields) - {"name", "warmup_epochs"}


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        ({"name": "multi-step"}, "multi-step without milestones is constant: give the epochs, as milestones: [3, 6]"),
        ({"name": "multi-step", "milestones": [3, 3]}, "milestones: [3, 3] won't do: give each of them once, the earliest"),
        ({"milestones": [4, 2]}, "milestones: [4, 2] won't do"),
        ({"name": "exponential"}, "factor: 0.1 in every epoch, as exponential has it, leaves 1e-05 of the rate after 5: give"),
    ],
)
def test_schedules_that_can_not_be_meant_are_refused(schedule, message):
    with pytest.raises(RecipeError) as caught:
        validate_recipe({"unfrozen": {"schedule": schedule}})
    assert f"unfrozen.schedule: {message}" in str(caught.value)
