"""The pictures of all PyTorch peers: torchvision's `ImageFolder` and transforms, with Pillow, as tutorials have it."""

from __future__ import annotations

from pathlib import Path

from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder
from torchvision.transforms import InterpolationMode

from peers.job import BATCH_SIZE, CROP_MIN_AREA, MEAN, SHORT_SIDE_PX, SIDE_PX, STD, WORKERS, Job

SPLITS = ("train", "validation", "test")


def to_size(random: bool) -> transforms.Compose:
    """Pillow image to Pillow image of 224 × 224; `random` crops and mirrors at random."""
    if random:
        crop = transforms.RandomResizedCrop(SIDE_PX, (CROP_MIN_AREA, 1), interpolation=InterpolationMode.BICUBIC)
        return transforms.Compose([crop, transforms.RandomHorizontalFlip()])
    return transforms.Compose([transforms.Resize(SHORT_SIDE_PX, InterpolationMode.BICUBIC), transforms.CenterCrop(SIDE_PX)])


def open_split(job: Job, split: str) -> ImageFolder:
    to_tensor = [transforms.ToTensor(), transforms.Normalize(MEAN, STD)]
    prepare = transforms.Compose([to_size(job.augment and split == "train"), *to_tensor])
    return ImageFolder(str(Path(job.data, split)), prepare)


def open_loaders(job: Job) -> tuple[DataLoader, DataLoader, DataLoader]:
    """Of the training, validation and test pictures."""
    train, validation, test = (
        DataLoader(open_split(job, split), BATCH_SIZE, shuffle=split == "train", num_workers=WORKERS) for split in SPLITS
    )
    return train, validation, test
