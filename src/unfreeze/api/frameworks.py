"""The frameworks that can be asked for, and the package here that speaks to each."""

from __future__ import annotations

import gc
import importlib
import importlib.util
from types import ModuleType
from typing import Any

from unfreeze.errors import FrameworkError, did_you_mean
from unfreeze.recipe.recipe import Recipe

# Framework -> (its package here, the extra that installs it). In the order in which one process may load them.
BACKENDS = {
    "torch": ("unfreeze.backends.torch", "torch"),
    "tensorflow": ("unfreeze.backends.tensorflow", "tensorflow"),
}
# Not a framework: one training in each of them.
BOTH = "both"


def load_backend(framework: str) -> ModuleType:
    """The package of a framework; see `training.backend` for what it offers.

    Raises:
        FrameworkError: the framework is unknown or not installed.
    """
    if framework not in BACKENDS:
        raise FrameworkError(
            f"framework: there is no backend for '{framework}'.{did_you_mean(framework, BACKENDS)}"
            f" It can be {' or '.join(BACKENDS)}."
        )
    collects = gc.isenabled()
    gc.disable()  # a framework's modules make objects that stay: looking for garbage among them is a fifth of the time
    try:
        return importlib.import_module(BACKENDS[framework][0])
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("unfreeze"):
            raise
        raise _not_installed(framework, error.name) from None
    finally:
        if collects:
            gc.enable()


def check_installed(framework: str) -> None:
    """Whether a framework's own package is there, found without loading it.

    Raises:
        FrameworkError: it isn't.
    """
    if importlib.util.find_spec(framework) is None:
        raise _not_installed(framework, framework)


def check_recipe(recipe: dict[str, Any]) -> None:
    """Refuses a recipe that its framework can't do, before any picture is read; for a process of its own.

    Raises:
        UnfreezeError: as the `check` of the framework's package.
    """
    asked = Recipe.model_validate(recipe)
    load_backend(asked.framework).check(asked)


def _not_installed(framework: str, package: str | None) -> FrameworkError:
    extra = BACKENDS[framework][1]
    return FrameworkError(
        f"framework: {framework} needs the package {package}, which isn't installed: pip install 'unfreeze[{extra}]'"
    )
