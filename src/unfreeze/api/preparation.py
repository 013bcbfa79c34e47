"""From what was asked to what a training needs: the recipe, the dataset, the network and the plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unfreeze.api.frameworks import BACKENDS, BOTH, load_backend
from unfreeze.api.network_findings import find_disputed_labels, find_in_inputs
from unfreeze.api.opening import open_planned
from unfreeze.api.rates import Testing, remarks, with_rates
from unfreeze.cache.folder import cache_folder
from unfreeze.data.dataset import Dataset
from unfreeze.data.load import Loader
from unfreeze.data.scan import Progress, scan_for_training
from unfreeze.errors import FrameworkError
from unfreeze.inspection.finding import DataFinding
from unfreeze.inspection.inspection import find_in_data
from unfreeze.recipe.network import HEAD
from unfreeze.recipe.plan import FoundInData, Plan
from unfreeze.recipe.read import flatten, read_recipe
from unfreeze.recipe.recipe import Recipe
from unfreeze.search.budget import Estimates
from unfreeze.search.search import expected_steps
from unfreeze.training.activations import Place
from unfreeze.training.backend import Backend
from unfreeze.training.cache_planning import plan_cache
from unfreeze.training.costs import Speeds
from unfreeze.training.footprint import expected_peak, held_now, remarks_on_memory
from unfreeze.training.range_test import RangeTest


@dataclass(frozen=True)
class Preparation:
    """What a training starts from: recipe, pictures in splits and what was found in them, the open network, the plan.

    `resolved` is the recipe with numbers for the rates that it leaves open. `estimates` are of the time that steps take, where
    they are decided on the way; else None.
    """

    recipe: Recipe
    resolved: Recipe
    dataset: Dataset
    findings: tuple[DataFinding, ...]
    backend: Backend
    loader: Loader
    cache: Place
    plan: Plan
    estimates: Estimates | None = None
    rates: tuple[RangeTest, ...] = ()


def prepare(
    data: str | Path,
    recipe: str | Path | Recipe | None,
    changes: Mapping[str, Any],
    progress: Progress | None,
    testing: Testing | None = None,
) -> Preparation:
    """Reads the recipe and every picture, finds the rates that are left open, and opens the network; writes nothing.

    Args:
        testing: told how far the search for rates is.

    Raises:
        UnfreezeError: as `train`.
    """
    return prepare_scanned(*scan_asked(data, recipe, changes, progress), testing)


def scan_asked(
    data: str | Path, recipe: str | Path | Recipe | None, changes: Mapping[str, Any], progress: Progress | None
) -> tuple[Recipe, Dataset]:
    """What is asked for, and the pictures in their splits.

    Raises:
        UnfreezeError: as `train`.
    """
    asked = read_changed(recipe, changes)
    if asked.framework == BOTH:
        raise FrameworkError(
            "framework: both is for `unfreeze train DATA --framework both`, which runs each framework in a process of its own."
            f" Here give one: {' or '.join(BACKENDS)}"
        )
    load_backend(asked.framework).check(asked)
    closely = asked.data.inspect == "full"
    dataset = scan_for_training(Path(data), asked.data, asked.seed, progress, cache_folder(), closely)
    return asked, dataset


def prepare_scanned(asked: Recipe, dataset: Dataset, testing: Testing | None = None) -> Preparation:
    """As `prepare`, with pictures that were read before: by this recipe, or by one with the same `data` and seed."""
    recipe, rates = with_rates(asked, dataset, testing=testing)
    opening = open_planned(recipe, dataset)
    backend, loader, place, plan = opening.backend, opening.loader, opening.place, opening.plan
    memory, short_of_memory = _expected_memory(plan, backend)
    findings = _find(asked, dataset, plan, backend, place)
    kept = plan_cache(plan.phases, loader, backend, asked.cache.use, place, plan.is_search)
    estimates = estimates_of(plan, backend, loader, place)
    said = tuple(FoundInData(code=one.code, severity=one.severity, explanation=one.explanation) for one in findings)
    plan = plan.model_copy(
        update={
            "data": plan.data.model_copy(update={"findings": said}),
            "cache": kept,
            "evidence": expected_steps(plan, estimates) if estimates is not None else (),
            # Measuring showed what the frozen part really runs on.
            "environment": plan.environment | backend.environment,
            "memory": memory,
            "remarks": plan.remarks + remarks(rates) + short_of_memory,
        }
    )
    return Preparation(asked, recipe, dataset, findings, backend, loader, place, plan, estimates, rates)


def _expected_memory(plan: Plan, backend: Backend) -> tuple[int | None, tuple[str, ...]]:
    """What the process is expected to hold at its peak, where that is known, and what to say of it."""
    held, known = held_now(), {phase.boundary: backend.footprint(phase.boundary) for phase in plan.phases}
    footprints = {boundary: footprint for boundary, footprint in known.items() if footprint is not None}
    if len(footprints) < len(known):
        return None, ()
    return expected_peak(plan, footprints, held), remarks_on_memory(plan, footprints, held)


def _find(asked: Recipe, dataset: Dataset, plan: Plan, backend: Backend, place: Place) -> tuple[DataFinding, ...]:
    """What is found in the pictures and in how they reach the network, as far as the recipe asks."""
    if asked.data.inspect == "none":
        return ()
    contract = plan.network.contract
    said = find_in_inputs(dataset, contract, backend)
    if asked.data.inspect == "full":
        said += find_disputed_labels(dataset, contract, backend, place)
    return find_in_data(dataset, contract.side_px, said)


def estimates_of(plan: Plan, backend: Backend, loader: Loader, place: Place) -> Estimates | None:
    """Of the time that steps take, where they are decided on the way; else None."""
    if not plan.is_search:
        return None
    return Estimates(backend.network, Speeds(backend, loader, place.folder).of(HEAD), loader)


def read_changed(recipe: str | Path | Recipe | None, changes: Mapping[str, Any]) -> Recipe:
    """A recipe, by itself, its name or its file, with changes on top; parts of it may be nested or dotted.

    Raises:
        RecipeError: naming every mistake.
    """
    flat = dict(flatten(changes))
    if not isinstance(recipe, Recipe):
        return read_recipe(recipe, flat)
    return read_recipe(None, {**dict(flatten(recipe.model_dump(exclude_unset=True))), **flat})
