"""Another head on a model of one's own."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn

from unfreeze.backends.torch.head import NewHead
from unfreeze.backends.torch.pieces.order import Call, bare, calls_of, holds_weights
from unfreeze.backends.torch.pieces.stages import stages
from unfreeze.errors import ModelError
from unfreeze.recipe.network import HEAD
from unfreeze.training.asked_head import asked_head

Model = TypeVar("Model", bound=nn.Module)


class PoolFlattened(nn.Module):
    """Global average pooling of maps that were flattened: from [B, C·H·W] to [B, C], of any H and W."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels

    def forward(self, values: Tensor) -> Tensor:
        return values.reshape(len(values), self.channels, -1).mean(-1)


def replace_head(
    model: Model, classes: int, *, dropout: float = 0.3, hidden: Sequence[int] = (), sample: Tensor | None = None
) -> Model:
    """Puts a new head for K classes in the place of a model's own; everything else keeps its weights and its names.

    The new head takes the globally average-pooled features: [dense, ReLU, dropout] per hidden layer, dropout, dense to K. Its
    weights start Glorot-uniform with zero biases, drawn by `torch.manual_seed`'s generator. A model that flattened its last
    maps pools them now, so that the size of the pictures no longer matters to the head.

    The new layers take the places of the old ones: the whole container where the head has one (torchvision's `classifier`),
    else the last of its layers, while those before it give way. What the model's own `forward` does between them, such as an
    activation, stays. Auxiliary classifiers stay as well.

    Call it before `freeze` and before making the optimiser, which doesn't know the new parameters.

    Args:
        model: any `torch.nn.Module` with a stage `head`, see `stages`; it is changed.
        classes: K, 2 or more.
        dropout: the part of the values dropped in training, in [0, 1).
        hidden: the units of each hidden dense layer; none by default.
        sample: a batch that the model takes, see `stages`.

    Returns:
        The model. It gives logits [B, K], unless its own code adds something behind the head, such as a softmax.

    Raises:
        ModelError: the model has no head that could be told, see `stages`.
        RecipeError: an argument out of range.
    """
    settings = asked_head(classes, dropout, hidden)
    own = bare(model)
    parts, calls = stages(own, sample), calls_of(own, sample)
    if parts[-1].name != HEAD:
        raise ModelError(
            f"model: {type(own).__name__} ends with its features, there is no head to replace: make it with a classifier, or"
            " add one, such as model.fc = torch.nn.Linear(features, classes)"
        )
    layers = [layer.path for layer in parts[-1].layers]
    if any(path not in calls for path in layers):
        layers = [path for path in layers if path in calls]
    places = _places(own, layers)
    pool, features = _pooling(places[0], calls)
    like = next(own.get_submodule(layers[-1]).parameters())
    # From PyTorch's generator, so that torch.manual_seed decides.
    new = NewHead(features, classes, settings, seed=int(torch.randint(2**31, ())))
    behind: list[nn.Module] = [nn.Unflatten(1, (classes, 1, 1))] if len(calls[places[-1]].output or ()) == 4 else []
    first, *_, last = places if len(places) > 1 else (None, places[0])
    for path in _between(own, first, last, calls) if first is not None else ():
        own.set_submodule(path, nn.Identity())
    if first is not None:
        own.set_submodule(first, nn.Sequential(*pool) if pool else nn.Identity())
        pool = []
    new_last = _joined(pool, new, behind).to(like.device, like.dtype)
    own.set_submodule(last, new_last.train(own.training))
    if isinstance(getattr(own, "num_classes", None), int):
        own.num_classes = classes  # type: ignore[assignment]
    return model


def _places(model: nn.Module, layers: list[str]) -> list[str]:
    """The one module that holds the whole head and nothing else, or else its layers."""
    parts = [path.split(".") for path in layers]
    common = []
    for names in zip(*parts, strict=False):
        if len(set(names)) > 1:
            break
        common.append(names[0])
    path = ".".join(common)
    if not _only(model, path, layers):
        return layers
    parent = path.rpartition(".")[0]
    while _only(model, parent, layers) and isinstance(model.get_submodule(parent), nn.Sequential):
        path, parent = parent, parent.rpartition(".")[0]
    return [path]


def _only(model: nn.Module, path: str, layers: list[str]) -> bool:
    """Whether a module other than the model itself holds no weights but those of the layers."""
    if not path:
        return False
    inside = {
        f"{path}.{name}" if name else path for name, inner in model.get_submodule(path).named_modules() if holds_weights(inner)
    }
    return inside <= set(layers)


def _pooling(path: str, calls: dict[str, Call]) -> tuple[list[nn.Module], int]:
    """What pools what arrives at a module, and the number of pooled features."""
    arrives = calls[path].input
    if arrives is None or len(arrives) not in (2, 4):
        raise ModelError(
            f"model: what arrives at its head, {path}, are neither maps nor features: replace that module yourself"
        )
    if len(arrives) == 4:
        return [nn.AdaptiveAvgPool2d(1), nn.Flatten()], arrives[1]
    maps = [call for call in calls.values() if call.last < calls[path].first and len(call.last_output or ()) == 4]
    channels = max(maps, key=lambda call: call.last).last_output[1] if maps else arrives[1]  # type: ignore[index]
    places, rest = divmod(arrives[1], channels)
    # Otherwise they are several poolings of the same maps, one behind the other.
    if rest == 0 and places > 1 and math.isqrt(places) ** 2 == places:
        return [PoolFlattened(channels)], channels
    return [], arrives[1]


def _between(model: nn.Module, first: str, last: str, calls: dict[str, Call]) -> Iterator[str]:
    """The modules that are called after the first of the head's layers and before the last, and nowhere else."""
    for path, module in list(model.named_modules()):
        if path in calls and not any(True for _ in module.children()):
            call = calls[path]
            if calls[first].last < call.first and call.last < calls[last].first:
                yield path


def _joined(before: list[nn.Module], new: NewHead, behind: list[nn.Module]) -> nn.Module:
    if not before and not behind:
        return new
    named = [(f"pool{number}", module) for number, module in enumerate(before, start=1)]
    return nn.Sequential(OrderedDict([*named, *new.named_children(), *(("maps", module) for module in behind)]))
