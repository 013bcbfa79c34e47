"""The pieces for a Keras `fit` of one's own, on models that unfreeze didn't make: what is frozen keeps its bytes, and so on."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers as kl

from unfreeze.errors import ModelError, RecipeError
from unfreeze.keras import GradualUnfreezing, assert_frozen, class_weights, freeze, replace_head, stages

LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
IMAGES = np.random.default_rng(0).random((8, 32, 32, 3), dtype=np.float32)
LABELS = np.arange(8) % 4


def own(head: bool = True) -> keras.Model:
    """A functional model of a person's own: dropout and a residual block, a flattened map, two dense layers."""
    values = inputs = keras.Input((32, 32, 3))
    for filters in (4, 8):
        values = kl.Conv2D(filters, 3, strides=2, padding="same", name=f"conv{filters}")(values)
        values = kl.BatchNormalization(name=f"norm{filters}")(values)
        values = kl.Dropout(0.5, name=f"drop{filters}")(values)
    way = kl.BatchNormalization(name="norm")(kl.Conv2D(8, 3, strides=2, padding="same", name="conv")(values))
    around = kl.Conv2D(8, 1, strides=2, name="around")(values)
    values = way * 0.5 + kl.Dropout(0.5, name="drop")(around)
    if head:
        values = kl.Dense(4, name="fc2")(kl.Dense(6, activation="relu", name="fc1")(kl.Flatten()(values)))
    return keras.Model(inputs, values, name="own")


def sequential() -> keras.Model:
    """A hand-written base of any size, used as a layer behind augmentation."""
    base = keras.Sequential(
        [
            keras.Input((None, None, 3)),
            kl.Conv2D(4, 3, strides=2, name="a"),
            kl.BatchNormalization(name="b"),
            kl.Conv2D(4, 3, strides=2, name="c"),
            kl.Dropout(0.5, name="d"),
        ],
        name="base",
    )
    return keras.Sequential(
        [keras.Input((32, 32, 3)), kl.RandomFlip(name="flip"), base, kl.GlobalAveragePooling2D(), kl.Dense(4)]
    )


def nested() -> keras.Model:
    """A network of keras.applications used as a layer, as the guide on transfer learning has it."""
    base = keras.applications.MobileNetV2(input_shape=(32, 32, 3), alpha=0.35, weights=None, include_top=False, pooling="avg")
    base.trainable = False
    inputs = keras.Input((32, 32, 3))
    return keras.Model(inputs, kl.Dense(4, name="fc")(kl.Dropout(0.2)(base(inputs, training=False))))


def compiled(model: keras.Model, rate: float = 0.01) -> keras.Model:
    model.compile(keras.optimizers.Adam(rate, epsilon=1e-12), LOSS)
    return model


def fit(model: keras.Model, **options: Any) -> None:
    model.fit(IMAGES, LABELS, batch_size=8, verbose=0, **options)


def values(model: keras.Model) -> dict[str, np.ndarray]:
    return {weight.path: weight.numpy() for weight in model.weights}


def moved(before: dict[str, np.ndarray], after: dict[str, np.ndarray]) -> set[str]:
    return {path.split("/")[-2] for path in before if before[path].tobytes() != after[path].tobytes()}


@pytest.fixture(autouse=True)
def _seeded() -> None:
    keras.utils.set_random_seed(0)


APPLICATIONS = {
    "MobileNetV2": "Conv1 expanded_conv_depthwise block_1_expand block_3_expand block_6_expand block_10_expand block_13_expand"
    " block_16_expand predictions",
    "ResNet50": "conv1_conv conv2_block1_1_conv conv3_block1_1_conv conv4_block1_1_conv conv5_block1_1_conv predictions",
    "EfficientNetB0": "normalization block1a_dwconv block2a_expand_conv block3a_expand_conv block4a_expand_conv"
    " block5a_expand_conv block6a_expand_conv block7a_expand_conv predictions",
}


@pytest.mark.parametrize("name", APPLICATIONS)
def test_networks_of_keras_applications(name: str) -> None:
    model = getattr(keras.applications, name)(input_shape=(32, 32, 3), weights=None)
    parts = stages(model)
    assert [stage.layers[0].path for stage in parts] == APPLICATIONS[name].split()
    assert sum(stage.parameters for stage in parts) == model.count_params() - sum(
        int(np.prod(weight.shape)) for weight in model.non_trainable_weights
    )
    new = replace_head(model, 3)
    assert new.output.shape == (None, 3)
    assert [stage.name for stage in stages(new)] == [stage.name for stage in parts]
    assert all(new.get_layer(layer.path) is model.get_layer(layer.path) for stage in parts[:-1] for layer in stage.layers)
    last = parts[-2].name
    freeze(new, last)
    assert [stage.parameters for stage in stages(new)][:-1] == [stage.parameters for stage in parts][:-1]
    trained = {weight.path.split("/")[0] for weight in new.trainable_weights}
    assert trained == {layer.path for stage in stages(new)[-2:] for layer in stage.layers if layer.parameters}
    if name == "EfficientNetB0":  # stochastic depth of the frozen blocks, not of those that train
        held = [layer.name for layer in new.layers if "call" in vars(layer) and isinstance(layer, kl.Dropout)]
        assert held == [layer.name for layer in new.layers if isinstance(layer, kl.Dropout)][: len(held)]
        assert held[-1] == "block6d_drop"


def test_stages_of_hand_written_models() -> None:
    assert [(stage.name, [layer.path for layer in stage.layers]) for stage in stages(own())] == [
        ("stem", ["conv4", "norm4"]),
        ("stage1", ["conv8", "norm8"]),
        ("stage2", [layer.path for layer in stages(own())[2].layers]),
        ("head", ["fc1", "fc2"]),
    ]
    assert {layer.path for layer in stages(own())[2].layers} == {"conv", "norm", "around"}
    assert [stage.name for stage in stages(own(head=False))] == ["stem", "stage1", "stage2"]
    assert [stage.layers[0].path for stage in stages(sequential())][:2] == ["base/a", "base/c"]
    assert stages(nested())[-1].layers[0].path == "fc"
    with pytest.raises(ModelError, match="isn't built yet"):
        stages(keras.Sequential([kl.Dense(2)]))


@pytest.mark.parametrize(
    ("make", "before", "trains"),
    [
        (own, "norm8", {"norm8", "conv", "norm", "around", "fc1", "fc2"}),
        (sequential, "head", {"dense"}),
        (nested, "head", {"fc"}),
    ],
    ids=["functional", "sequential", "nested"],
)
def test_what_is_frozen_keeps_its_bytes_and_the_boundary_moves_between_fits(make: Any, before: str, trains: set[str]) -> None:
    model = compiled(freeze(make(), before))
    start = values(model)
    with assert_frozen(model, before):
        fit(model)
    assert {name.partition("_")[0] if name.startswith("dense") else name for name in moved(start, values(model))} == trains
    if make is nested:
        return
    optimizer, kept = model.optimizer, {variable.path: variable.numpy() for variable in model.optimizer.variables}
    freeze(model, "stem")
    assert model.optimizer is not optimizer
    now = {variable.path.partition("/")[2]: variable.numpy() for variable in model.optimizer.variables}
    assert all(now[path.partition("/")[2]].tobytes() == value.tobytes() for path, value in kept.items())
    fit(model)
    assert moved(start, values(model)) == {path.split("/")[-2] for path in start}
    assert not any("call" in vars(layer) for layer in model._flatten_layers())


def test_frozen_layers_infer_inside_fit_and_augmentation_goes_on() -> None:
    model = freeze(own(), "stage2")
    features = keras.Model(model.input, model.get_layer("norm8").output)
    once, twice = (features(IMAGES, training=True).numpy() for _ in range(2))
    assert once.tobytes() == twice.tobytes() == features(IMAGES, training=False).numpy().tobytes()
    assert (model(IMAGES, training=True).numpy() != model(IMAGES, training=True).numpy()).any()  # drop8 is before what trains
    held = {layer.name for layer in freeze(sequential(), "head")._flatten_layers() if "call" in vars(layer)}
    assert "d" in held
    assert "flip" not in held


def test_a_new_head_pools_what_was_flattened_and_shares_the_rest() -> None:
    model = own()
    new = replace_head(model, 3, hidden=(5,), dropout=0.5)
    maps = keras.Model(model.input, new.get_layer("new_head.pool").input)(IMAGES).numpy()
    hidden = np.maximum(maps.mean((1, 2)) @ new.get_layer("new_head.hidden1").kernel.numpy(), 0)
    np.testing.assert_allclose(new(IMAGES), hidden @ new.get_layer("new_head.output").kernel.numpy(), rtol=1e-4, atol=1e-6)
    assert model.output.shape == (None, 4)
    assert replace_head(own(head=False), 3).output.shape == replace_head(nested(), 3).output.shape == (None, 3)
    with pytest.raises(RecipeError, match=r"hidden: .* won't do"):
        replace_head(model, 3, hidden=(0,))


def test_what_moved_is_named_with_its_likely_cause() -> None:
    model = compiled(own())
    message = r"6 of 6 frozen tensors before 'stage1' moved: conv4/kernel \(by up to .*follow the batches in fit"
    with pytest.raises(ModelError, match=message), assert_frozen(model, "stage1"):
        fit(model)
    with pytest.raises(ModelError, match=r"named 'conv9'\. Did you mean 'conv"):
        freeze(model, "conv9")


class Seen(keras.callbacks.Callback):
    """What a `fit` looks like after each epoch, before the callback that comes after it."""

    def __init__(self, gradual: GradualUnfreezing) -> None:
        super().__init__()
        self.gradual, self.epochs = gradual, []

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        slots = {variable.path.partition("/")[2]: variable.numpy() for variable in self.model.optimizer.variables}
        self.epochs.append((self.gradual.boundary, self.gradual.rates, values(self.model), slots))


def test_gradual_unfreezing_keeps_moments_and_sets_rates_within_one_fit() -> None:
    model = compiled(own())
    start = values(model)
    gradual = GradualUnfreezing(epochs=1, rate_factor=0.5, stage_rate_factor=0.1, down_to="stage1")
    seen = Seen(gradual)
    fit(model, epochs=3, callbacks=[seen, gradual])
    (first, _, after_head, slots), (second, rates, after_step, later), (third, *_) = seen.epochs
    assert [first, second, third] == ["head", "stage2", "stage1"]
    assert moved(start, after_head) == {"fc1", "fc2"}
    assert moved(after_head, after_step) == {"conv", "norm", "around", "fc1", "fc2"}
    assert rates == pytest.approx({"stage2": 0.01 * 0.5 * 0.1, "head": 0.01 * 0.5})
    # Adam's first step is the rate in every value, whatever the gradient: also of what joins at the second.
    step = np.abs(after_step["conv/kernel"] - after_head["conv/kernel"])
    assert np.median(step) == pytest.approx(rates["stage2"], rel=1e-3)
    # The head's moments went on: velocity = 0.999 · before + 0.001 · gradient², so it is never less.
    name = next(path for path in slots if path.startswith("fc2_kernel") and "velocity" in path)
    assert (later[name] >= 0.999 * slots[name] - 1e-12).all()
    assert slots[name].any()
    assert "update_step" not in vars(model.optimizer)
    fit(model, callbacks=[gradual])  # goes on where it ended
    assert gradual.boundary == "stage1"
    with pytest.raises(RecipeError, match="'val_loss' isn't in the logs; there are loss"):
        fit(compiled(own()), callbacks=[GradualUnfreezing()])


def test_class_weights_are_for_fit() -> None:
    assert class_weights([0, 0, 0, 1, 2, 2]) == pytest.approx({0: 2 / 3, 1: 2.0, 2: 1.0})
