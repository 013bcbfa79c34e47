"""fastai: `vision_learner`, `freeze` and `freeze_to`, `fit`, at its defaults, which train the BatchNorm of frozen layers.

The learner's parameters are in three groups, so that `freeze_to(-2)` unfreezes the last block.
"""

from __future__ import annotations

from pathlib import Path

import torch
from fastai.callback.core import Callback
from fastai.data.core import DataLoaders
from fastai.vision.all import ImageDataLoaders, Normalize, PILImage, Transform, accuracy, params, set_seed, vision_learner
from torch import nn

from peers.job import BATCH_SIZE, MEAN, RATES, STD, WEIGHT_DECAY, WORKERS, Clock, Job, read_job
from peers.network import new_head, open_backbone
from peers.pictures import to_size


def main() -> None:
    job = read_job()
    clock = Clock(job)
    clock.part("importing")
    set_seed(job.seed)
    dls, backbone = open_dataloaders(job), open_backbone(job)
    learn = vision_learner(
        dls,
        lambda pretrained: in_parts(backbone),  # noqa: ARG005
        pretrained=False,
        custom_head=nn.Sequential(backbone.last[-1], new_head(dls.c)),
        splitter=split,
        metrics=accuracy,
        wd=WEIGHT_DECAY,
        path=job.out,
        cbs=EpochClock(clock),
    )
    clock.part("preparing")
    for phase, epochs in job.phases:
        learn.epoch_clock.phase = phase
        learn.freeze_to({"head": -1, "last block": -2, "whole": 0}[phase])
        with learn.no_bar(), learn.no_logging():
            learn.fit(epochs, RATES[phase])
    learn.save("model")
    learn.remove_cb(learn.epoch_clock)
    files = sorted(Path(job.data, "test").glob("*/*"))
    labels = torch.tensor([list(dls.vocab).index(file.parent.name) for file in files])
    with learn.no_bar():
        predictions, _ = learn.get_preds(dl=dls.test_dl(files, num_workers=WORKERS))
    clock.write(job, int((predictions.argmax(1) == labels).sum()), len(files))


def open_dataloaders(job: Job) -> DataLoaders:
    return ImageDataLoaders.from_folder(
        job.data,
        train="train",
        valid="validation",
        item_tfms=[ToSize(job.augment)],
        batch_tfms=[Normalize.from_stats(MEAN, STD)],
        bs=BATCH_SIZE,
        num_workers=WORKERS,
    )


def in_parts(backbone: nn.Sequential) -> nn.Sequential:
    """Early blocks, last block, pooling: `vision_learner` cuts the last pooling off and puts the head in its place."""
    return nn.Sequential(backbone.early, backbone.last[:-1], backbone.last[-1])


def split(model: nn.Sequential) -> list[list[nn.Parameter]]:
    """The groups that `freeze_to` counts from the end."""
    (early, last), head = model
    return [params(early), params(last), params(head)]


class ToSize(Transform):
    """The same resizing and cropping as the other peers; at random in training only."""

    split_idx = None

    def __init__(self, random: bool) -> None:
        super().__init__()
        self._random, self._centre = to_size(random), to_size(random=False)

    def __call__(self, item: object, split_idx: int | None = None, **options: object) -> object:
        self._training = split_idx == 0
        return super().__call__(item, split_idx=split_idx, **options)

    def encodes(self, image: PILImage) -> PILImage:
        return PILImage((self._random if self._training else self._centre)(image))


class EpochClock(Callback):
    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.clock, self.phase = clock, ""

    def after_epoch(self) -> None:
        self.clock.epoch(self.phase)


if __name__ == "__main__":
    main()
