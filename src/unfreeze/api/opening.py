"""A network opened for a recipe and its pictures: what can be trained, before it is known what is kept of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from unfreeze.api.frameworks import load_backend
from unfreeze.cache.folder import cache_folder
from unfreeze.data.dataset import Dataset
from unfreeze.data.load import Loader
from unfreeze.recipe.plan import Plan
from unfreeze.recipe.recipe import Cache, Recipe
from unfreeze.training.activations import Place
from unfreeze.training.backend import Backend
from unfreeze.training.planning import make_plan

_BYTES_PER_GB = 10**9


@dataclass(frozen=True)
class Opening:
    """An open network, the pictures as batches, and the plan but for its `cache`."""

    backend: Backend
    loader: Loader
    place: Place
    plan: Plan


def open_planned(recipe: Recipe, dataset: Dataset) -> Opening:
    """A network of its own, with a new head.

    Args:
        recipe: with rates as numbers.
        dataset: with splits.

    Raises:
        ModelError, RecipeError: as `make_plan`, and as the `open_network` of the framework's package.
    """
    backend: Backend = load_backend(recipe.framework).open_network(recipe, dataset.classes)
    return _opening(recipe, dataset, make_plan(recipe, dataset, backend), backend)


def open_as_planned(recipe: Recipe, dataset: Dataset, plan: Plan) -> Opening:
    """As `open_planned`, for a plan that was made before of the same recipe and pictures.

    Raises:
        ModelError, RecipeError: as the `open_network` of the framework's package.
    """
    return _opening(recipe, dataset, plan, load_backend(recipe.framework).open_network(recipe, dataset.classes))


def cache_place(settings: Cache) -> Place:
    """Where activations are kept."""
    return Place(
        Path(settings.folder).expanduser() if settings.folder else cache_folder(), int(settings.limit_gb * _BYTES_PER_GB)
    )


def _opening(recipe: Recipe, dataset: Dataset, plan: Plan, backend: Backend) -> Opening:
    loader = Loader(
        dataset, plan.network.contract, plan.batch_size, plan.augment, plan.oversample, plan.seed, plan.loader_threads
    )
    return Opening(backend, loader, cache_place(recipe.cache), plan)
