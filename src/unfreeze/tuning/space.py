"""Which values of a recipe trials search, between what bounds, and the recipe that a trial's values make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from unfreeze.errors import RecipeError, did_you_mean
from unfreeze.recipe.network import HEAD
from unfreeze.recipe.plan import Phase, Plan
from unfreeze.recipe.read import flatten, read_recipe
from unfreeze.recipe.recipe import Recipe

# What can be searched, by the names of the flags, and the keys of a recipe that each stands for.
KEYS = {
    "head-rate": ("head_only.rate",),
    "rate": ("unfrozen.rate",),
    "stages": ("unfreeze.stages", "unfreeze.layers"),
    "dropout": ("head.dropout",),
    "decay": ("head_only.optimizer.weight_decay", "unfrozen.optimizer.weight_decay"),
}
# Rates and decays are searched from a tenth of what is asked to ten times as much, evenly by their logarithm. The reasons are
# in docs/tune.md, as for the other two.
_FACTOR = 10.0
_MOST_DROPOUT = 0.6
_MOST_STAGES = 4
# Of a value that a trial draws: more of them mean nothing, and fewer are easier to read.
_DIGITS = 2

Values = Mapping[str, float]


@dataclass(frozen=True)
class Searched:
    """A value that trials search.

    Attributes:
        name: one of `KEYS`.
        asked: what the recipe has, which the first trial takes.
        low, high: the bounds, both included.
        log: whether it is its logarithm that is searched evenly.
        whole: whether it is a whole number.
    """

    name: str
    asked: float
    low: float
    high: float
    log: bool = False
    whole: bool = False


@dataclass(frozen=True)
class Space:
    """What is searched, and the recipe that it is searched around.

    Attributes:
        recipe: as asked, with the rates that a range test found in the place of `auto`.
        searched: at least one.
    """

    recipe: Recipe
    searched: tuple[Searched, ...]

    @property
    def asked(self) -> dict[str, float]:
        """The values of the first trial."""
        return {one.name: one.asked for one in self.searched}

    @property
    def most_unfrozen_epochs(self) -> int:
        """The most epochs with stages unfrozen that a trial can have."""
        most = next((one.high for one in self.searched if one.name == "stages"), self.recipe.unfreeze.stages or _MOST_STAGES)
        return self.recipe.unfrozen.epochs * (int(most) if self.recipe.strategy == "gradual" else 1)

    def rounded(self, values: Values) -> dict[str, float]:
        """Values as a trial takes them: as asked, or with two digits."""
        return {name: value if value == self.asked[name] else float(f"{value:.{_DIGITS}g}") for name, value in values.items()}

    def recipe_of(self, values: Values) -> Recipe:
        """The recipe with some values of what is searched. With those asked it trains what the person's own does."""
        changes: dict[str, Any] = {}
        for name, value in values.items():
            if name == "stages":
                changes |= {} if value == self.asked[name] else _stages(self.recipe, int(value))
            else:
                changes |= dict.fromkeys(KEYS[name], value)
        return _changed(self.recipe, changes)


def check_search(recipe: Recipe, search: Sequence[str]) -> None:
    """Refuses what can't be searched whatever the network: before pictures are read, not after.

    Raises:
        RecipeError: an unknown name, or the strategy searches by itself.
    """
    for name in search:
        if name not in KEYS:
            raise RecipeError(f"search: there is no '{name}'.{did_you_mean(name, KEYS)} It can be {', '.join(KEYS)}")
    if recipe.strategy == "auto":
        raise RecipeError(
            "strategy: auto measures how far to unfreeze by itself. To tune, give another (fine-tune-top is the default):"
            " how many stages train is searched"
        )


def make_space(recipe: Recipe, plan: Plan, search: Sequence[str]) -> Space:
    """What trials around a recipe search.

    Args:
        recipe: as asked.
        plan: of it.
        search: names in `KEYS`, searched whether the recipe gives them or not; without any, all that the recipe doesn't give
            and that its strategy has a use for.

    Raises:
        RecipeError: as `check_search`, a value that can't be searched, or nothing is left to search.
    """
    check_search(recipe, search)
    chosen = set(search) or _left_open(recipe, plan)
    if not chosen:
        raise RecipeError(
            f"search: the recipe gives every value that could be searched: name some, of {', '.join(KEYS)}, to search them"
            " around what it gives"
        )
    found = _with_found_rates(recipe, plan)
    return Space(found, tuple(_MAKERS[name](found, plan) for name in KEYS if name in chosen))


def _left_open(recipe: Recipe, plan: Plan) -> set[str]:
    given = {name for name, _ in flatten(recipe.model_dump(exclude_unset=True))}
    left = {name for name, keys in KEYS.items() if not given.intersection(keys)}
    if "strategy" in given and recipe.strategy in ("feature-extraction", "full"):
        left.discard("stages")
    if "stages" not in left and _unfrozen(plan) is None:
        left.discard("rate")
    if _head(plan) is None:
        left.discard("head-rate")
    if {recipe.head_only.optimizer.name, recipe.unfrozen.optimizer.name} != {"adamw"}:
        left.discard("decay")
    return left


def _with_found_rates(recipe: Recipe, plan: Plan) -> Recipe:
    changes: dict[str, Any] = {}
    for section, phase in (("head_only", _head(plan)), ("unfrozen", _unfrozen(plan))):
        if getattr(recipe, section).rate == "auto":
            default = type(getattr(recipe, section)).model_fields["rate"].default
            changes[f"{section}.rate"] = phase.rate if phase is not None else default
    return _changed(recipe, changes)


def _changed(recipe: Recipe, changes: Mapping[str, Any]) -> Recipe:
    return read_recipe(None, {**dict(flatten(recipe.model_dump(exclude_unset=True))), **changes})


def _stages(recipe: Recipe, count: int) -> dict[str, Any]:
    """Where the last `count` stages train; none trains the head alone."""
    if not count:
        return {"strategy": "feature-extraction"}
    return {"strategy": "gradual" if recipe.strategy == "gradual" else "fine-tune-top", "unfreeze.stages": count}


def _around(name: str, asked: float) -> Searched:
    return Searched(name, asked, asked / _FACTOR, asked * _FACTOR, log=True)


def _search_head_rate(recipe: Recipe, _: Plan) -> Searched:
    assert recipe.head_only.rate != "auto"
    return _around("head-rate", recipe.head_only.rate)


def _search_rate(recipe: Recipe, _: Plan) -> Searched:
    assert recipe.unfrozen.rate != "auto"
    return _around("rate", recipe.unfrozen.rate)


def _search_stages(recipe: Recipe, plan: Plan) -> Searched:
    if recipe.unfreeze.layers is not None:
        raise RecipeError(
            f"search: stages can't be searched around unfreeze.layers: {recipe.unfreeze.layers}: leave one of the two out"
        )
    names = plan.network.stage_names[:-1]
    last = plan.phases[-1].boundary
    asked = 0 if last == HEAD else len(names) - names.index(last)
    least = 0 if recipe.strategy == "feature-extraction" or "strategy" not in recipe.model_fields_set else 1
    return Searched("stages", asked, min(least, asked), max(min(_MOST_STAGES, len(names)), asked), whole=True)


def _search_dropout(recipe: Recipe, _: Plan) -> Searched:
    return Searched("dropout", recipe.head.dropout, 0.0, max(_MOST_DROPOUT, recipe.head.dropout))


def _search_decay(recipe: Recipe, plan: Plan) -> Searched:
    names = sorted({section.optimizer.name for section in (recipe.head_only, recipe.unfrozen)} - {"adamw"})
    if names:
        raise RecipeError(f"search: decay is weight_decay, which {names[0]} hasn't: leave it out, or use adamw in both phases")
    decays = {phase.optimizer.weight_decay for phase in plan.phases}
    if len(decays) > 1 or 0 in decays:
        given = " and ".join(f"{decay:g}" for decay in sorted(decays))
        raise RecipeError(f"search: decay starts from one weight_decay above 0 for all phases, the recipe has {given}")
    return _around("decay", decays.pop())


_MAKERS = {
    "head-rate": _search_head_rate,
    "rate": _search_rate,
    "stages": _search_stages,
    "dropout": _search_dropout,
    "decay": _search_decay,
}


def _head(plan: Plan) -> Phase | None:
    return next((phase for phase in plan.phases if phase.boundary == HEAD), None)


def _unfrozen(plan: Plan) -> Phase | None:
    return next((phase for phase in plan.phases if phase.boundary != HEAD), None)
