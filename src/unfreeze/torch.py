"""The parts by themselves, for a PyTorch model and a training loop of your own.

from unfreeze.torch import assert_frozen, freeze, replace_head

model = replace_head(torchvision.models.resnet50(weights="DEFAULT"), classes=10)
freeze(model, before="layer4")
with assert_frozen(model, before="layer4"):
    train(model)

stages                     a model's stages in forward order
freeze                     no gradients before a boundary, and inference mode whatever `model.train()` says
replace_head               another head, for other classes
GradualUnfreezing          one stage more from the top, whenever it is time
GradualUnfreezingCallback  the same for Lightning
class_weights              for the loss, from unequal classes
assert_frozen              whether anything frozen moved
check_inputs               whether a loader's pictures reach the network as in its pretraining

Importing this module loads no framework; the first use of a name does. They work on models that `unfreeze` didn't make.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from unfreeze.api.frameworks import load_backend
from unfreeze.inspection.finding import DataFinding

if TYPE_CHECKING:
    from unfreeze.backends.torch.pieces.checking import assert_frozen
    from unfreeze.backends.torch.pieces.freezing import freeze
    from unfreeze.backends.torch.pieces.gradual import GradualUnfreezing
    from unfreeze.backends.torch.pieces.head import replace_head
    from unfreeze.backends.torch.pieces.lightning import GradualUnfreezingCallback  # noqa: F401
    from unfreeze.backends.torch.pieces.stages import stages
    from unfreeze.backends.torch.pieces.weights import class_weights

# `from unfreeze.torch import *` leaves Lightning's callback out, which needs Lightning.
__all__ = ["GradualUnfreezing", "assert_frozen", "check_inputs", "class_weights", "freeze", "replace_head", "stages"]
_HOME = {
    "GradualUnfreezing": "gradual",
    "GradualUnfreezingCallback": "lightning",
    "assert_frozen": "checking",
    "class_weights": "weights",
    "freeze": "freezing",
    "replace_head": "head",
    "stages": "stages",
}


def check_inputs(model: Any, batches: Iterable[Any], *, pictures: int = 32) -> DataFinding:
    """Whether a loader's pictures reach a pretrained network as they did in its pretraining; if not, the likely mistake.

    The model infers, on no more pictures at once than a batch holds, and is afterwards as it was. What was done to the
    pictures is read off the range of their values: there should be black and white in them, and no augmentation that goes
    beyond.

    Args:
        model: a pretrained `torch.nn.Module` that takes the pictures alone; best before it is fine-tuned.
        batches: what the loader gives: tensors or arrays [B, 3, H, W] of any scale; tuples or lists that begin with one, such
            as (images, labels); dictionaries that hold one. As many are taken as hold `pictures`.
        pictures: how many to look at, at most, 1 or more; of fewer than 8 the order of red and blue isn't told.

    Returns:
        A finding: its `code` is `inputs-fit`, `inputs-mismatch` or `inputs-unknown`, `details["mistake"]` the mistake by name.

    Raises:
        DataError: there is no batch, it isn't of finite pictures in three colours, or the loader fails.
        ModelError: it isn't such a model, it is a TorchScript, or it fails on the pictures.
        FrameworkError: torch isn't installed.
    """
    load_backend("torch")
    from unfreeze.backends.torch import inputs

    return inputs.check_inputs(model, batches, pictures)


def __getattr__(name: str) -> Any:
    # Late, because what is there needs the framework; a callback, to be one, must even be made of its classes.
    if name not in _HOME:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    package = load_backend("torch").__name__
    return getattr(importlib.import_module(f"{package}.pieces.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
