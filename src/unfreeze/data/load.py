"""Batches of pictures, by Grain: decoded in parallel, in the same order every time."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unfreeze.data.augment import augment, view_generator
from unfreeze.data.balance import epoch_items
from unfreeze.data.dataset import Dataset, Record
from unfreeze.data.picture import read_picture
from unfreeze.data.prepare import prepare
from unfreeze.errors import DataError
from unfreeze.recipe.network import InputContract
from unfreeze.recipe.recipe import Augment

# Grain warns at import that JAX's profiler is missing; nobody here misses it.
logging.getLogger("absl").setLevel(logging.ERROR)
import grain  # noqa: E402

# A view's number is epoch × this + repeat, so that repeats of a picture within an epoch are different views.
_REPEATS_PER_EPOCH = 1_000_000


class Batch(NamedTuple):
    """Some pictures on their way to a backend.

    Attributes:
        images: uint8 [B, S, S, 3], RGB, 0–255, S the contract's side.
        labels: int64 [B], the network's output for each class.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]


class Loader:
    """The pictures of a dataset as batches.

    Args:
        dataset: with splits.
        contract: at the size to be used.
        batch_size: pictures per batch.
        augmentation: for training batches.
        oversample: repeat rare classes in training epochs.
        seed: fixes order and views.
        threads: that decode.
    """

    def __init__(
        self,
        dataset: Dataset,
        contract: InputContract,
        batch_size: int,
        augmentation: Augment,
        oversample: bool = False,
        seed: int = 0,
        threads: int = 2,
    ) -> None:
        self._contract = contract
        self._batch_size = batch_size
        self._augmentation = augmentation
        self._oversample = oversample
        self._seed = seed
        self._threads = threads
        numbers = {label: number for number, label in enumerate(dataset.classes)}
        self._splits: dict[str, tuple[Sequence[Record], NDArray[np.int64]]] = {}
        for name in dataset.splits:
            records = dataset.split(name)
            self._splits[name] = records, np.array([numbers[record.label] for record in records], np.int64)

    def labels(self, split: str) -> NDArray[np.int64]:
        """int64 [N]: the labels of a split, in the order in which `evaluation` gives its pictures."""
        return self._splits[split][1]

    def training(self, epoch: int) -> Iterator[Batch]:
        """The shuffled, augmented batches of one epoch (numbered from 0 over the whole run).

        The last batch may be smaller; a last batch of a single picture is left out of that epoch, because BatchNorm
        can't take statistics of one.

        Raises:
            DataError: a picture can't be read any more.
        """
        records, labels = self._splits["train"]
        items = epoch_items(labels.tolist(), self._oversample, self._seed, epoch)

        def view(item: tuple[int, int]) -> tuple[NDArray[np.uint8], np.int64]:
            picture, repeat = item
            generator = view_generator(self._seed, picture, epoch * _REPEATS_PER_EPOCH + repeat)
            image = read_picture(records[picture].path)
            return augment(image, self._contract, self._augmentation, generator), labels[picture]

        shuffled = grain.MapDataset.source(items).shuffle(seed=self._epoch_seed(epoch))
        for batch in self._batches(shuffled.map(view)):
            if len(batch.labels) > 1 or len(items) == 1:
                yield batch

    def evaluation(self, split: str) -> Iterator[Batch]:
        """The pictures of a split in the order of their names, prepared as the contract says, none left out.

        Raises:
            DataError: a picture can't be read any more.
        """
        records, labels = self._splits[split]

        def prepared(index: int) -> tuple[NDArray[np.uint8], np.int64]:
            return prepare(read_picture(records[index].path), self._contract), labels[index]

        yield from self._batches(grain.MapDataset.range(len(records)).map(prepared))

    def _batches(self, pictures: Any) -> Iterator[Batch]:
        yield from _batches(pictures, self._batch_size, self._threads)

    def _epoch_seed(self, epoch: int) -> int:
        return int(np.random.default_rng((self._seed, epoch)).integers(2**31))


def load_files(
    paths: Sequence[Path], contract: InputContract, batch_size: int, threads: int, unreadable: dict[int, str]
) -> Iterator[Batch]:
    """Batches of pictures without labels: `labels` holds each picture's place in `paths`.

    A picture that can't be read is in no batch; its place and the reason are put into `unreadable`.
    """

    def prepared(place: int) -> tuple[NDArray[np.uint8], np.int64] | None:
        try:
            return prepare(read_picture(paths[place]), contract), np.int64(place)
        except DataError as error:
            unreadable[place] = str(error).removeprefix(f"{paths[place]}: ")
            return None  # Grain leaves out elements that are None

    yield from _batches(grain.MapDataset.range(len(paths)).map(prepared), batch_size, threads)


def _batches(pictures: Any, batch_size: int, threads: int) -> Iterator[Batch]:
    """The batches of a Grain `MapDataset` of (image, label), read by `threads` threads, in its order."""
    options = grain.ReadOptions(num_threads=threads, prefetch_buffer_size=max(2 * batch_size, threads))
    for images, labels in pictures.to_iter_dataset(options).batch(batch_size, drop_remainder=False):
        # Grain's batch of a single picture is a view of it, which can't be written to.
        yield Batch(np.require(images, requirements="W"), labels)
