"""Batch norms folded into the convolutions before them, for parts of a network that only infer."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

_FOLDABLE = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)


class Folded:
    """A copy of a model for inference that computes the same with fewer passes over memory.

    Keras computes a batch norm in inference as a multiplication and an addition of their own; TensorFlow fuses a convolution
    with a bias and an activation. The copy has weights of its own: `refresh` takes over the model's as they are now.

    Attributes:
        model: the copy.
    """

    def __init__(self, model: keras.Model) -> None:
        self._pairs = _pairs(model)
        norms = {norm.name for _, norm in self._pairs}
        convolutions = {convolution.name for convolution, _ in self._pairs}

        def copy(layer: keras.layers.Layer) -> keras.layers.Layer:
            config = layer.get_config()
            return type(layer).from_config(config | {"use_bias": True} if layer.name in convolutions else config)

        def call(layer: keras.layers.Layer, values: Any, *more: Any, **options: Any) -> Any:
            return values if layer.name in norms else layer(values, *more, **options)

        self.model: keras.Model = keras.models.clone_model(model, clone_function=copy, call_function=call)
        self._kept = [
            (layer, self.model.get_layer(layer.name))
            for layer in model.layers
            if layer.weights and layer.name not in norms | convolutions
        ]

    def refresh(self) -> None:
        """Takes over the weights of the model."""
        for source, copy in self._kept:
            for theirs, ours in zip(source.weights, copy.weights, strict=True):
                ours.assign(theirs)
            if isinstance(copy, keras.layers.Normalization):
                copy.finalize_state()  # it computes with constants made of its weights
        for convolution, norm in self._pairs:
            kernel, bias = _folded(convolution, norm)
            copy = self.model.get_layer(convolution.name)
            copy.kernel.assign(kernel)
            copy.bias.assign(bias)


def _pairs(model: keras.Model) -> list[tuple[Any, Any]]:
    """The batch norms that alone take what a linear convolution gives, with it."""
    nodes = [node for nodes in model._nodes_by_depth.values() for node in nodes]
    makers = {id(tensor): node.operation for node in nodes for tensor in node.output_tensors}
    uses = [id(tensor) for node in nodes for tensor in node.input_tensors] + [id(tensor) for tensor in model.outputs]
    found = []
    for node in nodes:
        if isinstance(node.operation, keras.layers.BatchNormalization):
            tensor = id(node.input_tensors[0])
            maker = makers.get(tensor)
            if isinstance(maker, _FOLDABLE) and maker.activation is keras.activations.linear and uses.count(tensor) == 1:
                found.append((maker, node.operation))
    return found


def _folded(convolution: Any, norm: Any) -> tuple[tf.Tensor, tf.Tensor]:
    scale = tf.math.rsqrt(norm.moving_variance.value + norm.epsilon)
    if norm.scale:
        scale *= norm.gamma.value
    bias = convolution.bias.value if convolution.use_bias else 0.0
    bias = (bias - norm.moving_mean.value) * scale
    if norm.center:
        bias += norm.beta.value
    kernel = convolution.kernel.value
    if isinstance(convolution, keras.layers.DepthwiseConv2D):
        scale = tf.reshape(scale, kernel.shape[2:])
    return kernel * scale, bias
