"""The networks that can be used, and the framework each runs in."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType

from unfreeze.api.frameworks import BACKENDS, load_backend
from unfreeze.errors import FrameworkError
from unfreeze.recipe.network import Network
from unfreeze.training.backend import ModelEntry

# Framework -> those that list networks which run in it too: timm's can be carried over to TensorFlow.
_ALSO_LISTED_BY = {"tensorflow": ("torch",)}


def models(pattern: str | None = None, *, framework: str | None = None) -> list[ModelEntry]:
    """The networks that can be used: the tested ones, or all whose names match a pattern with `*`. Twin of `unfreeze models`.

    Args:
        framework: only networks that run in it; None for those of every framework that is installed.

    Raises:
        FrameworkError: the framework is unknown or not installed; without one, none is installed.
    """
    entries: dict[str, ModelEntry] = {}
    for name, package in _packages(framework):
        for entry in package.list_models(pattern):
            known = entries.get(entry.name, replace(entry, frameworks=()))
            runs_in = dict.fromkeys([*known.frameworks, *(entry.frameworks or (name,))])
            entries[entry.name] = replace(known, frameworks=tuple(runs_in))
    return [entry for entry in entries.values() if framework is None or framework in entry.frameworks]


def describe_model(name: str, *, framework: str | None = None) -> Network:
    """The stages and input contract of one network. Twin of `unfreeze models NAME`.

    Args:
        framework: that it is described in; None takes the one that has it.

    Raises:
        ModelError: there is no such network, or it can't be used.
        FrameworkError: the framework is unknown or not installed.
    """
    network: Network = _package_with(name, framework).describe_network(name)
    return network


def _packages(framework: str | None) -> list[tuple[str, ModuleType]]:
    """The packages to ask, loaded: that of `framework`, which must be installed, or of every one that is."""
    names = list(BACKENDS) if framework is None else [*_ALSO_LISTED_BY.get(framework, ()), framework]
    packages, reasons = [], []
    for name in names:
        try:
            packages.append((name, load_backend(name)))
        except FrameworkError as error:
            if name == framework:
                raise
            reasons.append(error)
    if not packages:
        raise reasons[0]
    return packages


def _package_with(name: str, framework: str | None) -> ModuleType:
    if framework is not None:
        return load_backend(framework)
    if name != name.lower():  # as all of keras.applications and none of timm
        return load_backend("tensorflow")
    try:
        return load_backend("torch")
    except FrameworkError as error:
        try:
            return load_backend("tensorflow")
        except FrameworkError:
            raise error from None
