"""The phases each strategy makes of a network written by hand."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.made_up import small_network
from unfreeze.errors import RecipeError
from unfreeze.recipe.read import validate_recipe
from unfreeze.recipe.strategies import DEFAULT_STAGES, DEFAULT_WEIGHT_DECAY, STRATEGIES, depths, make_phases, unused_keys

NETWORK = small_network()


def phases(network=NETWORK, **values):
    return make_phases(network, validate_recipe(values))


def column(made, name):
    return [getattr(phase, name) for phase in made]


def test_feature_extraction_trains_the_head_only():
    (phase,) = phases(strategy="feature-extraction", head_only={"epochs": 7, "rate": 0.02})
    assert (phase.name, phase.boundary, phase.epochs, phase.rate) == ("head only", "head", 7, 0.02)
    assert (phase.trainable_parameters, phase.frozen_parameters) == (33, 1760)


def test_fine_tune_top_by_stages():
    made = phases(
        strategy="fine-tune-top",
        unfreeze={"stages": 2},
        head_only={"epochs": 2, "rate": 0.1},
        unfrozen={"epochs": 9, "rate": 0.01},
    )
    assert column(made, "name") == ["head only", "last 2 stages"]
    assert column(made, "boundary") == ["head", "stage2"]
    assert column(made, "epochs") == [2, 9]
    assert column(made, "rate") == [0.1, 0.01]
    assert column(made, "trainable_parameters") == [33, 470 + 950 + 33]
    assert column(made, "frozen_parameters") == [1760, 340]


@pytest.mark.parametrize(
    ("unfreeze", "name", "boundary", "trainable"),
    [
        ({"stages": 1}, "last stage", "stage3", 983),
        ({"layers": 1}, "last layer", "layer3.conv1", 983),
        ({"layers": 2}, "last 2 layers", "layer2.conv2", 220 + 50 + 950 + 33),
    ],
)
def test_fine_tune_top_by_one_stage_or_by_layers(unfreeze, name, boundary, trainable):
    phase = phases(strategy="fine-tune-top", unfreeze=unfreeze)[1]
    assert (phase.name, phase.boundary, phase.trainable_parameters) == (name, boundary, trainable)


def test_full_goes_by_the_head_first():
    made = phases(strategy="full")
    assert column(made, "boundary") == ["head", "stem"]
    assert column(made, "name") == ["head only", "whole network"]
    assert (made[1].trainable_parameters, made[1].frozen_parameters) == (1793, 0)


def test_full_on_random_weights_skips_the_head_phase():
    (phase,) = phases(small_network(pretrained=False), strategy="full", unfrozen={"epochs": 3, "rate": 0.5})
    assert (phase.boundary, phase.epochs, phase.rate) == ("stem", 3, 0.5)


def test_gradual_goes_down_one_stage_at_a_time_at_falling_rates():
    made = phases(
        strategy="gradual",
        unfreeze={"stages": 3, "rate_factor": 0.1},
        head_only={"rate": 0.5},
        unfrozen={"rate": 0.2, "epochs": 4},
    )
    assert column(made, "boundary") == ["head", "stage3", "stage2", "stage1"]
    assert column(made, "name")[1:] == ["down to stage3", "down to stage2", "down to stage1"]
    assert column(made, "rate") == pytest.approx([0.5, 0.2, 0.02, 0.002])
    assert column(made, "epochs")[1:] == [4, 4, 4]
    assert column(made, "trainable_parameters") == [33, 983, 1453, 1683]


@pytest.mark.parametrize("strategy", ["fine-tune-top", "gradual"])
def test_where_the_recipe_does_not_say_how_far(strategy):
    assert phases(strategy=strategy)[-1].boundary == NETWORK.boundary_of_last_stages(DEFAULT_STAGES)


def test_a_network_with_fewer_stages_than_the_default_trains_all_of_them():
    shallow = NETWORK.model_copy(update={"stages": (NETWORK.stages[0], NETWORK.stages[-1])})
    assert phases(shallow, strategy="fine-tune-top")[-1].boundary == "stem"


@pytest.mark.parametrize("strategy", ["fine-tune-top", "gradual"])
def test_too_many_stages(strategy):
    with pytest.raises(RecipeError, match=r"^unfreeze\.stages: 9 stages .* give a number from 1 to 4\.$"):
        phases(strategy=strategy, unfreeze={"stages": 9})


def test_too_many_layers():
    with pytest.raises(RecipeError, match=r"^unfreeze\.layers: 9 layers .* give a number from 1 to 5\.$"):
        phases(unfreeze={"layers": 9})


@pytest.mark.parametrize(
    ("asked", "pretrained", "planned"),
    [
        ("auto", True, "frozen"),
        ("auto", False, "update"),
        ("frozen", False, "frozen"),
        ("update", True, "update"),
    ],
)
def test_batchnorm(asked, pretrained, planned):
    made = phases(small_network(pretrained), strategy="gradual", unfreeze={"batchnorm": asked})
    assert set(column(made, "batchnorm")) == {planned}


@pytest.mark.parametrize(
    ("optimizer", "decay"),
    [
        ({"name": "adamw"}, DEFAULT_WEIGHT_DECAY),
        ({"name": "adamw", "weight_decay": 0.3}, 0.3),
        ({"name": "adamw", "weight_decay": 0}, 0.0),
        ({"name": "sgd", "momentum": 0.5}, 0.0),
        ({"name": "adam", "l2": 0.001}, 0.0),
    ],
)
def test_decay_is_resolved_and_the_rest_handed_on(optimizer, decay):
    planned = phases(strategy="feature-extraction", head_only={"optimizer": {"clip_norm": 2.5, **optimizer}})[0].optimizer
    assert planned.model_dump() == {
        "name": optimizer["name"],
        "momentum": optimizer.get("momentum", 0.9),
        "weight_decay": decay,
        "l2": optimizer.get("l2", 0.0),
        "l2_sp": 0.0,
        "clip_norm": 2.5,
    }


def test_schedule_and_stopping_are_those_of_the_phase():
    head, top = phases(
        head_only={"schedule": {"name": "step", "step_epochs": 3}, "stopping": {"patience_epochs": None}},
        unfrozen={"schedule": {"name": "plateau", "floor": 0.1}, "stopping": {"patience_epochs": 4, "min_delta": 0.01}},
    )
    assert (head.schedule.name, head.schedule.step_epochs, head.stopping.patience_epochs) == ("step", 3, None)
    assert (top.schedule.name, top.schedule.floor) == ("plateau", 0.1)
    assert (top.stopping.patience_epochs, top.stopping.min_delta) == (4, 0.01)


SLOW_START = {"unfrozen": {"schedule": {"name": "step", "warmup_epochs": 2}}}


def test_from_the_second_step_on_only_the_joining_stage_warms_up():
    made = phases(strategy="gradual", unfreeze={"stages": 3}, **SLOW_START)
    assert column(made, "boundary") == ["head", "stage3", "stage2", "stage1"]
    assert [phase.schedule.warmup_epochs for phase in made] == [0.5, 2, 0, 0]
    assert column(made, "joining") == [(), (), ("stage2",), ("stage1",)]
    assert column(made, "joining_epochs") == [0, 0, 2, 2]
    assert {phase.schedule.name for phase in made[1:]} == {"step"}


@pytest.mark.parametrize("strategy", ["feature-extraction", "fine-tune-top", "full"])
def test_no_stage_joins_elsewhere(strategy):
    made = phases(strategy=strategy, **SLOW_START)
    assert set(column(made, "joining")) == {()}
    assert [phase.schedule.warmup_epochs for phase in made] == [0.5, 2][: len(made)]


def test_by_epochs_each_step_but_the_last_takes_all_of_them():
    values = {"strategy": "gradual", "unfrozen": {"stopping": {"patience_epochs": 3, "min_delta": 0.1}}}
    by_epochs = phases(unfreeze={"stages": 2, "when": "epochs"}, **values)
    assert [phase.stopping.patience_epochs for phase in by_epochs] == [None, None, 3]
    by_stall = phases(unfreeze={"stages": 2}, **values)
    assert [phase.stopping.patience_epochs for phase in by_stall] == [5, 3, 3]
    assert by_epochs[-1] == by_stall[-1]


def test_a_search_goes_by_validation_whatever_when_says():
    assert phases(strategy="auto", unfreeze={"when": "epochs"}) == phases(strategy="auto")


@pytest.mark.parametrize(
    ("values", "factors"),
    [
        ({"strategy": "feature-extraction"}, [{}]),
        ({"strategy": "fine-tune-top", "unfreeze": {"stages": 2}}, [{}, {"head": 1, "stage3": 0.5, "stage2": 0.25}]),
        # The boundary is a layer inside stage2, which trains in part.
        ({"strategy": "fine-tune-top", "unfreeze": {"layers": 2}}, [{}, {"head": 1, "stage3": 0.5, "stage2": 0.25}]),
        (
            {"strategy": "full"},
            [{}, {"head": 1, "stage3": 0.5, "stage2": 0.25, "stage1": 0.125, "stem": 0.0625}],
        ),
        (
            {"strategy": "gradual", "unfreeze": {"stages": 2}},
            [{}, {"head": 1, "stage3": 0.5}, {"head": 1, "stage3": 0.5, "stage2": 0.25}],
        ),
    ],
)
def test_discriminative_rates(values, factors):
    asked = {**values, "unfreeze": {**values.get("unfreeze", {}), "stage_rate_factor": 0.5}}
    assert column(phases(**asked), "rate_factors") == factors
    assert set(map(len, column(phases(**values), "rate_factors"))) == {0}


@pytest.mark.parametrize(
    ("values", "unused"),
    [
        ({"strategy": "feature-extraction", "unfreeze": {"stage_rate_factor": 0.5}}, {"unfreeze.stage_rate_factor"}),
        ({"strategy": "feature-extraction", "stochastic_depth": 0.1}, {"stochastic_depth"}),
        ({"strategy": "full", "unfreeze": {"stage_rate_factor": 0.5, "when": "epochs"}}, {"unfreeze.when"}),
        ({"strategy": "gradual", "unfreeze": {"when": "epochs"}}, set()),
        (
            {"strategy": "gradual", "unfreeze": {"when": "epochs"}, "head_only": {"stopping": {"patience_epochs": 2}}},
            {"head_only.stopping"},
        ),
        ({"strategy": "gradual", "head_only": {"stopping": {"patience_epochs": 2}}}, set()),
    ],
)
def test_keys_that_a_strategy_has_no_use_for(values, unused):
    assert unused_keys(NETWORK, validate_recipe(values)) == unused


def test_a_search_of_random_weights_has_no_use_for_what_it_would_search_by():
    recipe = validate_recipe({"strategy": "auto", "budget": "5m", "unfreeze": {"stages": 2}, "head_only": {"epochs": 2}})
    assert unused_keys(NETWORK, recipe) == set()
    assert unused_keys(small_network(pretrained=False), recipe) == {"budget", "unfreeze.stages", "head_only"}


@settings(deadline=None)
@given(
    strategy=st.sampled_from(sorted(STRATEGIES)),
    stages=st.none() | st.integers(1, 4),
    pretrained=st.booleans(),
)
def test_every_phase_accounts_for_every_parameter_and_unfreezes_no_less_than_before(strategy, stages, pretrained):
    made = phases(small_network(pretrained), strategy=strategy, unfreeze={"stages": stages})
    assert all(phase.trainable_parameters + phase.frozen_parameters == 1793 for phase in made)
    trainable = column(made, "trainable_parameters")
    assert trainable == sorted(set(trainable))


def test_the_steps_of_auto_unfreeze_twice_as_many_stages_each_and_the_whole_network_last():
    made = phases(strategy="auto")
    assert column(made, "name") == ["head only", "last 2 stages", "whole network"]
    assert column(made, "boundary") == ["head", "stage2", "stem"]
    assert column(made, "start") == ["best", "best", "first"]
    assert len({phase.rate for phase in made[1:]}) == 1
    assert column(phases(strategy="auto", unfreeze={"stages": 3}), "boundary") == ["head", "stage2", "stage1"]
    assert column(phases(strategy="auto", unfreeze={"stages": 1}), "boundary") == ["head", "stage3"]


def test_depths_double_and_leave_out_a_step_that_nearly_is_the_last():
    assert [depths(count) for count in (1, 2, 3, 4, 5, 6, 7, 8, 9, 17)] == [
        [1], [2], [2, 3], [2, 4], [2, 5], [2, 4, 6], [2, 4, 7], [2, 4, 8], [2, 4, 9], [2, 4, 8, 17],
    ]  # fmt: skip
