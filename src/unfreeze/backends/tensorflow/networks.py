"""Any CNN by its name: timm's, carried over from PyTorch, or one of `keras.applications`."""

from __future__ import annotations

import fnmatch
from dataclasses import replace

import keras

from unfreeze.backends.tensorflow import applications, carried, stochastic_depth
from unfreeze.backends.tensorflow.head import add_head, head_stage
from unfreeze.backends.tensorflow.machine import choose_device
from unfreeze.backends.tensorflow.opened import Opened
from unfreeze.errors import ModelError, did_you_mean
from unfreeze.recipe.network import Network
from unfreeze.recipe.recipe import Recipe
from unfreeze.training.backend import ModelEntry


def check(recipe: Recipe) -> None:
    """Refuses what can be refused before any picture is read.

    Raises:
        ModelError: no such network, or no such weights file.
        RecipeError: the device asked for isn't there, or stochastic depth isn't in the network.
    """
    _check_name(recipe.model)
    if recipe.model in applications.names():
        applications.check(recipe.model, recipe.weights)
        stochastic_depth.check(recipe.model, recipe.stochastic_depth)
    else:
        carried.check(recipe)
    choose_device(recipe.device)


def make_model(recipe: Recipe, classes: int) -> tuple[keras.Model, Network]:
    """The network of a recipe with a new head for `classes` classes, and its description.

    Raises:
        ModelError: no such network, or its weights can't be had.
        RecipeError: the input is too small for the network, or stochastic depth isn't in it.
    """
    opened = _open_base(recipe)
    stochastic_depth.seed(opened.base, recipe.seed)
    model = add_head(opened.base, classes, recipe.head, recipe.seed)
    return model, describe(opened, recipe.model, model)


def describe(opened: Opened, name: str, model: keras.Model) -> Network:
    """The network as the strategies see it, with the new head's stage."""
    return Network(
        name=name,
        architecture=opened.architecture,
        framework="tensorflow",
        weights=opened.weights,
        pretrained=opened.pretrained,
        contract=opened.contract,
        minimum_side_px=opened.minimum_side_px,
        stages=(*opened.stages, head_stage(model)),
    )


def describe_network(name: str) -> Network:
    """The stages and contract of a network by its name, with random weights and a head for two classes.

    Raises:
        ModelError: as `make_model`.
    """
    recipe = Recipe(framework="tensorflow", model=name, weights="none")
    opened = _open_base(recipe, keep=False)
    return describe(opened, name, add_head(opened.base, 2, recipe.head, recipe.seed))


def list_models(pattern: str | None = None) -> list[ModelEntry]:
    """The networks of `keras.applications`: the tested ones, or all that match a pattern with `*`."""
    names = applications.TESTED if pattern is None else fnmatch.filter(applications.names(), pattern)
    return [ModelEntry(name, "Keras's site", ("tensorflow",)) for name in names]


def _open_base(recipe: Recipe, keep: bool = True) -> Opened:
    _check_name(recipe.model)
    if recipe.model not in applications.names():
        return carried.open_carried(recipe, keep)
    keras.utils.set_random_seed(recipe.seed)  # for random weights
    stochastic_depth.check(recipe.model, recipe.stochastic_depth)
    opened = applications.open_application(recipe.model, recipe.weights, recipe.input.side_px)
    return replace(opened, base=stochastic_depth.set_rate(opened.base, recipe.stochastic_depth))


def _check_name(name: str) -> None:
    """Names of `keras.applications` have capitals, timm's haven't: so a misspelt one needs no child process to be refused."""
    if name != name.lower() and name not in applications.names():
        raise ModelError(
            f"no network '{name}' in keras.applications.{did_you_mean(name, applications.names())} `unfreeze models` lists the"
            " tested ones. Names of timm's networks are lower-case."
        )
