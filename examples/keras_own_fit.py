"""The pieces in a Keras `fit` of your own: another head, gradual unfreezing, class weights, and proof that frozen is frozen.

python examples/keras_own_fit.py

It trains a small network on handwritten digits for seconds. In earnest it would be one that was pretrained, such as
keras.applications.ResNet50().
"""

import keras
import numpy as np
from sklearn.datasets import load_digits

from unfreeze.keras import GradualUnfreezing, assert_frozen, class_weights, freeze, replace_head, stages

keras.utils.set_random_seed(0)
digits = load_digits()
images = np.repeat(np.repeat(digits.images[:320, :, :, None], 4, axis=1), 4, axis=2) / 16  # [B, 32, 32, 1] in 0–1
labels = digits.target[:320]

values = inputs = keras.Input((32, 32, 1))
for filters in (16, 32):
    values = keras.layers.Conv2D(filters, 3, padding="same", name=f"conv{filters}")(values)
    values = keras.layers.BatchNormalization(name=f"norm{filters}")(values)
    values = keras.layers.ReLU()(values)
    values = keras.layers.MaxPooling2D()(values)
values = keras.layers.GlobalAveragePooling2D()(values)
pretrained = keras.Model(inputs, keras.layers.Dense(1000, name="classifier")(values))

model = replace_head(pretrained, classes=10, dropout=0.2)
for stage in stages(model):
    print(f"{stage.name:8} from {stage.layers[0].path:16} {stage.parameters:>10,} parameters")

model.compile(keras.optimizers.Adam(1e-3), keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
gradual = GradualUnfreezing(epochs=1, rate_factor=0.5, warmup_steps=4, down_to="stage1")
with assert_frozen(model, before="stage1"):
    model.fit(
        images[:256],
        labels[:256],
        validation_data=(images[256:], labels[256:]),
        class_weight=class_weights(labels[:256]),
        epochs=2,
        verbose=2,
        callbacks=[gradual],
    )
print("train now:", ", ".join(f"{name} at {rate:.1g}" for name, rate in gradual.rates.items()))

freeze(model, before="norm32")  # or a boundary of your own, by the name of a layer
print("train from norm32 on:", len(model.trainable_variables), "variables")
