"""A network of timm as plain data, for another framework: its operations, its tensors, and what is known of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

from unfreeze.backends.torch import networks
from unfreeze.backends.torch.stages import stages_of
from unfreeze.backends.torch.translation import translate
from unfreeze.errors import RecipeError
from unfreeze.exchange import graph
from unfreeze.exchange.description import Description
from unfreeze.files import write_bytes
from unfreeze.recipe.recipe import Recipe

GRAPH, WEIGHTS, PROBE = "graph.json", "weights.safetensors", "probe.safetensors"


def write_graph(recipe: dict[str, Any], folder: str) -> dict[str, Any]:
    """Writes the base of a recipe, without its classifier, at the recipe's input size, and gives its `Description`.

    The weights are those that training the same recipe in PyTorch starts from. `graph.json` holds the operations in inference
    and the places of stochastic depth (`exchange.graph`), `weights.safetensors` the state dict but for `num_batches_tracked`,
    `probe.safetensors` two smooth random pictures and what the base makes of them: `images` float32 [2, S, S, 3] and
    `features` float32 [2, F].

    Raises:
        ModelError: as `networks.open_planned`, or an operation has no translation.
        RecipeError: the input is too small for the network, or stochastic depth isn't in it.
        StorageError: the folder can't be written to.
    """
    asked = Recipe.model_validate(recipe)
    opened = networks.open_planned(asked)
    side_px = opened.contract.side_px if asked.input.side_px == "auto" else asked.input.side_px
    smallest = networks.minimum_side_px(opened.base)
    if side_px < smallest:
        raise RecipeError(
            f"input.side_px: {side_px} is too small for {asked.model}: give at least {smallest}"
            f" (its checkpoint was made for {opened.contract.side_px})"
        )
    made = translate(opened.base, side_px, asked.model)
    tensors = {name: tensor.contiguous() for name, tensor in opened.base.state_dict().items() if name in set(made.weights)}
    write_bytes(Path(folder, WEIGHTS), safetensors.torch.save(tensors))
    write_bytes(Path(folder, PROBE), safetensors.torch.save(_probe(opened.base, side_px)))
    graph.write(made, Path(folder, GRAPH))
    return Description(
        architecture=opened.architecture,
        contract=opened.contract.with_side(side_px),
        minimum_side_px=smallest,
        stages=stages_of(opened.base),
        weights=opened.weights,
        pretrained=opened.pretrained,
    ).model_dump(mode="json")


def _probe(base: nn.Module, side_px: int) -> dict[str, Tensor]:
    # Smooth, as photographs are: white noise is so far from them that float32 itself can be 5 % off there.
    noise = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    images = nn.functional.interpolate(noise, size=(side_px, side_px), mode="bicubic")
    with torch.inference_mode():
        features = base.eval()(images)
    return {"images": images.permute(0, 2, 3, 1).contiguous(), "features": features.contiguous()}
