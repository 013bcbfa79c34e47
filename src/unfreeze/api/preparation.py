"""From what was asked to what a training needs: the recipe, the dataset, the network and the plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unfreeze.api.frameworks import BACKENDS, BOTH, load_backend
from unfreeze.api.network_findings import find_disputed_labels, find_in_inputs
from unfreeze.cache.folder import cache_folder
from unfreeze.data.dataset import Dataset
from unfreeze.data.load import Loader
from unfreeze.data.scan import Progress, scan_for_training
from unfreeze.errors import FrameworkError
from unfreeze.inspection.finding import DataFinding
from unfreeze.inspection.inspection import find_in_data
from unfreeze.recipe.plan import FoundInData, Plan
from unfreeze.recipe.read import flatten, read_recipe
from unfreeze.recipe.recipe import Cache, Recipe
from unfreeze.training.activations import Place
from unfreeze.training.backend import Backend
from unfreeze.training.cache_planning import plan_cache
from unfreeze.training.planning import make_plan

_BYTES_PER_GB = 10**9


@dataclass(frozen=True)
class Preparation:
    """What a training starts from: recipe, pictures in splits and what was found in them, the open network, the plan."""

    recipe: Recipe
    dataset: Dataset
    findings: tuple[DataFinding, ...]
    backend: Backend
    loader: Loader
    cache: Place
    plan: Plan


def prepare(
    data: str | Path, recipe: str | Path | Recipe | None, changes: Mapping[str, Any], progress: Progress | None
) -> Preparation:
    """Reads the recipe and every picture, and opens the network; writes nothing.

    Raises:
        UnfreezeError: as `train`.
    """
    asked = read_changed(recipe, changes)
    if asked.framework == BOTH:
        raise FrameworkError(
            "framework: both is for `unfreeze train DATA --framework both`, which runs each framework in a process of its own."
            f" Here give one: {' or '.join(BACKENDS)}"
        )
    package = load_backend(asked.framework)
    package.check(asked)
    closely = asked.data.inspect == "full"
    dataset = scan_for_training(Path(data), asked.data, asked.seed, progress, cache_folder(), closely)
    backend: Backend = package.open_network(asked, dataset.classes)
    plan = make_plan(asked, dataset, backend)
    loader = Loader(
        dataset, plan.network.contract, plan.batch_size, plan.augment, plan.oversample, plan.seed, plan.loader_threads
    )
    place = cache_place(asked.cache)
    findings = _find(asked, dataset, plan, backend, place)
    kept = plan_cache(plan.phases, loader, backend, asked.cache.use, place)
    said = tuple(FoundInData(code=one.code, severity=one.severity, explanation=one.explanation) for one in findings)
    plan = plan.model_copy(
        update={
            "data": plan.data.model_copy(update={"findings": said}),
            "cache": kept,
            # Measuring showed what the frozen part really runs on.
            "environment": plan.environment | backend.environment,
        }
    )
    return Preparation(asked, dataset, findings, backend, loader, place, plan)


def _find(asked: Recipe, dataset: Dataset, plan: Plan, backend: Backend, place: Place) -> tuple[DataFinding, ...]:
    """What is found in the pictures and in how they reach the network, as far as the recipe asks."""
    if asked.data.inspect == "none":
        return ()
    contract = plan.network.contract
    said = find_in_inputs(dataset, contract, backend)
    if asked.data.inspect == "full":
        said += find_disputed_labels(dataset, contract, backend, place)
    return find_in_data(dataset, contract.side_px, said)


def cache_place(settings: Cache) -> Place:
    """Where activations are kept."""
    return Place(
        Path(settings.folder).expanduser() if settings.folder else cache_folder(), int(settings.limit_gb * _BYTES_PER_GB)
    )


def read_changed(recipe: str | Path | Recipe | None, changes: Mapping[str, Any]) -> Recipe:
    """A recipe, by itself, its name or its file, with changes on top; parts of it may be nested or dotted.

    Raises:
        RecipeError: naming every mistake.
    """
    flat = dict(flatten(changes))
    if not isinstance(recipe, Recipe):
        return read_recipe(recipe, flat)
    return read_recipe(None, {**dict(flatten(recipe.model_dump(exclude_unset=True))), **flat})
