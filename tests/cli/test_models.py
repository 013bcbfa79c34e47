"""`unfreeze models`: which network runs in which framework, on two stand-ins for the frameworks."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from support.command import Command
from support.made_up import small_network
from unfreeze import api
from unfreeze.recipe.network import Network
from unfreeze.training.backend import ModelEntry

LISTED = {
    "torch": [ModelEntry("resnet18", "hub", ("torch", "tensorflow")), ModelEntry("gernet_l", "hub", ("torch",))],
    "tensorflow": [ModelEntry("resnet18", "site"), ModelEntry("ResNet50", "site", ("tensorflow",))],
}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The frameworks that were asked to list or describe, in their order."""
    asked: list[str] = []
    for framework in LISTED:
        package = ModuleType(f"stand_in_{framework}")

        def list_models(pattern: str | None, framework: str = framework) -> list[ModelEntry]:
            asked.append(framework)
            return [entry for entry in LISTED[framework] if pattern is None or entry.name.startswith(pattern.strip("*"))]

        def describe_network(name: str, framework: str = framework) -> Network:
            asked.append(framework)
            return small_network().model_copy(update={"framework": framework, "name": name})

        package.list_models, package.describe_network = list_models, describe_network  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, package.__name__, package)
        monkeypatch.setitem(api.BACKENDS, framework, (package.__name__, framework))
    return asked


@pytest.fixture
def only_tensorflow(asked: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "stand_in_torch", None)


def names(entries: list[ModelEntry]) -> dict[str, tuple[str, ...]]:
    return {entry.name: entry.frameworks for entry in entries}


# The NumPy backend, which the fixture `unfreeze` registers, is a third one.
def test_every_installed_framework_is_asked_in_order(unfreeze: Command, asked: list[str]) -> None:
    status, out, _ = unfreeze("models")
    assert status == 0
    assert [line.split()[:3] for line in out.splitlines()[:5]] == [
        ["model", "runs", "in"],
        ["resnet18", "torch,", "tensorflow"],
        ["gernet_l", "torch", "hub"],
        ["ResNet50", "tensorflow", "site"],
        ["tiny", "numpy", "random"],
    ]
    assert asked == ["torch", "tensorflow"]


def test_a_framework_filters(asked: list[str]) -> None:
    assert names(api.models(framework="torch")) == {"resnet18": ("torch", "tensorflow"), "gernet_l": ("torch",)}
    assert asked == ["torch"]
    assert names(api.models(framework="tensorflow")) == {"resnet18": ("torch", "tensorflow"), "ResNet50": ("tensorflow",)}
    assert names(api.models("gernet*", framework="tensorflow")) == {}


def test_a_pattern_that_nothing_matches_names_the_framework(unfreeze: Command, asked: list[str]) -> None:
    assert unfreeze("models", "gernet*")[0] == 0
    status, _, err = unfreeze("models", "gernet*", "--framework", "tensorflow")
    assert (status, err) == (2, "unfreeze: no network matches 'gernet*' in tensorflow\n")


@pytest.mark.usefixtures("only_tensorflow")
def test_what_is_not_installed_is_left_out_or_named() -> None:
    assert names(api.models()) == {"resnet18": ("tensorflow",), "ResNet50": ("tensorflow",)}
    assert names(api.models(framework="tensorflow")) == names(api.models())
    with pytest.raises(Exception, match="torch needs the package stand_in_torch, which isn't installed"):
        api.models(framework="torch")
    assert api.describe_model("resnet18").framework == "tensorflow"


def test_nothing_installed_names_the_first(monkeypatch: pytest.MonkeyPatch, only_tensorflow: None) -> None:
    monkeypatch.setitem(sys.modules, "stand_in_tensorflow", None)
    for ask in (api.models, lambda: api.describe_model("resnet18")):
        with pytest.raises(Exception, match=r"pip install 'unfreeze\[torch\]'"):
            ask()


@pytest.mark.parametrize(
    ("arguments", "framework"),
    [
        (("resnet18",), "torch"),
        (("resnet18", "--framework", "tensorflow"), "tensorflow"),
        (("ResNet50",), "tensorflow"),
    ],
)
def test_one_network_is_described_where_it_is(
    unfreeze: Command, asked: list[str], arguments: tuple[str, ...], framework: str
) -> None:
    assert unfreeze("models", *arguments)[1].startswith(f"{arguments[0]} ({framework}: tiny_net)")
    assert asked == [framework]
