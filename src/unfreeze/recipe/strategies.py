"""The strategies: each a function from a network and a recipe to the phases of the plan."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from unfreeze.recipe.network import HEAD, STEM, Network
from unfreeze.recipe.plan import Phase, PlannedOptimizer
from unfreeze.recipe.recipe import Optimizer, PhaseSettings, Recipe, Stopping, Unfreeze

# How far `fine-tune-top` and `gradual` go where the recipe doesn't say; measured in docs/decisions/0004-defaults.md.
DEFAULT_STAGES = 2
# AdamW's decay where the recipe says `auto`; same note.
DEFAULT_WEIGHT_DECAY = 0.02


def make_phases(network: Network, recipe: Recipe) -> tuple[Phase, ...]:
    """The phases of the recipe's strategy for this network. Rates that the recipe leaves open (`auto`) are given before.

    Raises:
        RecipeError: the network has fewer stages or layers than the recipe wants to unfreeze.
    """
    return STRATEGIES[recipe.strategy](network, recipe)


def unused_keys(network: Network, recipe: Recipe) -> set[str]:
    """What the recipe gives, not by default, that its strategy has no use for."""
    unused = set()
    if recipe.strategy == "feature-extraction":
        unused = {"unfrozen", "stochastic_depth", *(f"unfreeze.{name}" for name in Unfreeze.model_fields)}
    if recipe.strategy == "full":
        unused = {"unfreeze.stages", "unfreeze.layers"}
    if recipe.strategy == "auto" and not network.pretrained:
        unused = {"unfreeze.stages", "budget"}
    if recipe.strategy in ("full", "auto") and not network.pretrained:
        unused |= {"head_only"}
    if recipe.strategy != "gradual":
        unused |= {"unfreeze.rate_factor", "unfreeze.when"}
    if recipe.strategy == "gradual" and recipe.unfreeze.when == "epochs":
        unused |= {"head_only.stopping"}
    given = recipe.model_fields_set | {f"unfreeze.{name}" for name in recipe.unfreeze.model_fields_set}
    return unused & (given | {f"head_only.{name}" for name in recipe.head_only.model_fields_set})


def feature_extraction(network: Network, recipe: Recipe) -> tuple[Phase, ...]:
    """The base frozen, the head trained."""
    return (_phase("head only", network, HEAD, recipe),)


def fine_tune_top(network: Network, recipe: Recipe) -> tuple[Phase, ...]:
    """The head first, then the last stages (or layers) with it at a lower rate."""
    layers, stages = recipe.unfreeze.layers, _stages(network, recipe)
    if layers is not None:
        boundary, name = network.boundary_of_last_layers(layers), f"last {_count(layers, 'layer')}"
    else:
        boundary, name = network.boundary_of_last_stages(stages), f"last {_count(stages, 'stage')}"
    return (*feature_extraction(network, recipe), _phase(name, network, boundary, recipe))


def full(network: Network, recipe: Recipe) -> tuple[Phase, ...]:
    """The head first, then the whole network.

    The head goes first because gradients through a random head harm the pretrained stages (Kumar et al. 2022, "Fine-tuning
    can distort pretrained features"). A network with random weights has nothing to protect and trains whole at once.
    """
    whole = _phase("whole network", network, STEM, recipe)
    return (*feature_extraction(network, recipe), whole) if network.pretrained else (whole,)


def gradual(network: Network, recipe: Recipe) -> tuple[Phase, ...]:
    """The head, then one more stage at a time from the top, the rate reduced at each step (Howard & Ruder 2018).

    Each step has the epochs of `unfrozen`, or fewer where it may stop early. From the second on the warm-up is the joining
    stage's alone: the others go on as they are.
    """
    steps = list(feature_extraction(network, recipe))
    stages = _stages(network, recipe)
    network.boundary_of_last_stages(stages)  # where they are too many, the error names what was asked for
    for count in range(1, stages + 1):
        boundary = network.boundary_of_last_stages(count)
        rate = _given(recipe.unfrozen) * recipe.unfreeze.rate_factor ** (count - 1)
        step = _phase(f"down to {boundary}", network, boundary, recipe, rate)
        steps.append(step if count == 1 else _joined_by(boundary, step))
    if recipe.unfreeze.when == "epochs":
        steps[:-1] = [step.model_copy(update={"stopping": Stopping(patience_epochs=None)}) for step in steps[:-1]]
    return tuple(steps)


def auto(network: Network, recipe: Recipe) -> tuple[Phase, ...]:
    """The steps that a search may take: the head, then ever more stages from the top, and at last the whole network.

    Which of them are taken is decided on the way, see `search.search`. Each goes on from the best weights so far; the whole
    network begins where the head's step ended, because what its upper stages have learnt by heart by then couldn't be undone.
    All have the rate of `unfrozen`: reduced from step to step it is too small to leave where the step before ended (measured in
    docs/decisions/0018-auto.md). A network with random weights has nothing to lose and trains whole at once.
    """
    if not network.pretrained:
        return full(network, recipe)
    below_head = len(network.stages) - 1
    deepest = recipe.unfreeze.stages or below_head
    network.boundary_of_last_stages(deepest)  # where they are too many, the error names what was asked for
    steps = []
    for count in depths(deepest):
        step = _phase(f"last {_count(count, 'stage')}", network, network.boundary_of_last_stages(count), recipe)
        steps.append(step.model_copy(update={"name": "whole network", "start": "first"}) if count == below_head else step)
    return (*feature_extraction(network, recipe), *steps)


def depths(deepest: int) -> list[int]:
    """How many stages the steps of a search unfreeze: twice as many each time, up to the deepest.

    The last step but one is left out where the last adds less than half as many: it would cost nearly as much.
    """
    counts = []
    count = min(DEFAULT_STAGES, deepest)
    while count < deepest:
        counts.append(count)
        count *= 2
    if len(counts) > 1 and deepest - counts[-1] < counts[-1] / 2:
        counts.pop()
    return [*counts, deepest]


STRATEGIES: dict[str, Callable[[Network, Recipe], tuple[Phase, ...]]] = {
    "feature-extraction": feature_extraction,
    "fine-tune-top": fine_tune_top,
    "full": full,
    "gradual": gradual,
    "auto": auto,
}


def _stages(network: Network, recipe: Recipe) -> int:
    return recipe.unfreeze.stages or min(DEFAULT_STAGES, len(network.stages) - 1)


def _count(number: int, noun: str) -> str:
    return noun if number == 1 else f"{number} {noun}s"


def _joined_by(stage: str, phase: Phase) -> Phase:
    """The phase with its warm-up for one stage alone."""
    schedule = phase.schedule
    return phase.model_copy(
        update={
            "joining": (stage,),
            "joining_epochs": schedule.warmup_epochs,
            "schedule": schedule.model_copy(update={"warmup_epochs": 0.0}),
        }
    )


def _phase(name: str, network: Network, boundary: str, recipe: Recipe, rate: float | None = None) -> Phase:
    settings: PhaseSettings = recipe.head_only if boundary == HEAD else recipe.unfrozen
    frozen, trainable = network.split(boundary)
    return Phase(
        name=name,
        boundary=boundary,
        epochs=settings.epochs,
        rate=_given(settings) if rate is None else rate,
        optimizer=_planned(settings.optimizer),
        schedule=settings.schedule,
        stopping=settings.stopping,
        batchnorm=_batchnorm(network, recipe),
        trainable_parameters=sum(layer.parameters for layer in trainable),
        frozen_parameters=sum(layer.parameters for layer in frozen),
        rate_factors=_rate_factors(network, boundary, recipe),
    )


def _rate_factors(network: Network, boundary: str, recipe: Recipe) -> dict[str, float]:
    """Of each stage that trains, the head first: every stage has that of the one above it times the recipe's factor."""
    factor, stages = recipe.unfreeze.stage_rate_factor, network.trainable_stages(boundary)
    if factor == 1 or len(stages) == 1:
        return {}
    return {stage: factor**depth for depth, stage in enumerate(reversed(stages))}


def _given(settings: PhaseSettings) -> float:
    if settings.rate == "auto":
        raise RuntimeError("rates are found before phases are made")
    return settings.rate


def _batchnorm(network: Network, recipe: Recipe) -> Literal["frozen", "update"]:
    asked = recipe.unfreeze.batchnorm
    if asked == "auto":
        return "frozen" if network.pretrained else "update"
    return asked


def _planned(optimizer: Optimizer) -> PlannedOptimizer:
    decay = optimizer.weight_decay
    if decay == "auto":
        decay = DEFAULT_WEIGHT_DECAY if optimizer.name == "adamw" else 0.0
    return PlannedOptimizer(**{**optimizer.model_dump(), "weight_decay": decay})
