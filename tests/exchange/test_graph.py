"""The neutral graph: written, read, pruned."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import get_args

import pytest
from pydantic import ValidationError

from unfreeze.errors import ModelError
from unfreeze.exchange import graph
from unfreeze.exchange.graph import ACTIVATIONS, Graph, Node, Op

NODES = (
    Node(name="input", op="input", attributes={"shape": [8, 8, 3]}),
    Node(
        name="stem.conv", op="conv", inputs=("input",), weights={"kernel": "stem.conv.weight"},
        attributes={"filters": 4, "kernel_size": [3, 3], "strides": [2, 2], "dilation": [1, 1], "groups": 1, "padding": "same"},
    ),
    Node(name="aside", op="unary", inputs=("input",), attributes={"function": "square"}),
    Node(
        name="top.mean", op="reduce", inputs=("stem.conv",), attributes={"function": "mean", "axes": [1, 2], "keepdims": False}
    ),
)  # fmt: skip
SMALL = Graph(nodes=NODES, output="top.mean")


def test_what_is_written_is_read(tmp_path: Path) -> None:
    graph.write(SMALL, tmp_path / "graph.json")
    assert graph.read(tmp_path / "graph.json") == SMALL


def test_nodes_without_which_the_output_is_the_same_are_dropped() -> None:
    assert [node.name for node in SMALL.without_unused().nodes] == ["input", "stem.conv", "top.mean"]


def test_the_weights_are_those_of_the_nodes() -> None:
    assert SMALL.weights == ("stem.conv.weight",)


@pytest.mark.parametrize("content", ["", "{}", '{"nodes": [{"name": "x", "op": "convolve"}], "output": "x"}'])
def test_a_file_that_holds_no_graph_is_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "graph.json").write_text(content)
    with pytest.raises(ModelError, match=r"graph\.json: holds no graph of a network"):
        graph.read(tmp_path / "graph.json")
    with pytest.raises(ModelError, match="holds no graph"):
        graph.read(tmp_path / "missing.json")


def test_infinity_is_not_written_as_nothing(tmp_path: Path) -> None:
    odd = Node(name="pad", op="pad", inputs=("input",), attributes={"amounts": [], "mode": "constant", "value": -math.inf})
    with pytest.raises(ValueError, match="not JSON compliant"):
        graph.write(Graph(nodes=(NODES[0], odd), output="pad"), tmp_path / "graph.json")


def test_the_vocabulary_is_closed() -> None:
    with pytest.raises(ValidationError):
        Node(name="x", op="lambda")  # type: ignore[arg-type]


def test_every_operation_and_activation_is_explained() -> None:
    explained = set(re.findall(r"\w+", graph.__doc__ or ""))
    assert set(get_args(Op)) <= explained
    assert {"leaky_relu", "softmax"} <= explained & set(ACTIVATIONS)
