"""Draws schedules.png beside this file: every schedule over ten epochs, with a warm-up of one. Needs what `unfreeze` needs."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from unfreeze.recipe.recipe import Schedule
from unfreeze.training.schedules import rate_at

EPOCHS, STEPS = 10, 50
SCHEDULES = {
    "constant": {},
    "step": {"step_epochs": 3, "factor": 0.5},
    "multi-step": {"milestones": (2, 7), "factor": 0.5},
    "exponential": {"factor": 0.7},
    "cosine": {},
    "cosine-restarts": {"restart_epochs": 3, "restart_growth": 2},
    "one-cycle": {"warmup_epochs": 0.0},
    "plateau": {},
}


def draw(path: Path) -> None:
    figure = Figure(figsize=(10, 4), dpi=80, layout="constrained")
    places = [step / STEPS for step in range(EPOCHS * STEPS)]
    for axes, (name, values) in zip(figure.subplots(2, 4, sharex=True, sharey=True).flat, SCHEDULES.items(), strict=True):
        schedule = Schedule.model_validate({"name": name, "warmup_epochs": 1.0, **values})
        axes.plot(places, [rate_at(schedule, 1.0, EPOCHS, place, STEPS) for place in places], color="#0072B2")
        axes.set_title("plateau (while it improves)" if name == "plateau" else name, fontsize=10)
        axes.grid(alpha=0.25)
    figure.supxlabel("epoch", fontsize=10)
    figure.supylabel("part of the rate", fontsize=10)
    figure.savefig(path, metadata={"Software": None})


if __name__ == "__main__":
    draw(Path(__file__).with_name("schedules.png"))
