"""How much memory a training on the CPU will take at its peak, estimated before it starts, and how much there is.

What the process holds when the network is open is measured; the rest is counted:

    gradients, the optimiser's memory, running means       of what trains
    copies of all weights                                  the best so far, a checkpoint that is being written
    pictures in the loader and on their way                uint8
    a step: activations that wait for the backward pass    pictures × bytes of the part that trains
    or the frozen part's largest layers                    pictures × bytes of its largest tensors
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from unfreeze.recipe.plan import Phase, Plan

# Copies of the weights: the best, as they were opened, and a checkpoint in memory and as bytes.
_COPIES = 4
# Batches of pictures that are decoded ahead, joined, and being computed.
_BATCHES_AHEAD = 4
_BYTES_PER_GB = 10**9


@dataclass(frozen=True)
class Footprint:
    """What a network takes with one boundary, in bytes.

    Attributes:
        weights: all tensors.
        trained: those that train.
        picture: what a training step holds of one picture.
        frozen_picture: what the frozen part holds of one picture.
        running: what the framework takes for itself as soon as it computes: threads, compiled operations, buffers.
    """

    weights: int
    trained: int
    picture: int
    frozen_picture: int
    running: int = 0


def expected_peak(plan: Plan, footprints: Mapping[str, Footprint], held: int, parts: int = 1) -> int:
    """The bytes that the process will hold at its peak, over all phases.

    Args:
        footprints: of each phase's boundary.
        held: what it holds now, with the network open.
        parts: in how many parts a batch is computed.
    """
    return held + max(_more_in(phase, plan, footprints[phase.boundary], parts) for phase in plan.phases)


def remarks_on_memory(plan: Plan, footprints: Mapping[str, Footprint], held: int) -> tuple[str, ...]:
    """What to say before a training that needs more memory than there is; nothing where there is enough."""
    peak, there = expected_peak(plan, footprints, held), held + available_now()
    if peak <= there:
        return ()
    parts = 2
    while parts < plan.batch_size // 2 and expected_peak(plan, footprints, held, parts) > there:
        parts *= 2
    size = max(2, plan.batch_size // parts)
    advice = f"input.batch_size {size} with input.accumulate {plan.accumulate * parts} takes the same steps in less"
    said = (
        f"it will need about {peak / _BYTES_PER_GB:.1f} GB of memory, and there are {there / _BYTES_PER_GB:.1f} GB: {advice}."
        " As it is, batches are computed in parts as soon as memory runs out, unless the system ends the process first"
    )
    return (said,)


def _more_in(phase: Phase, plan: Plan, footprint: Footprint, parts: int) -> int:
    for_each_weight = 1 + _slots(phase) + (plan.ema is not None) + (plan.accumulate * parts > 1)
    pictures = -(-plan.batch_size // parts)
    step = max(footprint.picture, footprint.frozen_picture) * pictures
    loaded = _BATCHES_AHEAD * plan.batch_size * 3 * plan.network.contract.side_px**2
    return footprint.running + _COPIES * footprint.weights + for_each_weight * footprint.trained + step + loaded


def _slots(phase: Phase) -> int:
    """How many numbers an optimiser keeps for each weight."""
    if phase.optimizer.name == "sgd":
        return int(phase.optimizer.momentum > 0)
    return 2


def held_now() -> int:
    """The bytes of memory that this process holds."""
    return int(psutil.Process().memory_info().rss)


def available_now() -> int:
    """The bytes of memory that this process can take more: by machine, container and its own limit, the least of them."""
    return max(0, min([int(psutil.virtual_memory().available), *_left_of_container(), *_left_of_process()]))


def _left_of_process() -> list[int]:
    """What its limit on address space (`ulimit -v`) leaves; nothing where there is none."""
    try:
        import resource
    except ImportError:  # Windows
        return []
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    return [] if limit == resource.RLIM_INFINITY else [limit - int(psutil.Process().memory_info().vms)]


def _left_of_container(root: Path = Path("/sys/fs/cgroup")) -> list[int]:
    """What the limits of its control groups leave, version 2 or 1; nothing where there are none."""
    left = []
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers in ("", "memory"):
                top = root / controllers
                own = top / path.strip("/")
                left += [
                    bytes_left
                    for folder in (own, *own.parents)
                    if folder.is_relative_to(top)
                    for bytes_left in _left_in(folder)
                ]
    return left


def _left_in(group: Path) -> list[int]:
    for limit, used, given_back in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        with contextlib.suppress(OSError, ValueError):  # another version, or no limit
            most, now = int((group / limit).read_text()), int((group / used).read_text())
            facts = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
            return [most - now + int(facts.get(given_back, 0))]
    return []
