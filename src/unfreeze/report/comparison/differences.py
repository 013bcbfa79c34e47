"""What differs between plans, by dotted name."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from unfreeze.recipe.network import Network
from unfreeze.recipe.plan import Phase, Plan
from unfreeze.recipe.read import flatten

ABSENT = "—"
_MOST_LISTED = 12


class Row(NamedTuple):
    """One thing about all runs: its name, and its value in each of them, in words."""

    name: str
    values: tuple[str, ...]


def find_differences(plans: Sequence[Plan]) -> tuple[Row, ...]:
    """Every value in which the plans differ.

    In one line each, because their parts would be hundreds: the network's layers, the pictures per split, the files left out,
    the versions in the environment, and a phase that only some of the plans have.
    """
    common = min(len(plan.phases) for plan in plans)
    columns = [_values(plan, common) for plan in plans]
    names = dict.fromkeys(name for column in columns for name in column)
    rows = [Row(name, tuple(_text(column.get(name, ABSENT)) for column in columns)) for name in names if _differ(name, columns)]
    return (*rows, *_environments(plans))


def _differ(name: str, columns: Sequence[Mapping[str, Any]]) -> bool:
    return any(column.get(name, ABSENT) != columns[0].get(name, ABSENT) for column in columns)


def _values(plan: Plan, common_phases: int) -> dict[str, Any]:
    """The plan by dotted name; phases are numbered from 1."""
    values = plan.model_dump(mode="json", exclude={"phases", "environment", "cache", "memory"})
    values["network"]["stages"] = _layers(plan.network)
    values["data"]["counts"] = ", ".join(f"{sum(counts.values())} {split}" for split, counts in plan.data.counts.items())
    values["data"]["left_out"] = f"{len(plan.data.left_out)} files"
    del values["data"]["decisions"], values["data"]["findings"]  # words about what the other values say
    values["phases"] = {
        str(number): phase.model_dump(mode="json") if number <= common_phases else _phase(phase)
        for number, phase in enumerate(plan.phases, start=1)
    }
    return dict(flatten(values))


def _layers(network: Network) -> str:
    layers = [(stage.name, layer.path, layer.parameters) for stage in network.stages for layer in stage.layers]
    digest = hashlib.blake2b(repr(layers).encode(), digest_size=3).hexdigest()
    return f"{len(network.stages)} stages, {len(layers)} layers, {network.parameters:,} parameters (list {digest})"


def _phase(phase: Phase) -> str:
    return f"{phase.name}: from {phase.boundary}, {phase.epochs} epochs, rate {phase.rate:g}, {phase.optimizer.name}"


def _environments(plans: Sequence[Plan]) -> list[Row]:
    environments = [plan.environment for plan in plans]
    names = [name for name in dict.fromkeys(name for one in environments for name in one) if _differ(name, environments)]
    cells = [", ".join(f"{name} {one[name]}" for name in names if name in one) or ABSENT for one in environments]
    return [Row("environment", tuple(cells))] if names else []


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_text(inner)}" for name, inner in value.items())
    if isinstance(value, list):
        words = [_text(inner) for inner in value]
        return ", ".join(words if len(words) <= _MOST_LISTED else [*words[:_MOST_LISTED], f"… {len(words)} in all"]) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "none"
    return f"{value:g}" if isinstance(value, float) else str(value)
