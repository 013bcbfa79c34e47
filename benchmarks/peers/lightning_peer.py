"""Lightning with its `BackboneFinetuning` callback at its defaults, which leave the BatchNorm of a frozen backbone training.

To unfreeze the last block only, `finetune_function` is overridden, as the documentation of `BaseFinetuning` shows.
"""

from __future__ import annotations

from typing import Any

import lightning as L
import torch
import torch.nn.functional as F
from lightning.pytorch.callbacks import BackboneFinetuning, Callback

from peers.job import RATES, WEIGHT_DECAY, Clock, Job, read_job
from peers.network import Classifier
from peers.pictures import open_loaders
from peers.plain import count_right

NEVER = 10**6


def main() -> None:
    job = read_job()
    clock = Clock(job)
    clock.part("importing")
    L.seed_everything(job.seed)
    train, validation, test = open_loaders(job)
    model = LitClassifier(job, len(train.dataset.classes))
    epochs = [phase for phase, count in job.phases for _ in range(count)]
    callbacks = [EpochClock(clock, epochs)]
    if "head" in epochs:
        callbacks.append(LastBlockFinetuning(epochs.index("last block") if "last block" in epochs else NEVER))
    trainer = L.Trainer(max_epochs=len(epochs), callbacks=callbacks, default_root_dir=job.out, enable_progress_bar=False)
    clock.part("preparing")
    trainer.fit(model, train, validation)
    clock.write(job, count_right(model, test), len(test.dataset))


class LitClassifier(L.LightningModule):
    def __init__(self, job: Job, classes: int) -> None:
        super().__init__()
        network = Classifier(job, classes)
        self.backbone, self.head = network.backbone, network.head
        self._rate = RATES[job.phases[0][0]]

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.backbone(images))

    def training_step(self, batch: Any, _: int) -> torch.Tensor:
        images, labels = batch
        return F.cross_entropy(self(images), labels)

    def validation_step(self, batch: Any, _: int) -> None:
        images, labels = batch
        logits = self(images)
        self.log("val_loss", F.cross_entropy(logits, labels))
        self.log("val_accuracy", (logits.argmax(1) == labels).float().mean())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        parameters = filter(lambda parameter: parameter.requires_grad, self.parameters())
        return torch.optim.AdamW(parameters, lr=self._rate, weight_decay=WEIGHT_DECAY)


class LastBlockFinetuning(BackboneFinetuning):
    def finetune_function(self, pl_module: LitClassifier, epoch: int, optimizer: torch.optim.Optimizer) -> None:
        if epoch == self.unfreeze_backbone_at_epoch:
            rate = RATES["last block"]
            optimizer.param_groups[0]["lr"] = rate
            self.unfreeze_and_add_param_group(pl_module.backbone.last, optimizer, lr=rate, initial_denom_lr=1)


class EpochClock(Callback):
    def __init__(self, clock: Clock, phases: list[str]) -> None:
        self._clock, self._phases = clock, phases

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:  # noqa: ARG002
        self._clock.epoch(self._phases[trainer.current_epoch])


if __name__ == "__main__":
    main()
