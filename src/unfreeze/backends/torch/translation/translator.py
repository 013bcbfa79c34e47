"""The walk through a network as `torch.export` gives it, made functional: nothing is written in place any more."""

from __future__ import annotations

import contextlib
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import torch
from torch import fx, nn
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind, InputSpec

from unfreeze.backends.torch.stochastic_depth import rates
from unfreeze.backends.torch.translation.layout import Value, channels_last, inverse, plan_reshape
from unfreeze.errors import ModelError
from unfreeze.exchange.graph import Graph, Node, Op

# Two pictures, so that an operation which mixes the batch with something else can be told by its shapes.
_BATCH = 2
_WAY_OUT = "Use a network that `unfreeze models` lists as tested, or `--framework torch`."
_BATCH_COUNTER = "num_batches_tracked"

Handler = Callable[..., Any]
_HANDLERS: dict[str, Handler] = {}
_BROADCASTING: set[str] = set()


@dataclass(frozen=True)
class Weight:
    """A tensor of the state dict; `shape` is the one it is seen in, `original` its own."""

    name: str
    shape: tuple[int, ...]
    original: tuple[int, ...]

    @property
    def module(self) -> str:
        return self.name.rpartition(".")[0]


def translate(base: nn.Module, side_px: int, network: str) -> Graph:
    """The graph of a timm network made without its classifier, for pictures of `side_px` × `side_px`, in inference.

    Raises:
        ModelError: an operation that has no translation; `network` names it in the message.
    """
    was_training = base.training
    base.eval()
    drop_rates = rates(base)
    try:
        with _leaving_a_trace(base, drop_rates):
            program = torch.export.export(base, (torch.zeros(_BATCH, 3, side_px, side_px),)).run_decompositions({})
    except Exception as error:  # whatever the exporter can't follow
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(f"{network} can't be carried over: torch.export fails on it ({reason}). {_WAY_OUT}") from None
    finally:
        base.train(was_training)
    return Translation(program, network, drop_rates).graph()


def translates(*names: str, broadcasts: bool = False) -> Callable[[Handler], Handler]:
    """Registers the function that translates these operations.

    It gets the `Translation` and the operation's arguments by their names in PyTorch's schema, `self` as `x`: a `Value`, a
    `Weight`, a constant tensor or a plain value each. `broadcasts` says that it may be given a tensor that was expanded, in
    the shape it had before.
    """

    def register(handler: Handler) -> Handler:
        _HANDLERS.update(dict.fromkeys(names, handler))
        if broadcasts:
            _BROADCASTING.update(names)
        return handler

    return register


class Translation:
    """The nodes so far, and what each node of PyTorch's graph became."""

    def __init__(self, program: ExportedProgram, network: str, drop_rates: Mapping[str, float]) -> None:
        self._network = network
        self._program = program
        self._drop_rates = drop_rates
        self._nodes: dict[str, Node] = {}
        self._known: dict[fx.Node, Any] = {}
        self._current: fx.Node

    @property
    def shape(self) -> tuple[int, ...]:
        """What the operation at hand gives, in PyTorch's order of dimensions."""
        return tuple(self._current.meta["val"].shape)

    @property
    def dropped(self) -> tuple[str, float] | None:
        """Path and rate of the place of stochastic depth that the operation at hand stands for; None for any other."""
        path = self._module_path()
        return (path, self._drop_rates[path]) if path in self._drop_rates else None

    def graph(self) -> Graph:
        """Translates the whole network."""
        specs = {spec.arg.name: spec for spec in self._program.graph_signature.input_specs}
        for node in self._program.graph.nodes:
            self._current = node
            if node.op == "placeholder":
                self._known[node] = self._given(specs[node.name])
            elif node.op == "call_function":
                self._known[node] = self._translated(node)
            elif node.op == "output":
                features = self._known[node.args[0][0]]
        if len(features.shape) != 2:
            self.refuse(f"its features have {len(features.shape)} dimensions instead of 2")
        output = self.arranged(features, (0, 1)).node
        graph = Graph(nodes=tuple(self._nodes.values()), output=output).without_unused()
        self._check_weights(graph)
        return graph

    def emit(self, op: Op, *inputs: Value, weights: dict[str, Any] | None = None, name: str = "", **attributes: Any) -> str:
        """Adds a node and gives its name; weights that are None are left out."""
        name = name or self._free_name(attributes.get("function", op))
        if name in self._nodes:
            self.refuse(f"{name} is used twice")
        given = {role: weight.name for role, weight in (weights or {}).items() if weight is not None}
        sources = tuple(value.node for value in inputs)
        self._nodes[name] = Node(name=name, op=op, inputs=sources, attributes=attributes, weights=given)
        return name

    def apply(self, op: Op, x: Value, new_shape: Sequence[int] | None = None, /, **rest: Any) -> Value:
        """Adds a node of one input that leaves the axes where they are, with a new shape or not; the rest as for `emit`."""
        return Value(self.emit(op, x, **rest), x.shape if new_shape is None else tuple(new_shape), x.axes)

    def node(self, name: str) -> Node:
        """A node that was added before."""
        return self._nodes[name]

    def forget(self, name: str) -> None:
        """Takes back a node that another takes the place of; what depends on it must not be used."""
        del self._nodes[name]

    def arranged(self, value: Value, axes: tuple[int, ...]) -> Value:
        """The value with PyTorch's dimensions at these axes."""
        if value.axes == axes:
            return value
        order = tuple(value.axes[dim] for dim in inverse(axes))
        if order[0] != 0:
            self.refuse("it takes another dimension for the batch")
        larger = [axis for axis in order if value.neutral_shape[axis] != 1]
        if larger == sorted(larger):  # only axes of length 1 move
            node = self.emit("reshape", value, shape=Value("", value.shape, axes).neutral_shape[1:])
        else:
            node = self.emit("transpose", value, axes=order)
        return Value(node, value.shape, axes)

    def pictures(self, value: Value) -> Value:
        """The value with its channels last."""
        return self.arranged(value, channels_last(len(value.shape)))

    def reshaped(self, value: Value, shape: Sequence[int]) -> Value:
        """What PyTorch's `reshape` gives."""
        plan = plan_reshape(value, tuple(shape))
        if plan is None:
            self.refuse("it reshapes the batch")
        node, current = value.node, value.neutral_shape
        if plan.transpose != tuple(range(len(current))):
            node, current = self.emit("transpose", value, axes=plan.transpose), tuple(current[axis] for axis in plan.transpose)
        moved = Value(node, tuple(shape), plan.axes)
        if current == plan.shape:
            return moved
        return Value(self.emit("reshape", moved, shape=plan.shape[1:]), moved.shape, moved.axes)

    def refuse(self, why: str) -> NoReturn:
        """Ends the translation with a `ModelError` that names the network, the place and the operation."""
        place = self._module_path() or "the network"
        raise ModelError(
            f"{self._network} can't be carried over: {why} (operation {_name_of(self._current)} in {place}). {_WAY_OUT}"
        )

    def _given(self, spec: InputSpec) -> Any:
        if spec.kind == InputKind.USER_INPUT:
            value = Value("input", self.shape, channels_last(len(self.shape)))
            self.emit("input", name=value.node, shape=value.neutral_shape[1:])
            return value
        name = str(spec.target)
        if name in self._learned():
            return Weight(name, self.shape, self.shape)
        constants: dict[str, Any] = {**self._program.constants, **self._program.state_dict}
        return constants[name]

    def _learned(self) -> set[str]:
        """The tensors of the state dict that matter in inference."""
        passing = {spec.target for spec in self._program.graph_signature.input_specs if spec.persistent is False}
        return {name for name in self._program.state_dict if name not in passing and not name.endswith(_BATCH_COUNTER)}

    def _translated(self, node: fx.Node) -> Any:
        if node.target is operator.getitem:
            source, place = node.args
            return self._known[source][place]  # type: ignore[index]
        name = _name_of(node)
        if name not in _HANDLERS:
            self.refuse("there is no translation for it")
        if name not in _BROADCASTING and any(self._expanded(source) for source in node.all_input_nodes):
            self.refuse("it works on a tensor that was expanded")
        return _HANDLERS[name](self, **self._arguments(node))

    def _expanded(self, node: fx.Node) -> bool:
        value = self._known[node]
        return isinstance(value, Value) and value.shape != tuple(node.meta["val"].shape)

    def _arguments(self, node: fx.Node) -> dict[str, Any]:
        positional, named = fx.map_arg((node.args, node.kwargs), lambda argument: self._known[argument])
        schema = node.target._schema.arguments  # type: ignore[union-attr]
        names = [argument.name for argument in schema]
        arguments = {argument.name: argument.default_value for argument in schema if argument.has_default_value()}
        arguments |= dict(zip(names, positional, strict=False)) | dict(named)
        return {"x" if name == "self" else name: value for name, value in arguments.items()}

    def _check_weights(self, graph: Graph) -> None:
        """Each tensor must go to one place, or the weights could not go back."""
        used = graph.weights
        if twice := {name for name in used if used.count(name) > 1}:
            self.refuse(f"{min(twice)} is used twice")
        if left := self._learned() - set(used):
            self.refuse(f"{min(left)} isn't used")

    def _free_name(self, what: str) -> str:
        """A name for an operation without weights: below its module's, so that none is like that of a layer."""
        start = f"{self._module_path() or 'top'}.{what}"
        return next(name for name in _numbered(start) if name not in self._nodes)

    def _module_path(self) -> str:
        modules = self._current.meta.get("nn_module_stack") or {"": ("", None)}
        return str(list(modules.values())[-1][0])


@contextlib.contextmanager
def _leaving_a_trace(base: nn.Module, paths: Iterable[str]) -> Iterator[None]:
    """Modules at these paths, which do nothing in inference, copy what they get: that shows in the graph."""
    modules = [base.get_submodule(path) for path in paths]
    try:
        for module in modules:
            module.forward = torch.clone
        yield
    finally:
        for module in modules:
            del module.forward


def _name_of(node: fx.Node) -> str:
    return str(node.target).removeprefix("aten.")


def _numbered(start: str) -> Iterator[str]:
    yield start
    number = 1
    while True:
        number += 1
        yield f"{start}_{number}"
