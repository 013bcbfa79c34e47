"""Why a plan is as it is, in words."""

from __future__ import annotations

from unfreeze.recipe.network import HEAD
from unfreeze.recipe.plan import Phase, Plan
from unfreeze.recipe.recipe import StrategyName

_STRATEGIES: dict[StrategyName, str] = {
    "feature-extraction": "the base stays as pretrained and only the head learns: what little data can carry, and quickest",
    "fine-tune-top": "the last stages are the least general: they are fitted to these pictures once the head has learned",
    "full": "all stages are fitted to these pictures: for many pictures, or such as are far from those of the pretraining",
    "gradual": "one more stage at a time from the top, each at a lower rate, so that what is general is disturbed last"
    " (Howard & Ruder 2018)",
    "auto": "how much to unfreeze was measured, step by step, on the validation pictures; the evidence stands by the plan",
}
_NOTHING_TO_KEEP = "its weights are random, so that there is nothing to measure and nothing to keep: the whole network trains"


def reasons(plan: Plan) -> list[str]:
    """Why this strategy, these phases, this BatchNorm and these weights; one sentence each."""
    unsearched = plan.strategy == "auto" and not plan.is_search
    found = [f"{plan.strategy}: {_NOTHING_TO_KEEP if unsearched else _STRATEGIES[plan.strategy]}"]
    first = plan.phases[0]
    if len(plan.phases) > 1 and first.boundary == HEAD:
        found.append(
            "the head goes first: gradients through one that knows nothing harm the pretrained stages (Kumar et al. 2022)"
        )
        if plan.phases[1].rate < first.rate:
            found.append(f"then at {plan.phases[1].rate:g} instead of {first.rate:g}: what is pretrained is changed with care")
    if any(phase.boundary != HEAD for phase in plan.phases):
        found.append(_batchnorm(plan.phases[-1]))
    if plan.phases[0].frozen_parameters:
        found.append("what is frozen infers as after the training, its BatchNorm statistics and dropout included")
    if plan.class_weights or plan.logit_offsets or plan.oversample:
        found.append("rare classes are made up for, so that they count as much as others")
    if plan.calibrate:
        found.append(
            "a temperature is fitted on validation afterwards, so that a probability of 90 % is right nine times in ten"
        )
    return found


def _batchnorm(phase: Phase) -> str:
    if phase.batchnorm == "frozen":
        return "BatchNorm statistics stay as pretrained, because those of small batches are worse; scale and shift train"
    return "BatchNorm statistics follow the batches"
