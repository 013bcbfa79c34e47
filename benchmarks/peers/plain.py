"""The plain loop of a tutorial: `ImageFolder`, `DataLoader` with two workers, float32, NCHW, `requires_grad = False`.

Variant `same means`: the same loop given what unfreeze does for a network's speed: glibc keeps freed memory, channels last,
and the frozen part in bfloat16.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from peers.job import RATES, WEIGHT_DECAY, Clock, read_job
from peers.network import Classifier, freeze, trainable
from peers.pictures import open_loaders

SAME_MEANS = "same means"


def main() -> None:
    job = read_job()
    clock = Clock(job)
    clock.part("importing")
    torch.manual_seed(job.seed)
    fast = job.variant == SAME_MEANS
    train, validation, test = open_loaders(job)
    model = Classifier(job, len(train.dataset.classes))
    if fast:
        keep_freed_memory()
        model = model.to(memory_format=torch.channels_last)
    clock.part("preparing")
    for phase, epochs in job.phases:
        freeze(model, phase)
        optimizer = torch.optim.AdamW(trainable(model), lr=RATES[phase], weight_decay=WEIGHT_DECAY)
        for _ in range(epochs):
            train_epoch(model, train, optimizer, fast)
            count_right(model, validation, fast)
            clock.epoch(phase)
    torch.save(model.state_dict(), Path(job.out, "model.pt"))
    clock.write(job, count_right(model, test, fast), len(test.dataset))


def train_epoch(model: Classifier, loader: torch.utils.data.DataLoader, optimizer: torch.optim.Optimizer, fast: bool) -> None:
    criterion = nn.CrossEntropyLoss()
    model.train()
    for images, labels in loader:
        optimizer.zero_grad()
        loss = criterion(forward(model, images, fast), labels)
        loss.backward()
        optimizer.step()


def count_right(model: Classifier, loader: torch.utils.data.DataLoader, fast: bool = False) -> int:
    model.eval()
    with torch.no_grad():
        return sum(int((forward(model, images, fast).argmax(1) == labels).sum()) for images, labels in loader)


def forward(model: Classifier, images: Tensor, fast: bool) -> Tensor:
    if not fast:
        return model(images)
    values = images.contiguous(memory_format=torch.channels_last)
    for part in (model.backbone.early, model.backbone.last):
        # bfloat16 pays without a backward pass only: docs/decisions/0005-precision-on-a-cpu.md.
        frozen = not trainable(part)
        with torch.autocast("cpu", torch.bfloat16, enabled=frozen and computes_in_bfloat16()):
            values = part(values if frozen else values.float())
    return model.head(values.float())


def computes_in_bfloat16() -> bool:
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))


def keep_freed_memory() -> None:
    from unfreeze.training.allocator import keep_freed_memory

    keep_freed_memory()


if __name__ == "__main__":
    main()
