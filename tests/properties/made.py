"""Recipes, schedules and phases that hypothesis thinks up."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as some

from support.made_up import small_network
from unfreeze.recipe.plan import Phase
from unfreeze.recipe.recipe import Recipe, Schedule
from unfreeze.recipe.strategies import make_phases

steady = settings(max_examples=30, deadline=None, derandomize=True)

NETWORK = small_network()
rates = some.floats(1e-6, 1.0)


def _schedule(epochs: int) -> some.SearchStrategy[dict[str, Any]]:
    """Of a phase of so many epochs; whatever a schedule has no use for is given as well."""
    return some.fixed_dictionaries(
        {
            "name": some.sampled_from(
                ["constant", "step", "multi-step", "exponential", "cosine", "cosine-restarts", "one-cycle", "plateau"]
            ),
            "warmup_epochs": some.floats(0, 0.99).map(lambda part: part * epochs) | some.integers(0, epochs - 1).map(float),
            "step_epochs": some.integers(1, 40),
            "milestones": some.lists(some.integers(1, 40), min_size=1, max_size=4, unique=True).map(sorted),
            "factor": some.floats(0.2, 0.99),
            "patience_epochs": some.integers(1, 5),
            "floor": some.floats(0, 0.9),
            "restart_epochs": some.integers(1, 12),
            "restart_growth": some.integers(1, 3),
            "rise": some.floats(0.05, 0.95),
            "start_divisor": some.floats(1, 100),
            "end_divisor": some.floats(1, 1e5),
        }
    )


def _settings(most_epochs: int = 30) -> some.SearchStrategy[dict[str, Any]]:
    return some.integers(1, most_epochs).flatmap(
        lambda epochs: some.fixed_dictionaries({"epochs": some.just(epochs), "rate": rates, "schedule": _schedule(epochs)})
    )


# Epochs of a phase, with a schedule that such a phase can have.
schedules = some.integers(1, 30).flatmap(
    lambda epochs: some.tuples(some.just(epochs), _schedule(epochs).map(Schedule.model_validate))
)
recipes = some.fixed_dictionaries(
    {
        "strategy": some.sampled_from(["feature-extraction", "fine-tune-top", "full", "gradual", "auto"]),
        "head_only": _settings(),
        "unfrozen": _settings(),
        "unfreeze": some.fixed_dictionaries(
            {
                "stages": some.none() | some.integers(1, 4),
                "when": some.sampled_from(["stall", "epochs"]),
                "rate_factor": some.floats(0.01, 1),
                "stage_rate_factor": some.floats(0.01, 1),
            }
        ),
        "seed": some.integers(0, 2**31 - 1),
        "label_smoothing": some.floats(0, 0.99),
        "augment": some.fixed_dictionaries({"views": some.none() | some.just("auto") | some.integers(1, 50)}),
        "head": some.fixed_dictionaries({"hidden": some.lists(some.integers(1, 512), max_size=3)}),
        "data": some.fixed_dictionaries(
            # What YAML would read as something else, hide or break: numbers, `no`, quotes, newlines, other scripts.
            {"classes": some.none() | some.lists(some.text(min_size=1, max_size=12), min_size=2, max_size=4, unique=True)}
        ),
    }
).map(Recipe.model_validate)
phases = some.tuples(recipes, some.booleans()).flatmap(
    lambda made: some.sampled_from(make_phases(small_network(pretrained=made[1]), made[0]))
)


def stages_of(phase: Phase) -> tuple[str, ...]:
    """The stages of the network that a phase trains."""
    return NETWORK.trainable_stages(phase.boundary)
