"""What is known of a network without its classifier, free of any framework."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from unfreeze.recipe.network import InputContract, Stage


class Description(BaseModel):
    """What goes with a graph, or a carried-over model, to make it usable.

    Attributes:
        architecture: timm's name of it.
        contract: at the side the graph was made for.
        minimum_side_px: the smallest side the network can take.
        stages: `stem`, `stage1` … `stageN`, without the head.
        weights: where they came from, in words.
        pretrained: False where they are random.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    architecture: str
    contract: InputContract
    minimum_side_px: int
    stages: tuple[Stage, ...]
    weights: str
    pretrained: bool
