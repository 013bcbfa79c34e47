"""How a phase trains, in words: for the terminal and the report."""

from __future__ import annotations

from unfreeze.recipe.plan import Phase, Plan
from unfreeze.recipe.recipe import Schedule


def rate_in_words(phase: Phase) -> str:
    """The phase's rate; where that of other stages is lower, also the lowest."""
    lowest = phase.rate * min(phase.rate_factors.values(), default=1.0)
    return f"{phase.rate:g}" if lowest == phase.rate else f"{phase.rate:g} to {lowest:.3g}"


def schedule_in_words(phase: Phase) -> str:
    """How the rate changes, for all stages and for those that join."""
    schedule = phase.schedule
    parts = [_shape(schedule)]
    parts += [f"warm-up {schedule.warmup_epochs:g}"] if schedule.warmup_epochs else []
    parts += [f"{' and '.join(phase.joining)} rising over {phase.joining_epochs:g}"] if phase.joining_epochs else []
    return ", ".join(parts)


def optimizer_in_words(phase: Phase) -> str:
    """The optimiser with what is on of it."""
    optimizer = phase.optimizer
    parts: list[str] = [optimizer.name]
    parts += [f"momentum {optimizer.momentum:g}"] if optimizer.name == "sgd" else []
    parts += [f"decay {optimizer.weight_decay:g}"] if optimizer.weight_decay else []
    parts += [f"L2 {optimizer.l2:g}"] if optimizer.l2 else []
    parts += [f"L2-SP {optimizer.l2_sp:g}"] if optimizer.l2_sp else []
    parts += [f"clip {optimizer.clip_norm:g}"] if optimizer.clip_norm else []
    return ", ".join(parts)


def batch_in_words(plan: Plan) -> str:
    """The pictures of a batch and of a step, and the steps of an epoch."""
    a_step = f" × {plan.accumulate} a step" if plan.accumulate > 1 else ""
    return f"{plan.batch_size} pictures{a_step}, {plan.steps_per_epoch} steps an epoch"


def extras_in_words(plan: Plan) -> dict[str, str]:
    """What is on of stochastic depth and the running mean of the weights, by name."""
    extras = {}
    if plan.stochastic_depth:
        extras["depth"] = f"stochastic: the last block is left out for {plan.stochastic_depth:.0%} of pictures, the first never"
    if plan.ema is not None:
        extras["weights"] = f"their running mean, decay {plan.ema:g}, is scored and kept"
    return extras


def _shape(schedule: Schedule) -> str:
    factor, restart, growth = f"× {schedule.factor:g}", schedule.restart_epochs, schedule.restart_growth
    to_floor = f" to {schedule.floor:g}" if schedule.floor else ""
    words = {
        "constant": "constant",
        "step": f"{factor} every {schedule.step_epochs}",
        "multi-step": f"{factor} at {', '.join(map(str, schedule.milestones))}",
        "exponential": f"{factor} an epoch",
        "cosine": f"cosine{to_floor}",
        "cosine-restarts": f"cosine{to_floor}, again after {restart}"
        + (f", then × {growth} as long each" if growth > 1 else " each"),
        "one-cycle": f"one-cycle, top at {schedule.rise:.0%}",
        "plateau": f"{factor} after {schedule.patience_epochs} flat",
    }
    return words[schedule.name]
