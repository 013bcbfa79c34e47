"""From a recipe, a dataset and a network to the plan."""

from __future__ import annotations

import math
import platform
from collections.abc import Sequence
from importlib.metadata import version

from unfreeze.data.balance import class_weights, logit_offsets, pictures_per_epoch, repeats
from unfreeze.data.dataset import Dataset
from unfreeze.data.picture import decoding_threads
from unfreeze.errors import RecipeError
from unfreeze.recipe.network import Network
from unfreeze.recipe.plan import Phase, Plan, PlannedData
from unfreeze.recipe.recipe import Augment, Input, Recipe
from unfreeze.recipe.schedule_remarks import schedule_remarks
from unfreeze.recipe.strategies import make_phases, unused_keys
from unfreeze.training.backend import Backend

_BATCH_SIZE, _SMALLEST_BATCH, _STEPS_WANTED = 32, 4, 8
_FEWEST_VIEWS = 8
_PACKAGES = ("unfreeze", "numpy", "pillow", "grain", "scikit-learn")


def make_plan(recipe: Recipe, dataset: Dataset, backend: Backend) -> Plan:
    """The recipe with every value resolved, but for `cache`: see `cache_planning`.

    Args:
        dataset: with splits, as `scan_for_training` gives it.
        backend: with the recipe's network.

    Raises:
        RecipeError: the input is too small for the network, a class weight is missing, or the network has fewer stages or
            layers than the recipe wants to unfreeze.
    """
    counts = dataset.counts()
    network = _at_planned_size(backend.network, recipe.input)
    batch_size = _batch_size(recipe.input, sum(counts["train"].values()))
    phases = make_phases(network, recipe)
    pictures = pictures_per_epoch(counts["train"], recipe.imbalance.oversample)
    return Plan(
        strategy=recipe.strategy,
        budget=recipe.budget,
        seed=recipe.seed,
        device=backend.device,
        precision=backend.precision,
        deterministic=recipe.deterministic,
        network=network,
        head=recipe.head,
        data=PlannedData(
            root=str(dataset.root),
            fingerprint=dataset.fingerprint,
            classes=dataset.classes,
            counts=counts,
            left_out={file.name: file.reason for file in dataset.left_out},
            decisions=dataset.decisions,
        ),
        batch_size=batch_size,
        loader_threads=_loader_threads(recipe.input),
        augment=_with_views(recipe.augment, _epochs(recipe, phases)),
        watch=recipe.watch,
        label_smoothing=recipe.label_smoothing,
        stochastic_depth=recipe.stochastic_depth,
        ema=recipe.ema,
        calibrate=recipe.calibrate,
        class_weights=class_weights(counts["train"], recipe.imbalance),
        focal_gamma=recipe.imbalance.gamma if recipe.imbalance.loss == "focal" else 0.0,
        logit_offsets=logit_offsets(counts["train"], recipe.imbalance),
        oversample=recipe.imbalance.oversample,
        repeats=repeats(counts["train"]) if recipe.imbalance.oversample else None,
        pictures_per_epoch=pictures,
        accumulate=recipe.input.accumulate,
        steps_per_epoch=math.ceil(_batches(pictures, batch_size) / recipe.input.accumulate),
        phases=phases,
        environment=_environment() | backend.environment,
        remarks=(*_remarks(network, recipe), *schedule_remarks(recipe, phases)),
    )


def _at_planned_size(network: Network, asked: Input) -> Network:
    side = network.contract.side_px if asked.side_px == "auto" else asked.side_px
    if side < network.minimum_side_px:
        raise RecipeError(
            f"input.side_px: {side} is too small for {network.name}: give at least {network.minimum_side_px}"
            f" (its checkpoint was made for {network.contract.side_px})"
        )
    return network.model_copy(update={"contract": network.contract.with_side(side)})


def _batch_size(asked: Input, pictures: int) -> int:
    if asked.batch_size != "auto":
        return asked.batch_size
    # A small set in few large batches would give too few steps to learn from.
    return min(_BATCH_SIZE, max(_SMALLEST_BATCH, pictures // _STEPS_WANTED))


def _epochs(recipe: Recipe, phases: Sequence[Phase]) -> int:
    """Of all phases; of a search those of the first two, because it may end there."""
    if recipe.strategy == "auto":
        phases = phases[:2]
    return sum(phase.epochs for phase in phases)


def _with_views(asked: Augment, epochs: int) -> Augment:
    if asked.views != "auto":
        return asked
    # No worse than a new view in each of 15 epochs, and half the work: docs/decisions/0010-the-cache.md.
    return asked.model_copy(update={"views": max(_FEWEST_VIEWS, math.ceil(epochs / 2))})


def _batches(pictures: int, batch_size: int) -> int:
    """Batches in an epoch; a last batch of one picture is left out by the loader."""
    batches = math.ceil(pictures / batch_size)
    return batches - 1 if batches > 1 and pictures % batch_size == 1 else batches


def _loader_threads(asked: Input) -> int:
    if asked.loader_threads != "auto":
        return asked.loader_threads
    return decoding_threads()


def _environment() -> dict[str, str]:
    versions = {name: version(name) for name in _PACKAGES}
    return {"python": platform.python_version(), "system": platform.platform(), **versions}


def _remarks(network: Network, recipe: Recipe) -> tuple[str, ...]:
    remarks = []
    if not network.pretrained:
        remarks.append(f"{network.weights}: its frozen stages know nothing, so scores say little about fine-tuning")
    unused = sorted(unused_keys(network, recipe))
    if unused:
        remarks.append(f"the strategy {recipe.strategy} has no use for {', '.join(unused)}, which the recipe gives")
    asked, balanced = recipe.imbalance, ("val_balanced_accuracy", "val_macro_f1")
    makes_up = asked.class_weights != "none" or asked.oversample or asked.loss == "logit-adjusted"
    if makes_up and recipe.watch not in balanced:
        remarks.append(
            f"rare classes are made up for, and the best epoch is still chosen by {recipe.watch}, which favours frequent ones"
            f" where validation is unequal too: watch {balanced[0]} may fit better"
        )
    return tuple(remarks)
