"""The stages of a network of `keras.applications`, in forward order."""

from __future__ import annotations

import re

import keras

from unfreeze.errors import ModelError
from unfreeze.recipe.network import STEM, Layer, Stage

# What begins a stage, by how Keras names the network (the first start that fits) and its layers: the first layer with weights
# at or after the first sight of each new match. The stages are timm's of the same network, with two differences: those of
# layers that Keras counts to the classifier are absent (the last of VGG and MobileNetV3), and where timm makes a stage of
# every cell of InceptionResNetV2 and NASNet, here a stage is the cells of one resolution.
_BEGINS = {
    "resnet": r"^conv[2-5]",
    "densenet": r"^conv[2-5]",
    "vgg": r"^block[2-5]",
    "efficientnet": r"^block\d",
    "convnext": r"stage_0|downsampling_block_\d",
    "xception": r"^block([2-9]|1\d)_",
    "mobilenetv3small": r"^expanded_conv_(depthwise|1_|3_|6_|8_)|^conv_1$",
    "mobilenetv3large": r"^expanded_conv_(depthwise|1_|3_|6_|10_|12_)|^conv_1$",
    "mobilenetv2": r"^expanded_conv|^block_(1|3|6|10|13|16)_",
    "mobilenet": r"^conv_dw_(1|2|4|6|12)$",
    "inception_v3": r"^max_pooling2d(_1)?$|^mixed\d$",
    "inception_resnet_v2": r"^max_pooling2d(_1)?$|^block35_10_ac$|^block17_20_ac$",
    "nasnet": r"^adjust_conv_1_0$|^reduction_conv_1_reduce_\d+$",
}
# Weights of at least so many dimensions are convolutions or dense layers; vectors are norms, scales, biases.
_MATRIX = 2


def stages_of(base: keras.Model) -> tuple[Stage, ...]:
    """The stages of a network of `keras.applications` made without its classifier: `stem`, then `stage1` … `stageN`.

    Every top-level layer that holds weights is in one stage; a model inside the model counts as one layer. Layers that Keras
    names by counting must be named as in a fresh process, and all must be trainable, as `applications.open_application` has
    them.

    Raises:
        ModelError: a network whose layers this version doesn't know.
    """
    begins = _begins(base)
    groups: list[list[Layer]] = [[]]
    seen: set[str] = set()
    for layer in base.layers:
        match = re.search(begins, layer.name)
        if match and match.group() not in seen:
            seen.add(match.group())
            groups.append([])
        if layer.weights:
            groups[-1].append(_layer(layer))
    names = [STEM, *(f"stage{number}" for number in range(1, len(groups)))]
    return tuple(Stage(name=name, layers=tuple(layers)) for name, layers in zip(names, groups, strict=True))


def _begins(base: keras.Model) -> str:
    for start, pattern in _BEGINS.items():
        if base.name.lower().startswith(start):
            return pattern
    raise ModelError(f"no stages are known for {base.name}: choose another network")


def _layer(layer: keras.Layer) -> Layer:
    shapes = [weight.shape for weight in layer.trainable_weights]
    return Layer(
        path=layer.name,
        parameters=sum(weight.shape.num_elements() for weight in layer.trainable_weights),
        counts=any(len(shape) >= _MATRIX for shape in shapes),
    )
