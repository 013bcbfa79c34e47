"""Grad-CAM in TensorFlow: where a network has no map that all goes through."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from unfreeze.backends.tensorflow.gradcam import grad_cam

SHOWN = [(tf.random.stateless_uniform((2, 8, 8, 3), (0, 1)), tf.constant([0, 1], tf.int64))]


def network(*, way_round: bool) -> keras.Model:
    keras.utils.set_random_seed(0)
    images = keras.Input((8, 8, 3))
    first = layers.Conv2D(4, 3, strides=2, padding="same")(images)
    second = layers.Conv2D(4, 3, padding="same", activation="relu")(first)
    pooled = [layers.GlobalAveragePooling2D()(values) for values in ([first, second] if way_round else [second])]
    features = layers.Concatenate()(pooled) if way_round else pooled[0]
    return keras.Model(images, layers.Dense(2)(features))


def test_a_linear_head_makes_it_a_sum_of_maps_by_its_weights() -> None:
    model = network(way_round=False)
    maps = grad_cam(model, SHOWN)
    features = keras.Model(model.input, model.layers[2].output)(SHOWN[0][0]).numpy()
    kernel = model.layers[-1].kernel.numpy()
    by_hand = np.stack([np.maximum(features[place] @ kernel[:, place], 0) for place in range(2)])
    assert by_hand.max() > 0
    np.testing.assert_allclose(maps, by_hand / by_hand.max(axis=(1, 2), keepdims=True), atol=1e-5)


def test_there_is_none_where_all_does_not_go_through_one() -> None:
    assert grad_cam(network(way_round=True), SHOWN) is None


def test_there_is_none_without_a_map() -> None:
    numbers = keras.Input((5,))
    assert grad_cam(keras.Model(numbers, layers.Dense(2)(numbers)), SHOWN) is None
