"""What a recipe asks of a schedule that has no effect."""

from __future__ import annotations

from collections.abc import Iterable

from unfreeze.recipe.network import HEAD
from unfreeze.recipe.plan import Phase
from unfreeze.recipe.recipe import PhaseSettings, Recipe, Schedule

# The schedules that have a use for a key; the name and the warm-up are for all of them.
_USED_BY = {
    "step_epochs": {"step"},
    "milestones": {"multi-step"},
    "factor": {"step", "multi-step", "exponential", "plateau"},
    "patience_epochs": {"plateau"},
    "floor": {"cosine", "cosine-restarts", "plateau"},
    "restart_epochs": {"cosine-restarts"},
    "restart_growth": {"cosine-restarts"},
    "rise": {"one-cycle"},
    "start_divisor": {"one-cycle"},
    "end_divisor": {"one-cycle"},
}


def schedule_remarks(recipe: Recipe, phases: Iterable[Phase]) -> tuple[str, ...]:
    """In words: keys that the schedules of these phases have no use for, and changes of the rate that come after their end."""
    remarks = []
    for section in dict.fromkeys("head_only" if phase.boundary == HEAD else "unfrozen" for phase in phases):
        settings: PhaseSettings = getattr(recipe, section)
        name = settings.schedule.name
        unused = [key for key, users in _USED_BY.items() if name not in users and _is_given(settings.schedule, key)]
        if unused:
            remarks.append(f"{section}.schedule: {name} has no use for {', '.join(unused)}, which the recipe gives")
        late, length = _changes_after(settings), settings.epochs - settings.schedule.warmup_epochs
        if late:
            remarks.append(
                f"{section}.schedule: {name} would change the rate after {' and '.join(map(str, late))} epochs, but a phase of"
                f" {settings.epochs} has {length:g} after its warm-up"
            )
    return tuple(remarks)


def _is_given(schedule: Schedule, key: str) -> bool:
    """By its value, because a run's recipe.yaml names every key."""
    given: bool = getattr(schedule, key) != Schedule.model_fields[key].default
    return given


def _changes_after(settings: PhaseSettings) -> list[int]:
    """The places, in epochs after the warm-up, that the phase doesn't come to."""
    schedule = settings.schedule
    places: dict[str, tuple[int, ...]] = {
        "step": (schedule.step_epochs,),
        "multi-step": schedule.milestones,
        "cosine-restarts": (schedule.restart_epochs,),
    }
    return [place for place in places.get(schedule.name, ()) if place >= settings.epochs - schedule.warmup_epochs]
