"""What a plan does about unequal classes, in words and in numbers by class."""

from __future__ import annotations

from unfreeze.recipe.plan import Plan


def loss_in_words(plan: Plan) -> str:
    """What is minimised."""
    kind = f"focal loss, γ {plan.focal_gamma:g}" if plan.focal_gamma else "cross-entropy"
    return f"{'logit-adjusted ' if plan.logit_offsets is not None else ''}{kind}, label smoothing {plan.label_smoothing:g}"


def imbalance_in_words(plan: Plan) -> str:
    """What is done about unequal classes, with the numbers of the rarest and of the most frequent class."""
    if plan.class_weights is not None:
        return f"class weights in the loss, {_ends(plan, plan.class_weights)}"
    if plan.logit_offsets is not None:
        return f"added to logits in training, not in predictions: {_ends(plan, plan.logit_offsets)}"
    if plan.oversample:
        repeated = plan.pictures_per_epoch - sum(plan.data.counts["train"].values())
        words = f"oversampled to {plan.pictures_per_epoch} pictures an epoch, {repeated} of them repeats"
        return words if plan.repeats is None else f"{words}; times a picture is shown: {_ends(plan, plan.repeats)}"
    return "nothing done"


def by_class(plan: Plan) -> dict[str, dict[str, float]]:
    """What is done -> class -> its number; only what is done."""
    done = {
        "weight in the loss": plan.class_weights,
        "added to the logit": plan.logit_offsets,
        "times an epoch": plan.repeats,
    }
    return {name: numbers for name, numbers in done.items() if numbers is not None}


def _ends(plan: Plan, numbers: dict[str, float]) -> str:
    pictures = plan.data.counts["train"]
    ends = max(pictures, key=pictures.__getitem__), min(pictures, key=pictures.__getitem__)
    return " to ".join(f"{numbers[name]:.3g} ({name}, {pictures[name]} pictures)" for name in ends)
