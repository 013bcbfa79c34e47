"""Any CNN of `keras.applications` by its name: from Keras's site, from a local file, or with random weights."""

from __future__ import annotations

import contextlib
import inspect
import json
import re
import warnings
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

import h5py
import keras
import numpy as np
from keras.src.backend.common import global_state
from keras.src.utils import naming
from numpy.typing import NDArray

from unfreeze.backends.tensorflow.opened import Opened
from unfreeze.backends.tensorflow.site import offline_where_unreachable
from unfreeze.backends.tensorflow.stages import stages_of
from unfreeze.errors import ModelError, RecipeError, did_you_mean, first_line
from unfreeze.recipe.network import InputContract

PRETRAINED, PRETRAINED_OR_RANDOM, RANDOM = "pretrained", "pretrained-or-random", "none"
# Families whose stages and weights files the tests go through; other networks of keras.applications work by the same code.
TESTED = (
    "ResNet50", "ResNet50V2", "MobileNet", "MobileNetV2", "MobileNetV3Small", "EfficientNetB0", "EfficientNetV2B0",
    "DenseNet121", "VGG16", "InceptionV3", "Xception", "ConvNeXtTiny", "NASNetMobile",
)  # fmt: skip
_SUFFIXES = (".h5", ".keras")
_IMAGENET_STD = (0.229, 0.224, 0.225)


def names() -> tuple[str, ...]:
    """The networks of `keras.applications`, all of them CNNs."""
    return tuple(sorted(name for name, member in vars(keras.applications).items() if inspect.isfunction(member)))


def check(name: str, weights: str) -> None:
    """Refuses what can be refused before any picture is read.

    Raises:
        ModelError: no such network, or no such weights file.
    """
    _constructor(name)
    if weights not in (PRETRAINED, PRETRAINED_OR_RANDOM, RANDOM):
        _weights_file(Path(weights))


def open_application(name: str, weights: str, side_px: int | Literal["auto"]) -> Opened:
    """The network `name`, without its classifier, at one input size.

    Its layers and their names are the same each time and whatever the weights. Random weights follow Keras's global seed:
    call `keras.utils.set_random_seed` first.

    Args:
        weights: `pretrained` for the ImageNet weights of Keras's site (kept in Keras's own cache); `pretrained-or-random`;
            `none`; or the path of a file with weights of this network, with or without its classifier, which is left out:
            `.weights.h5` or `.keras` of Keras 3, `.h5` of Keras 2.
        side_px: height and width of the input; `auto` is the size the network was made for.

    Raises:
        ModelError: no such network, or its weights can't be had.
        RecipeError: the input is too small for the network.
    """
    contract, minimum = contract_of(name), minimum_side_px(name)
    side = contract.side_px if side_px == "auto" else side_px
    if side < minimum:
        raise RecipeError(
            f"input.side_px: {side} is too small for {name}: give at least {minimum}"
            f" (its checkpoint was made for {contract.side_px})"
        )
    base = _build(name, side)
    words, pretrained = _load(base, name, side, weights)
    return Opened(base, name, contract.with_side(side), minimum, stages_of(base), words, pretrained)


def contract_of(name: str) -> InputContract:
    """What the published weights of a network expect, at the size they were made for.

    Normalisation and channel order are read off the network's own `preprocess_input`, which is affine in each channel, and
    the size off its constructor. Keras says nothing about resizing: bicubic and a centre crop of 0.875 are timm's defaults
    (`timm.data.constants`), and what it has for most of the same networks.

    Raises:
        ModelError: no such network.
    """
    module = _constructor(name).__module__.rsplit(".", 1)[-1]
    preprocess = getattr(keras.applications, module).preprocess_input
    black, white, red = (preprocess(np.full((1, 1, 3), color, np.float64))[0, 0] for color in (0.0, 255.0, [255.0, 0.0, 0.0]))
    std = 1 / (white - black)
    mean = (0 - black) * std  # not -black, which has negative zeros
    backwards = bool(np.argmax(red - black) == 2)
    return InputContract(
        side_px=_default_side_px(name),
        interpolation="bicubic",
        crop_fraction=0.875,
        crop_mode="center",
        channel_order="BGR" if backwards else "RGB",
        mean=_in_rgb_order(mean, backwards),
        std=_in_rgb_order(std, backwards),
    )


def minimum_side_px(name: str) -> int:
    """The smallest side a network takes, as it says itself when asked for one pixel.

    Raises:
        ModelError: no such network.
    """
    return int(_refusal(name, r"at least (\d+)", include_top=False, weights=None) or 32)


class _WeightsError(Exception):
    """The pretrained weights can't be had; the message is the reason in a few words."""


def _constructor(name: str) -> Callable[..., keras.Model]:
    if name not in names():
        raise ModelError(f"no network '{name}' in keras.applications.{did_you_mean(name, names())}")
    constructor: Callable[..., keras.Model] = getattr(keras.applications, name)
    return constructor


def _build(name: str, side: int, weights: str | None = None) -> keras.Model:
    with _fresh_names(), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that weights were made for another side, which is meant
        return _constructor(name)(include_top=False, weights=weights, input_shape=(side, side, 3), pooling="avg")


@contextlib.contextmanager
def _fresh_names() -> Iterator[None]:
    """Without it InceptionV3's `conv2d_5` is `conv2d_99` the second time. The person's own layers go on counting afterwards."""
    counters = global_state.get_global_attribute("object_name_uids")
    naming.reset_uids()
    try:
        yield
    finally:
        global_state.set_global_attribute("object_name_uids", counters)


def _default_side_px(name: str) -> int:
    # MobileNetV3 takes any size with its classifier and names none: its documentation says 224.
    return int(_refusal(name, r"should be \((\d+)", include_top=True, weights="imagenet") or 224)


def _refusal(name: str, pattern: str, **options: Any) -> str | None:
    """The number in what the constructor says to a picture of one pixel, before it builds or fetches anything."""
    try:
        _constructor(name)(input_shape=(1, 1, 3), **options)
    except ValueError as error:
        found = re.search(pattern, str(error))
        return found.group(1) if found else None
    raise ModelError(f"{name} can't be used: it takes pictures of one pixel")


def _in_rgb_order(values: NDArray[np.float64], backwards: bool) -> tuple[float, float, float]:
    red, green, blue = (round(float(value), 12) for value in (values[::-1] if backwards else values))
    return red, green, blue


def _load(base: keras.Model, name: str, side: int, weights: str) -> tuple[str, bool]:
    """Loads the weights a recipe asks for; says where they came from, and whether they are pretrained."""
    if weights == RANDOM:
        return "random weights", False
    if weights not in (PRETRAINED, PRETRAINED_OR_RANDOM):
        file = _weights_file(Path(weights))
        _load_file(base, name, file)
        return f"from {file}", True
    try:
        _load_published(base, name, side)
    except _WeightsError as error:
        if weights == PRETRAINED:
            raise ModelError(
                f"the pretrained weights of {name} can't be had ({error}). Try again with a network connection, give a file"
                " with weights: PATH, use model: efficientnet_lite0, whose weights are installed, or weights: none"
            ) from None
        return f"random weights, because {error}", False
    return "pretrained: ImageNet weights of keras.applications", True


def _load_published(base: keras.Model, name: str, side: int) -> None:
    with offline_where_unreachable() as reachable:
        try:
            published = _build(name, side, "imagenet")
        except Exception as error:  # Keras raises bare exceptions where a download fails
            raise _WeightsError("Keras's site can't be reached" if not reachable else first_line(error).rstrip(".:")) from error
    _set_weights(base, [layer.get_weights() for layer in _with_weights(published)])


def _load_file(base: keras.Model, name: str, file: Path) -> None:
    try:
        if file.suffix == ".h5" and (saved := _read_keras_2(file)) is not None:
            _set_weights(base, saved)
        else:
            _load_keras_3(base, file)
    except Exception as error:  # damaged files fail in many ways, each of them "these weights can't be used"
        reason = first_line(error).rstrip(".:")
        raise ModelError(
            f"weights: {file} can't be loaded into {name}: {reason}.{_what_it_holds(file)} Give a .weights.h5, .h5"
            f" or .keras file of {name}, with or without its classifier."
        ) from None


def _weights_file(path: Path) -> Path:
    choices = (PRETRAINED, PRETRAINED_OR_RANDOM, RANDOM)
    if not path.is_file():
        raise ModelError(
            f"weights: there is no file '{path}'. Give a .weights.h5, .h5 or .keras file, or one of: {', '.join(choices)}."
            f"{did_you_mean(str(path), choices)}"
        )
    if path.suffix not in _SUFFIXES:
        raise ModelError(f"weights: '{path}' isn't a file of Keras weights: give a .weights.h5, .h5 or .keras file")
    return path


def _read_keras_2(file: Path) -> list[list[NDArray[Any]]] | None:
    """The tensors of each layer of a file in Keras 2's format, in forward order; None for Keras 3's."""
    with h5py.File(file) as content:
        root = content.get("model_weights", content)
        if "layer_names" not in root.attrs:
            return None
        groups = [root[layer] for layer in root.attrs["layer_names"]]
        tensors = [[_own(group, tensor) for tensor in group.attrs["weight_names"]] for group in groups]
    return [layer for layer in tensors if layer]


def _own(group: h5py.Group, name: str) -> NDArray[Any]:
    """A tensor that is in the file itself: HDF5 can also point into other files of the person's."""
    tensor = group[name]
    if tensor.external or Path(tensor.file.filename) != Path(group.file.filename):
        raise ValueError(f"its tensor {name} is in another file")
    values: NDArray[Any] = tensor[()]
    return values


def _load_keras_3(base: keras.Model, file: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # hundreds, ahead of the error, where the file is another network's
        base.load_weights(file)  # a classifier's layers come last and aren't looked at
    _settle_normalization(base)


def _set_weights(base: keras.Model, saved: Iterable[list[NDArray[Any]]]) -> None:
    """Gives each layer its tensors, in forward order; those of a classifier come last and are left over."""
    layers, saved = _with_weights(base), list(saved)
    if len(saved) < len(layers):
        raise ValueError(f"it holds {len(saved)} layers with weights, the network has {len(layers)}")
    for layer, tensors in zip(layers, saved, strict=False):
        layer.set_weights(tensors)
    _settle_normalization(base)


def _settle_normalization(base: keras.Model) -> None:
    """Makes EfficientNet's Normalization do what the published weights mean.

    They hold the standard deviation where the layer takes the variance; Keras makes up for it with one more Rescaling, but
    only where it downloads the weights itself (keras-team/keras, `applications/efficientnet.py`, tensorflow#49930), so that a
    copy of the same file gives other features. Here the variance is put right, and the layers are always the same.
    """
    for layer in _with_weights(base):
        if isinstance(layer, keras.layers.Normalization):
            mean, variance, count = layer.get_weights()
            if np.allclose(variance, _IMAGENET_STD, rtol=1e-3):
                layer.set_weights([mean, variance**2, count])
            layer.finalize_state()


def _with_weights(model: keras.Model) -> list[keras.Layer]:
    return [layer for layer in model.layers if layer.weights]


def _what_it_holds(file: Path) -> str:
    """` It holds a 'resnet101'.` where the file names its network, else nothing."""
    with contextlib.suppress(Exception):
        if file.suffix == ".keras":
            with zipfile.ZipFile(file) as archive:
                config = json.loads(archive.read("config.json"))
        else:
            with h5py.File(file) as content:
                config = json.loads(content.attrs["model_config"])
        return f" It holds a '{config['config']['name']}'."
    return ""
