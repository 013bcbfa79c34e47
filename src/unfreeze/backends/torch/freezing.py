"""Frozen means frozen: parameters without gradients, and layers in inference mode whatever the rest does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from torch import Tensor, fx, nn
from torch.nn.modules.batchnorm import _BatchNorm

from unfreeze.backends.torch.head import FineTuned
from unfreeze.backends.torch.stages import NEW_HEAD
from unfreeze.backends.torch.tracing import BATCH, value_of
from unfreeze.recipe.network import Layer, Network


@dataclass(frozen=True)
class Parts:
    """A network split at a phase's boundary. A part is None where it has no layers, and shares its modules with the network.

    Attributes:
        prefix: from images to a tuple of the tensors that cross the boundary; depends on no layer that trains.
        suffix: from those tensors, one argument each, to pooled features.
    """

    prefix: fx.GraphModule | None
    suffix: fx.GraphModule | None


def module_at(model: FineTuned, layer: Layer) -> nn.Module:
    """The module of a layer of the plan's network."""
    inside_head = layer.path.startswith(f"{NEW_HEAD}.")
    return model.get_submodule(layer.path if inside_head else f"base.{layer.path}")


def own_tensors(module: nn.Module) -> list[Tensor]:
    """Its parameters and buffers, without those of modules inside it."""
    return [*module.parameters(recurse=False), *module.buffers(recurse=False)]


def freeze(model: FineTuned, frozen: Iterable[Layer], trainable: Iterable[Layer]) -> None:
    """Gradients for the trainable layers only; a frozen parameter also loses the gradient it had."""
    for layer in frozen:
        for parameter in module_at(model, layer).parameters(recurse=False):
            parameter.requires_grad_(False)
            parameter.grad = None
    for layer in trainable:
        for parameter in module_at(model, layer).parameters(recurse=False):
            parameter.requires_grad_(True)


def by_stage(model: FineTuned, network: Network) -> dict[str, list[nn.Parameter]]:
    """The parameters that have gradients, by the stage they are in; one that two layers share, by the first."""
    seen: set[nn.Parameter] = set()
    found: dict[str, list[nn.Parameter]] = {}
    for stage in network.stages:
        own = [parameter for layer in stage.layers for parameter in module_at(model, layer).parameters(recurse=False)]
        found[stage.name] = [each for each in dict.fromkeys(own) if each.requires_grad and each not in seen]
        seen.update(own)
    return {name: members for name, members in found.items() if members}


def statistics(model: FineTuned, layers: Iterable[Layer]) -> list[Tensor]:
    """The running statistics of the BatchNorm layers among some layers."""
    norms = [module for module in (module_at(model, layer) for layer in layers) if isinstance(module, _BatchNorm)]
    found = [statistic for norm in norms for statistic in (norm.running_mean, norm.running_var)]
    return [statistic for statistic in found if statistic is not None]


def set_training_mode(model: FineTuned, frozen: Iterable[Layer], freeze_statistics: bool) -> None:
    """Training mode for the model, inference mode for its frozen part and, where asked, for every BatchNorm.

    `model.train()` alone would let the running statistics of frozen BatchNorm layers move and switch their dropout and
    stochastic depth on; `model.eval()` alone would switch the head's dropout off. A block of which every layer is frozen goes
    into inference mode whole, so that layers without weights inside it do too.
    """
    model.train()
    frozen_modules = {id(module_at(model, layer)) for layer in frozen}
    _freeze_below(model, frozen_modules)
    if freeze_statistics:
        # In inference mode scale and shift still train: only the statistics stay.
        for module in model.base.modules():
            if isinstance(module, _BatchNorm):
                module.eval()


def _freeze_below(module: nn.Module, frozen_modules: set[int]) -> None:
    with_weights = list(_modules_with_weights(module))
    if with_weights and all(id(inner) in frozen_modules for inner in with_weights):
        module.eval()
        return
    if id(module) in frozen_modules:
        module.training = False
    for child in module.children():
        _freeze_below(child, frozen_modules)


def _modules_with_weights(module: nn.Module) -> Iterator[nn.Module]:
    for inner in module.modules():
        if inner._parameters or inner._buffers:
            yield inner


def split(network: fx.GraphModule, trainable: Iterable[Layer]) -> Parts:
    """The part that depends on no layer that trains, and the rest, joined by every tensor that goes from one to the other.

    A layer without weights that is in training mode and behaves differently there (dropout, stochastic depth) belongs to the
    rest: call `set_training_mode` before.

    Args:
        network: the base as `tracing.trace` gives it, or the suffix of an earlier split, whose prefix is then what lies
            between the two boundaries.
        trainable: those of the plan's network; the head's are passed over.
    """
    behind = _behind(network, {layer.path for layer in trainable})
    before = [node for node in network.graph.nodes if node not in behind and node.op != "output"]
    varying = _depending_on_input(before)
    if not any(node.op == "call_module" and _holds_weights(network, node) for node in varying):
        return Parts(None, network)
    # Only tensors of the batch cross: what is made of sizes or of weights alone is made again.
    again: set[fx.Node] = set()
    for node in reversed(network.graph.nodes):
        if node in behind or node in again or node.op == "output":
            again.update(source for source in node.all_input_nodes if source not in behind and not _crosses(source, varying))
    users = behind | again | {network.graph.output_node()}
    crossing = [node for node in before if _crosses(node, varying) and not users.isdisjoint(node.users)]
    if any(value_of(node).shape[0] != BATCH for node in crossing):  # type: ignore[index]
        return Parts(None, network)  # such as windows of all pictures: a row of it belongs to no picture
    suffix = [node for node in network.graph.nodes if node in users]
    return Parts(_prefix(network, before, crossing), _suffix(network, suffix, crossing) if behind else None)


def _behind(network: fx.GraphModule, paths: set[str]) -> set[fx.Node]:
    """The nodes that depend on a layer that trains, also by memory that such a node overwrote."""
    behind: set[fx.Node] = set()
    overwritten: set[int | None] = set()
    for node in network.graph.nodes:
        inputs = node.all_input_nodes
        if node.op != "output" and (
            _trains(network, node, paths)
            or any(source in behind or value_of(source).storage in overwritten for source in inputs)
        ):
            behind.add(node)
            overwritten |= value_of(node).overwrites
    return behind


def _trains(network: fx.GraphModule, node: fx.Node, paths: set[str]) -> bool:
    target = str(node.target)
    if node.op == "get_attr":
        return target.rpartition(".")[0] in paths
    if node.op == "call_module":
        if any(path == target or path.startswith(f"{target}.") for path in paths):
            return True
        module = network.get_submodule(target)
        return not _holds_weights(network, node) and any(_is_random(inner) for inner in module.modules())
    return bool(node.op == "call_function" and node.kwargs.get("training"))


def _is_random(module: nn.Module) -> bool:
    """Whether a layer without weights is in training mode and looks at that."""
    code = getattr(type(module).forward, "__code__", None)
    return module.training and code is not None and "training" in code.co_names


def _holds_weights(network: fx.GraphModule, node: fx.Node) -> bool:
    return any(True for _ in _modules_with_weights(network.get_submodule(str(node.target))))


def _depending_on_input(nodes: Iterable[fx.Node]) -> set[fx.Node]:
    found: set[fx.Node] = set()
    for node in nodes:
        if node.op == "placeholder" or not found.isdisjoint(node.all_input_nodes):
            found.add(node)
    return found


def _crosses(node: fx.Node, varying: set[fx.Node]) -> bool:
    return node in varying and value_of(node).shape is not None


def _prefix(network: fx.GraphModule, nodes: list[fx.Node], crossing: list[fx.Node]) -> fx.GraphModule:
    graph = fx.Graph()
    copies: dict[fx.Node, fx.Node] = {}
    outputs: dict[fx.Node, fx.Node] = {}
    for place, node in enumerate(nodes):
        copies[node] = graph.node_copy(node, lambda source: copies[source])
        if node in crossing:
            changed = any(value_of(node).storage in value_of(later).overwrites for later in nodes[place + 1 :])
            outputs[node] = _cloned(graph, copies[node]) if changed else copies[node]
    graph.output(tuple(outputs.values()))
    return fx.GraphModule(network, graph)


def _suffix(network: fx.GraphModule, nodes: list[fx.Node], crossing: list[fx.Node]) -> fx.GraphModule:
    graph = fx.Graph()
    copies: dict[fx.Node, fx.Node] = {}
    overwritten: set[int | None] = {storage for node in nodes if node.op != "output" for storage in value_of(node).overwrites}
    for node in crossing:
        copies[node] = graph.placeholder(node.name)
        copies[node].meta = dict(node.meta)
    for node in crossing:
        if value_of(node).storage in overwritten:  # an in-place activation would change a cached tensor
            copies[node] = _cloned(graph, copies[node])
    for node in nodes:
        copies[node] = graph.node_copy(node, lambda source: copies[source])
    return fx.GraphModule(network, graph)


def _cloned(graph: fx.Graph, node: fx.Node) -> fx.Node:
    clone = graph.call_method("clone", (node,))
    clone.meta = dict(node.meta)
    return clone
