"""A plan as a picture: the rate at every place, and below it which stages train when."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from unfreeze.recipe.plan import Phase, Plan
from unfreeze.report.curves import BORDER_COLOUR, TRAIN_COLOUR
from unfreeze.report.labels import drawable
from unfreeze.report.plot import check_plot, write_plot
from unfreeze.training.schedules import stage_rates

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FROZEN_COLOUR = "#e6e6e6"
# More places of a phase than this are not told apart in the picture.
_MOST_PLACES = 1000
# Rates that differ by more than this have a logarithmic axis, down to the second number of the lowest; less than the third
# of the highest is as good as nothing.
_LARGE_SPAN, _SHOWN_BELOW, _LEAST_PART = 20, 0.02, 1e-6
# Schedules whose lowest rate is one to train with, and not one to pass by.
_STAYS_LOW = ("step", "multi-step", "exponential")
# Inches: of the axes, and of a letter of the phases' names.
_WIDTH, _LETTER = 9.0, 0.075

Lines = dict[str, NDArray[np.float64]]


def draw_plan(plan: Plan, path: str | Path) -> None:
    """Draws the rate of every stage over all epochs of a plan, and which stages train when. Twin of `unfreeze plan --plot`.

    Args:
        path: a `.png` or `.svg` file; what was there is replaced.

    Raises:
        RecipeError: another ending.
        StorageError: it can't be written.
    """
    from matplotlib.figure import Figure  # late: it takes long to import

    path = Path(path)
    check_plot(path)
    stages = plan.network.stage_names
    height = 3.4 + 0.26 * len(stages)
    figure = Figure(figsize=(10, height), dpi=110, layout="constrained")
    rate, boundary = figure.subplots(2, 1, sharex=True, height_ratios=(2.6, 0.26 * len(stages)))
    colours = _colours(plan, stages)
    _draw_rates(rate, plan, colours)
    _draw_stages(boundary, plan, colours)
    _mark_phases(rate, boundary, plan)
    rate.set_title(drawable([f"{plan.network.name}, {plan.strategy}"])[0], pad=22)
    figure.supxlabel("\n".join(_notes(plan)), fontsize=8, color="#444444")
    write_plot(figure, path)


def rates_of(phase: Phase, stages: Sequence[str], steps_per_epoch: int) -> tuple[NDArray[np.float64], Lines]:
    """Places in a phase, float64 [P] in epochs, each of them a step's, and the rate of each stage there, float64 [P]."""
    steps = phase.epochs * steps_per_epoch
    places = np.unique(np.linspace(0, steps - 1, min(steps, _MOST_PLACES)).round()) / steps_per_epoch
    rates = [stage_rates(phase, stages, float(place), 1.0, steps_per_epoch) for place in places]
    return places, {stage: np.array([one[stage] for one in rates]) for stage in stages}


def _colours(plan: Plan, stages: Sequence[str]) -> dict[str, str]:
    """One for each stage where their rates differ in some phase, else the same for all."""
    if not any(phase.rate_factors or phase.joining_epochs for phase in plan.phases):
        return dict.fromkeys(stages, TRAIN_COLOUR)
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    return {stage: to_hex(colormaps["viridis"](0.92 * (1 - depth))) for stage, depth in _depths(stages).items()}


def _depths(stages: Sequence[str]) -> dict[str, float]:
    """From 0 at the head to 1 at the stem."""
    return {stage: depth / max(len(stages) - 1, 1) for depth, stage in enumerate(reversed(stages))}


def _draw_rates(axes: Axes, plan: Plan, colours: dict[str, str]) -> None:
    start, important = 0, []
    differ = len(set(colours.values())) > 1
    depths = _depths(plan.network.stage_names)
    for phase in plan.phases:
        stages = plan.network.trainable_stages(phase.boundary)
        places, lines = rates_of(phase, stages, plan.steps_per_epoch)
        # From the head down, each thinner than the one before, so that none hides another of the same rate.
        for stage in reversed(stages if differ else stages[-1:]):
            width = 4.5 - 3.2 * depths[stage] if differ else 1.8
            axes.plot(start + places, lines[stage], color=colours[stage], linewidth=width, solid_capstyle="butt")
        settled = [line[places >= max(phase.schedule.warmup_epochs, phase.joining_epochs)] for line in lines.values()]
        important += [float(line.max()) for line in lines.values()]
        if phase.schedule.name in _STAYS_LOW:
            important += [float(line.min()) for line in settled if len(line)]
        start += phase.epochs
    lowest = max(min(important), _LEAST_PART * max(important))
    if max(important) > _LARGE_SPAN * lowest:
        axes.set_yscale("log")
        axes.set_ylim(bottom=_SHOWN_BELOW * lowest)
    else:
        axes.set_ylim(bottom=0)
        # Each tick has its number in full: a common power of ten would stand where the first phase has its name.
        axes.yaxis.set_major_formatter(lambda rate, _: f"{rate:.6g}")
    axes.set_ylabel("learning rate")
    axes.grid(alpha=0.25)


def _draw_stages(axes: Axes, plan: Plan, colours: dict[str, str]) -> None:
    from matplotlib.ticker import MaxNLocator

    stages = list(plan.network.stage_names)
    start = 0
    for phase in plan.phases:
        trainable = plan.network.trainable_stages(phase.boundary)
        for row, stage in enumerate(stages):
            colour = colours[stage] if stage in trainable else FROZEN_COLOUR
            in_part = phase.boundary not in stages and stage == trainable[0]
            axes.barh(row, phase.epochs, left=start, height=0.8, color=colour, alpha=0.45 if in_part else 1.0, linewidth=0)
            if in_part:
                axes.text(start + phase.epochs / 2, row, "in part", ha="center", va="center", fontsize=7)
        start += phase.epochs
    axes.set_yticks(range(len(stages)), stages, fontsize=8)
    axes.set_ylabel("trains\n(grey: frozen)")
    axes.set_xlabel("epoch")
    axes.set_xlim(0, plan.epochs)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _mark_phases(rate: Axes, boundary: Axes, plan: Plan) -> None:
    start = 0
    for number, phase in enumerate(plan.phases, start=1):
        if start:
            for axes in (rate, boundary):
                axes.axvline(start, color=BORDER_COLOUR, linestyle="--", linewidth=1)
        name = f"{number}. {phase.name}"
        room = _WIDTH * phase.epochs / plan.epochs
        rate.text(
            start + phase.epochs / 2, 1.01, name if _LETTER * len(name) < room else str(number),
            transform=rate.get_xaxis_transform(), ha="center", va="bottom", fontsize=8, color="#444444",
        )  # fmt: skip
        start += phase.epochs


def _notes(plan: Plan) -> list[str]:
    """What the picture can't show, because it depends on how validation goes."""
    notes = []
    early = [number for number, phase in enumerate(plan.phases, start=1) if phase.stopping.patience_epochs is not None]
    if early:
        notes.append(f"Drawn to the last epoch; early stopping may end phase {_listed(early)} before it.")
    if plan.strategy == "auto":
        notes.append("Which of the steps are taken, validation decides on the way.")
    plateau = [number for number, phase in enumerate(plan.phases, start=1) if phase.schedule.name == "plateau"]
    if plateau:
        notes.append(f"plateau, in phase {_listed(plateau)}: constant until validation stalls, then reduced each time it does.")
    return notes


def _listed(numbers: Sequence[int]) -> str:
    *first, last = map(str, numbers)
    return f"{', '.join(first)} or {last}" if first else last
