"""The stages of any PyTorch model, in forward order: timm's by timm's own grouping, others by where the resolution falls."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn

from unfreeze.backends.torch.pieces.order import Call, bare, calls_of, holds_weights
from unfreeze.backends.torch.stages import stages_of
from unfreeze.errors import ModelError
from unfreeze.recipe.network import STEM, Layer, Stage
from unfreeze.training.blocks import Block, at_or_below, falls, named, stages_of_blocks

# Weights of at least so many dimensions are convolutions or dense layers; vectors are norms, scales, biases.
_MATRIX = 2
_CHAINS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)


def stages(model: nn.Module, sample: Tensor | None = None) -> list[Stage]:
    """The stages of a model in forward order: `stem`, `stage1` … `stageN`, `head`.

    timm's networks, also inside a model of one's own, have the stages that `unfreeze train` gives them: timm's grouping. In
    any other model they are told by one forward pass:

    - A block is a module that isn't a mere chain of others (`nn.Sequential` and the like) and within which the resolution
      doesn't halve twice. Stages are made of whole blocks.
    - The stem ends before the first block of several convolutions, or where the resolution halves, but holds one block.
    - From there each halving of the resolution begins a stage.
    - The head is what comes after the last map: dense layers; or a last 1 × 1 convolution. A model without has no stage `head`.

    What the pass doesn't reach, such as auxiliary classifiers, goes with what was defined before it.

    Args:
        model: any `torch.nn.Module` that takes a batch of pictures alone, such as a network of torchvision's; also compiled, or
            inside `DataParallel`. It infers, and is afterwards as it was.
        sample: a batch it takes, such as float32 [1, 3, 32, 32], on its device; without one, zeros of a usual size are tried.

    Returns:
        Each with its `name`, its `layers` (the modules that hold weights, with `path` as in `model.get_submodule(path)`) and
        its number of `parameters`.

    Raises:
        ModelError: it isn't such a model, it takes none of the sizes tried, or it holds no weights.
    """
    model = bare(model)
    known = _of_timm(model)
    return known or _by_resolution(model, calls_of(model, sample))


def registered(model: nn.Module) -> list[Stage]:
    """All layers as one stage, in the order in which they were defined: where a forward pass can't be had."""
    return [Stage(name=STEM, layers=tuple(_layer(path, module) for path, module in _with_weights(model)))]


def _of_timm(model: nn.Module) -> list[Stage]:
    """The stages where a network of timm's is the model or inside it, else none; what else there is, is the head."""
    for path, module in model.named_modules():
        if callable(getattr(module, "group_matcher", None)) and callable(getattr(module, "get_classifier", None)):
            try:
                groups = [list(stage.layers) for stage in stages_of(module)]
            except ModelError:
                return []
            inside = {layer.path for group in groups for layer in group}
            classifier = {name for name, inner in module.named_modules() if inner is module.get_classifier()}  # type: ignore[operator]
            prefix = f"{path}." if path else ""
            below = [
                [layer.model_copy(update={"path": f"{prefix}{layer.path}"}) for layer in group]
                for group in (
                    [layer for layer in group if not any(at_or_below(layer.path, name) for name in classifier)]
                    for group in groups
                )
            ]
            taken = {f"{prefix}{name}" for name in inside if not any(at_or_below(name, other) for other in classifier)}
            head = [_layer(name, inner) for name, inner in _with_weights(model) if name not in taken]
            return named(below, head)
    return []


def _by_resolution(model: nn.Module, calls: dict[str, Call]) -> list[Stage]:
    blocks = dict(sorted(_blocks("", model, calls), key=lambda block: calls[block[0]].first))
    paths = list(blocks)
    cut = _where_the_head_begins(model, paths, calls)
    body = [Block(blocks[path], _side_of(_map_of(path, calls))) for path in paths[:cut]]
    return stages_of_blocks(body, [layer for path in paths[cut:] for layer in blocks[path]])


def _blocks(path: str, module: nn.Module, calls: dict[str, Call]) -> list[tuple[str, list[Layer]]]:
    """The blocks inside a module, each by its path with its layers; what a pass doesn't reach is with what comes before it."""
    inner = {_join(path, name): child for name, child in module.named_children() if _with_weights_inside(child)}
    if path and (not inner or not _is_chain(path, module, calls)):
        return [(path, _layers_in(path, module, calls))]
    found: list[tuple[str, list[Layer]]] = []
    loose = [_layer(path, module)] if holds_weights(module) else []
    for name, child in inner.items():
        if name in calls:
            found += _blocks(name, child, calls)
        elif found:
            found[-1][1].extend(_layers_in(name, child, calls))
        else:
            loose += _layers_in(name, child, calls)
    if not found:
        raise ModelError(f"model: a forward pass reaches no module with weights inside {type(module).__name__}")
    found[0][1][:0] = loose
    return found


def _is_chain(path: str, module: nn.Module, calls: dict[str, Call]) -> bool:
    """Whether a module may be cut: it is a mere chain of others, or the resolution halves twice within it."""
    if isinstance(module, _CHAINS):
        return True
    sides = [_side_of(calls[layer.path].output) for layer in _layers_in(path, module, calls) if layer.path in calls]
    began, count = None, 0
    for side in sides:
        if side is not None and side > 1:  # 1 × 1 is what squeeze-and-excitation computes on
            count += falls(began, side)
            began = side if began is None or falls(began, side) else began
    return count > 1


def _where_the_head_begins(model: nn.Module, paths: list[str], calls: dict[str, Call]) -> int:
    maps = [place for place, path in enumerate(paths) if len(_map_of(path, calls) or ()) > _MATRIX]
    after = maps[-1] + 1 if maps else 0
    if after < len(paths):
        return after
    last, output = model.get_submodule(paths[-1]), calls[""].output
    pointwise = isinstance(last, nn.Conv2d) and last.kernel_size == (1, 1)
    return after - 1 if pointwise and output is not None and len(output) == _MATRIX else after


def _map_of(path: str, calls: dict[str, Call]) -> tuple[int, ...] | None:
    """The shape of what a block gives; of the last it calls where it gives no tensor."""
    if calls[path].output is not None:
        return calls[path].output
    inside = [call for name, call in calls.items() if at_or_below(name, path) and call.output is not None]
    return max(inside, key=lambda call: call.last).output if inside else None


def _side_of(shape: tuple[int, ...] | None) -> int | None:
    return max(shape[2:]) if shape is not None and len(shape) == 4 else None


def _layers_in(path: str, module: nn.Module, calls: dict[str, Call]) -> list[Layer]:
    """In forward order; one that a pass doesn't reach follows the one defined before it."""
    place, placed = -1, []
    for name, inner in _with_weights(module, path):
        place = calls[name].first if name in calls else place
        placed.append((place, _layer(name, inner)))
    return [layer for _, layer in sorted(placed, key=lambda pair: pair[0])]


def _with_weights(module: nn.Module, path: str = "") -> Iterator[tuple[str, nn.Module]]:
    for name, inner in module.named_modules(prefix=path):
        if holds_weights(inner):
            yield name, inner


def _with_weights_inside(module: nn.Module) -> bool:
    return any(holds_weights(inner) for inner in module.modules())


def _layer(path: str, module: nn.Module) -> Layer:
    own = list(module.parameters(recurse=False))
    return Layer(
        path=path,
        parameters=sum(parameter.numel() for parameter in own),
        counts=any(parameter.dim() >= _MATRIX for parameter in own),
    )


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
