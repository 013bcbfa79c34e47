"""Pictures a second through a whole frozen network: as the framework runs it, folded, and in the inference engine.

    python benchmarks/prefix.py torch efficientnet_lite0
    python benchmarks/prefix.py tensorflow efficientnet_lite0

Batches of 32 at 224 px. The ways take turns, so that what else the machine does falls on all of them; medians of 7 turns.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from unfreeze.recipe.network import InputContract
from unfreeze.recipe.read import read_recipe
from unfreeze.training.allocator import keep_freed_memory

SIDE_PX, BATCH, BATCHES, TURNS = 224, 32, 2, 7
PRECISIONS = ("float32", "bfloat16")
Way = Callable[[Any], object]


def torch_ways(name: str) -> tuple[dict[str, Way], Callable[..., Way]]:
    """What to compare with, and how to make a prefix of a precision."""
    import torch

    from unfreeze.backends.torch.freezing import split
    from unfreeze.backends.torch.networks import open_base
    from unfreeze.backends.torch.prefix import Prefix, normalised, to_tensor
    from unfreeze.backends.torch.tracing import trace

    opened = open_base(name, "pretrained-or-random")
    base, contract = opened.base.eval().to(memory_format=torch.channels_last), opened.contract.with_side(SIDE_PX)
    graph = trace(base, SIDE_PX)
    assert graph is not None

    def plain(precision: str) -> Way:
        def run(values: Any) -> object:
            with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
                return base(normalised(to_tensor(values[0]), contract))

        return run

    part = split(graph, []).prefix
    ways = {f"PyTorch, as it is, {precision}": plain(precision) for precision in PRECISIONS}
    return ways, lambda precision: Prefix(part, contract, precision, torch.device("cpu"))


def tensorflow_ways(name: str) -> tuple[dict[str, Way], Callable[..., Way]]:
    """What to compare with, and how to make a prefix of a precision."""
    from unfreeze.backends.tensorflow.freezing import split
    from unfreeze.backends.tensorflow.networks import make_model
    from unfreeze.backends.tensorflow.prefix import Prefix

    asked = {"model": name, "weights": "pretrained-or-random", "input.side_px": SIDE_PX, "framework": "tensorflow"}
    model, network = make_model(read_recipe(None, asked), 2)
    part = split(model, network.split("head")[1], network).prefix
    contract: InputContract = network.contract
    return {}, lambda precision: Prefix(part, contract, precision, "/CPU:0")


def main(framework: str, name: str) -> None:
    """Measures and prints."""
    keep_freed_memory()
    ways, make = torch_ways(name) if framework == "torch" else tensorflow_ways(name)
    seconds = {}
    for switch in ("off", "on"):
        os.environ["UNFREEZE_ENGINE"] = switch
        for precision in PRECISIONS:
            start = time.perf_counter()
            prefix: Any = make(precision)
            way = f"{prefix.engine}, {precision}"
            ways[way], seconds[way] = prefix, time.perf_counter() - start
    pictures = np.random.default_rng(0).integers(0, 256, (BATCH, SIDE_PX, SIDE_PX, 3), dtype=np.uint8)
    rates: dict[str, list[float]] = {way: [] for way in ways}
    for turn in range(TURNS + 1):
        for way, run in ways.items():
            start = time.perf_counter()
            for _ in range(BATCHES):
                run((pictures,))
            if turn:  # the first warms up
                rates[way].append(BATCH * BATCHES / (time.perf_counter() - start))
    for way, measured in rates.items():
        print(f"{name}: {way:40} {statistics.median(measured):7.1f} pictures/s, made in {seconds.get(way, 0):.2f} s")


if __name__ == "__main__":
    main(*sys.argv[1:])
