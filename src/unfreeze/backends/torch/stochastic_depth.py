"""Stochastic depth: blocks that are left out, around their shortcut, for some pictures of a step (Huang et al. 2016)."""

from __future__ import annotations

from typing import Any

from timm.layers import DropPath
from torch import nn

from unfreeze.errors import RecipeError

_KEY = "drop_path_rate"
_HAVE_IT = "resnet50, efficientnet_b0, mobilenetv3_large_100, convnext_tiny and regnety_032"


def options(rate: float) -> dict[str, Any]:
    """What timm's constructors take for it: the rate of the last block, falling linearly to none at the first."""
    return {_KEY: rate} if rate else {}


def is_about(error: TypeError) -> bool:
    """Whether a constructor complains that it doesn't take what `options` gave."""
    return _KEY in str(error)


def rates(base: nn.Module) -> dict[str, float]:
    """Path of a `DropPath` -> the part of the pictures for which it gives zero in training.

    Those at which nothing is left out are absent: with a rate of 0, or in a block without a shortcut, which doesn't call it.
    """
    drops = {path: module for path, module in base.named_modules() if isinstance(module, DropPath)}
    return {
        path: float(drop.drop_prob)
        for path, drop in drops.items()
        if drop.drop_prob and getattr(base.get_submodule(path.rpartition(".")[0]), "has_skip", True)
    }


def settle(base: nn.Module, rate: float, name: str) -> None:
    """Sees to it that the network has stochastic depth where it is asked for, and none where it isn't.

    Some of timm's networks have it by default, at the rate they were pretrained with.

    Raises:
        RecipeError: it is asked for, and the network has none.
    """
    if rate and not rates(base):
        raise refusal(rate, name)
    if not rate:
        for module in base.modules():
            if isinstance(module, DropPath):
                module.drop_prob = 0.0


def refusal(rate: float, name: str) -> RecipeError:
    """The error for a network without stochastic depth."""
    return RecipeError(
        f"stochastic_depth: {rate:g} leaves residual blocks out, and {name} has none that can be left out (timm's {_KEY})."
        f" Give stochastic_depth: 0, or a network that has it: {_HAVE_IT}, for example"
    )
