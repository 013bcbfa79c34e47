"""Hugging Face `Trainer`: a module that gives `loss` and `logits`, parameters of the base frozen by `requires_grad = False`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.datasets import ImageFolder
from transformers import Trainer, TrainerCallback, TrainingArguments

from peers.job import BATCH_SIZE, RATES, WEIGHT_DECAY, WORKERS, Clock, Job, read_job
from peers.network import Classifier, freeze
from peers.pictures import SPLITS, open_split


def main() -> None:
    job = read_job()
    clock = Clock(job)
    clock.part("importing")
    torch.manual_seed(job.seed)
    train, validation, test = (Examples(open_split(job, split)) for split in SPLITS)
    model = ForTrainer(job, len(train.pictures.classes))
    for phase, epochs in job.phases:
        freeze(model, phase)
        trainer = Trainer(
            model,
            arguments(job, phase, epochs),
            train_dataset=train,
            eval_dataset=validation,
            compute_metrics=accuracy,
            callbacks=[EpochClock(clock, phase)],
        )
        clock.part("preparing")
        trainer.train()
    trainer.save_model()
    right = accuracy(trainer.predict(test))["accuracy"] * len(test)
    clock.write(job, round(right), len(test))


def arguments(job: Job, phase: str, epochs: int) -> TrainingArguments:
    return TrainingArguments(
        output_dir=str(Path(job.out, "trainer")),
        per_device_train_batch_size=BATCH_SIZE,
        per_device_eval_batch_size=BATCH_SIZE,
        learning_rate=RATES[phase],
        weight_decay=WEIGHT_DECAY,
        lr_scheduler_type="constant",
        num_train_epochs=epochs,
        eval_strategy="epoch",
        save_strategy="no",
        logging_strategy="epoch",
        dataloader_num_workers=WORKERS,
        report_to="none",
        disable_tqdm=True,
        seed=job.seed,
    )


class ForTrainer(Classifier):
    """The network with its loss, as the Trainer wants it."""

    def forward(self, pixel_values: Tensor, labels: Tensor | None = None) -> dict[str, Tensor]:
        logits = super().forward(pixel_values)
        return {"logits": logits} if labels is None else {"loss": F.cross_entropy(logits, labels), "logits": logits}


class Examples(torch.utils.data.Dataset):
    """Pictures by the Trainer's names."""

    def __init__(self, pictures: ImageFolder) -> None:
        self.pictures = pictures

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, number: int) -> dict[str, Any]:
        image, label = self.pictures[number]
        return {"pixel_values": image, "labels": label}


class EpochClock(TrainerCallback):
    def __init__(self, clock: Clock, phase: str) -> None:
        self._clock, self._phase = clock, phase

    def on_evaluate(self, *_: Any, **__: Any) -> None:
        self._clock.epoch(self._phase)


def accuracy(prediction: Any) -> dict[str, float]:
    return {"accuracy": float(np.mean(prediction.predictions.argmax(1) == prediction.label_ids))}


if __name__ == "__main__":
    main()
