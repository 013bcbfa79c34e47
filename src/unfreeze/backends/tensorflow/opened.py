"""A network without its classifier, and what is known of it: what `carried` and `applications` give to `networks`."""

from __future__ import annotations

from dataclasses import dataclass

import keras

from unfreeze.recipe.network import InputContract, Stage


@dataclass(frozen=True)
class Opened:
    """A base in Keras.

    Attributes:
        base: a functional model from normalised float32 [B, S, S, 3], in the contract's channel order, to pooled features
            [B, F]; S is fixed.
        architecture: the name that opens it again: timm's, or that of `keras.applications`.
        contract: at the side S the base was made for.
        minimum_side_px: the smallest side the network can take.
        stages: `stem`, `stage1` … `stageN`, without the head. A Keras layer belongs to the layer path that equals its name,
            or else to the one it is below: `stages.0.blocks.0.gamma` to `stages.0.blocks.0`.
        weights: where they came from, in words.
        pretrained: False where they are random.
    """

    base: keras.Model
    architecture: str
    contract: InputContract
    minimum_side_px: int
    stages: tuple[Stage, ...]
    weights: str
    pretrained: bool
