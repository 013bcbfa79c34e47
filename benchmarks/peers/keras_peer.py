"""Keras `fit`, as its guide to transfer learning writes it: `base.trainable = False`, `compile`, `fit`; float32."""

from __future__ import annotations

from pathlib import Path

import keras
import tensorflow as tf
from keras import layers

from peers.job import BATCH_SIZE, DROPOUT, KERAS_BASE, RATES, SHORT_SIDE_PX, SIDE_PX, WEIGHT_DECAY, Clock, Job, read_job


def main() -> None:
    job = read_job()
    clock = Clock(job)
    clock.part("importing")
    keras.utils.set_random_seed(job.seed)
    train, classes = open_split(job, "train")
    validation, test = open_split(job, "validation")[0], open_split(job, "test")[0]
    base = keras.models.load_model(Path(job.weights, KERAS_BASE))
    model = make_model(base, classes)
    for phase, epochs in job.phases:
        freeze(base, phase)
        model.compile(
            keras.optimizers.AdamW(RATES[phase], weight_decay=WEIGHT_DECAY),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
        )
        clock.part("preparing")
        model.fit(train, epochs=epochs, validation_data=validation, callbacks=[EpochClock(clock, phase)], verbose=0)
    model.save(Path(job.out, "model.keras"))
    _, accuracy = model.evaluate(test, verbose=0)
    pictures = len(list(Path(job.data, "test").glob("*/*")))
    clock.write(job, round(accuracy * pictures), pictures)


def make_model(base: keras.Model, classes: int) -> keras.Model:
    inputs = keras.Input((SIDE_PX, SIDE_PX, 3))
    features = base(layers.Rescaling(1 / 127.5, offset=-1)(inputs), training=False)
    return keras.Model(inputs, layers.Dense(classes)(layers.Dropout(DROPOUT)(features)))


def freeze(base: keras.Model, phase: str) -> None:
    base.trainable = phase != "head"
    if phase == "last block":
        first = next(number for number, layer in enumerate(base.layers) if layer.name.startswith("blocks.6."))
        for layer in base.layers[:first]:
            layer.trainable = False


def open_split(job: Job, split: str) -> tuple[tf.data.Dataset, int]:
    """Batches of pictures and labels, and the number of classes."""
    dataset = keras.utils.image_dataset_from_directory(
        Path(job.data, split),
        image_size=(SHORT_SIDE_PX, SHORT_SIDE_PX),
        batch_size=BATCH_SIZE,
        interpolation="bicubic",
        crop_to_aspect_ratio=True,
        shuffle=split == "train",
        seed=job.seed,
        verbose=False,
    )
    random = job.augment and split == "train"
    crop = layers.RandomCrop(SIDE_PX, SIDE_PX) if random else layers.CenterCrop(SIDE_PX, SIDE_PX)
    prepare = keras.Sequential([crop, *([layers.RandomFlip("horizontal")] if random else [])])
    batches = dataset.map(lambda images, labels: (prepare(images, training=True), labels), num_parallel_calls=tf.data.AUTOTUNE)
    return batches.prefetch(tf.data.AUTOTUNE), len(dataset.class_names)


class EpochClock(keras.callbacks.Callback):
    def __init__(self, clock: Clock, phase: str) -> None:
        super().__init__()
        self._clock, self._phase = clock, phase

    def on_epoch_end(self, epoch: int, logs: object = None) -> None:  # noqa: ARG002
        self._clock.epoch(self._phase)


if __name__ == "__main__":
    main()
