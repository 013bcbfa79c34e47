"""Batches of pictures, by Grain: decoded in parallel, in the same order every time."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unfreeze.data.augment import augment, is_off, mixes, smallest_side, view_generator
from unfreeze.data.balance import epoch_items
from unfreeze.data.content import read_bytes
from unfreeze.data.dataset import Dataset, Record
from unfreeze.data.mixing import Mixer, Mixing, blend
from unfreeze.data.picture import decode_pixels, read_pixels
from unfreeze.data.prepare import prepare, short_side
from unfreeze.errors import DataError, PictureError
from unfreeze.recipe.network import InputContract
from unfreeze.recipe.recipe import Augment

# Grain warns at import that JAX's profiler is missing; nobody here misses it.
logging.getLogger("absl").setLevel(logging.ERROR)
import grain  # noqa: E402

# A view's number is its epoch × this + repeat, so that repeats of a picture within an epoch are different views.
_REPEATS_PER_EPOCH = 1_000_000


class Mix(NamedTuple):
    """What Mixup or CutMix put into the pictures of a batch.

    Attributes:
        labels: int64 [B], of the picture that was mixed in.
        parts: float32 [B], in 0–1: how much of each picture is still its own, and so of the target.
    """

    labels: NDArray[np.int64]
    parts: NDArray[np.float32]


class Batch(NamedTuple):
    """Some pictures on their way to a backend.

    Attributes:
        images: uint8 [B, S, S, 3], RGB, 0–255, S the contract's side.
        labels: int64 [B], the network's output for each class.
        mix: what was mixed in, or None.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    mix: Mix | None = None


class View(NamedTuple):
    """One view of one picture.

    Attributes:
        picture: the picture's place in its split.
        number: of the random view; None for the picture as it is evaluated.
        mixing: what is mixed into it, or None.
    """

    picture: int
    number: int | None
    mixing: Mixing | None = None


class Loader:
    """The pictures of a dataset as batches.

    Args:
        dataset: with splits.
        contract: at the size to be used.
        batch_size: pictures per batch.
        augmentation: for training batches.
        oversample: repeat rare classes in training epochs; pictures to be mixed in are then drawn as often from each class.
        seed: fixes the order.
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
        self.contract, self.batch_size, self.augmentation = contract, batch_size, augmentation
        self._oversample = oversample
        self._seed = seed
        self._threads = threads
        numbers = {label: number for number, label in enumerate(dataset.classes)}
        self._splits: dict[str, tuple[Sequence[Record], NDArray[np.int64]]] = {}
        for name in dataset.splits:
            records = dataset.split(name)
            self._splits[name] = records, np.array([numbers[record.label] for record in records], np.int64)

    @property
    def shows_random_views(self) -> bool:
        """Whether training pictures are changed; else they are as in evaluation."""
        return not is_off(self.augmentation)

    def records(self, split: str) -> Sequence[Record]:
        """The records of a split: `View.picture` is a place in it."""
        return self._splits[split][0]

    def labels(self, split: str) -> NDArray[np.int64]:
        """int64 [N]: the labels of a split, in the order in which `evaluation` gives its pictures."""
        return self._splits[split][1]

    def training(self, epoch: int) -> Iterator[Batch]:
        """The shuffled, augmented batches of one epoch (numbered from 0 over the whole run).

        Raises:
            DataError: a picture can't be read any more.
        """
        return self.batches("train", self.training_views(epoch))

    def evaluation(self, split: str) -> Iterator[Batch]:
        """The pictures of a split in the order of their names, prepared as the contract says, none left out.

        Raises:
            DataError: a picture can't be read any more.
        """
        return self.batches(split, self.evaluation_views(split))

    def training_views(self, epoch: int) -> list[View]:
        """What one epoch shows, in its order: the views of the epoch, or of one before it where views are taken in turn.

        Where a single picture would be left for the last batch it is left out of that epoch, because BatchNorm can't take
        statistics of one.
        """
        items = epoch_items(self.labels("train").tolist(), self._oversample, self._seed, epoch)
        np.random.default_rng((self._seed, epoch)).shuffle(items)
        if len(items) > 1 and len(items) % self.batch_size == 1:
            items.pop()
        if not self.shows_random_views:
            return [View(picture, None) for picture, _ in items]
        turn = self.turn(epoch)
        numbered = [(picture, turn * _REPEATS_PER_EPOCH + repeat) for picture, repeat in items]
        if not mixes(self.augmentation):
            return [View(picture, number) for picture, number in numbered]
        mixer = self._mixer(turn)
        return [View(picture, number, mixer.mixing(picture, number)) for picture, number in numbered]

    def turn(self, epoch: int) -> int:
        """Which turn of views an epoch shows; epochs of one turn show the same views, in another order."""
        if not self.shows_random_views:
            return 0
        views = self.augmentation.views
        return epoch % views if isinstance(views, int) else epoch

    def evaluation_views(self, split: str) -> list[View]:
        """Every picture of a split, as it is evaluated."""
        return [View(picture, None) for picture in range(len(self.records(split)))]

    def batches(self, split: str, views: Sequence[View]) -> Iterator[Batch]:
        """These views of pictures of a split, in their order.

        Raises:
            DataError: a picture can't be read any more.
        """
        labels = self.labels(split)

        def labelled(place: int) -> tuple[NDArray[np.uint8], np.int64]:
            return self._pixels(split, views[place]), labels[views[place].picture]

        done = 0
        for batch in _batches(grain.MapDataset.range(len(views)).map(labelled), self.batch_size, self._threads):
            shown = views[done : done + len(batch.labels)]
            yield batch._replace(mix=self.mix(split, shown))
            done += len(shown)

    def mix(self, split: str, views: Sequence[View]) -> Mix | None:
        """What is mixed into these views, one batch of a split; None where nothing is mixed in training, or in evaluation."""
        if not mixes(self.augmentation) or any(view.number is None for view in views):
            return None
        others = [view.picture if view.mixing is None else view.mixing.picture for view in views]
        parts = [1.0 if view.mixing is None else view.mixing.part for view in views]
        return Mix(self.labels(split)[others], np.array(parts, np.float32))

    def _mixer(self, turn: int) -> Mixer:
        contents = [record.content for record in self.records("train")]
        return Mixer(contents, self.labels("train"), self._oversample, self.augmentation, self.contract.side_px, turn)

    def _pixels(self, split: str, view: View) -> NDArray[np.uint8]:
        """uint8 [S, S, 3], RGB, 0–255."""
        record, mixing = self.records(split)[view.picture], view.mixing
        if view.number is None:
            return prepare(_pixels_of(record, short_side(self.contract)), self.contract)
        if mixing is None:
            pixels = _pixels_of(record, smallest_side(self.contract, self.augmentation))
            generator = view_generator(self.augmentation.seed, record.content, view.number)
            return augment(pixels, self.contract, self.augmentation, generator)
        # The view of the other picture is one that nothing is mixed into.
        other = self._pixels(split, View(mixing.picture, view.number))
        return other if mixing.part == 0 else blend(self._pixels(split, View(view.picture, view.number)), other, mixing)


def _pixels_of(record: Record, short_side_px: int) -> NDArray[np.uint8]:
    try:
        content = read_bytes(record.path)
    except PictureError as error:
        raise DataError(f"{error}. It could when the pictures were scanned: put it back, or start again without it") from None
    # What is made of it may be kept under the name of what was scanned.
    if hashlib.blake2b(content, digest_size=16).hexdigest() != record.content:
        raise DataError(
            f"{record.path}: isn't what it was when the pictures were scanned: something else was written to it since."
            " Put it back, or start again"
        )
    return decode_pixels(content, record.path, short_side_px)


def load_files(
    paths: Sequence[Path], contract: InputContract, batch_size: int, threads: int, unreadable: dict[int, str]
) -> Iterator[Batch]:
    """Batches of pictures without labels: `labels` holds each picture's place in `paths`.

    A picture that can't be read is in no batch; its place and the reason are put into `unreadable`.
    """

    def labelled(place: int) -> tuple[NDArray[np.uint8], np.int64] | None:
        try:
            return prepared(paths[place], contract), np.int64(place)
        except DataError as error:
            unreadable[place] = str(error).removeprefix(f"{paths[place]}: ")
            return None  # Grain leaves out elements that are None

    yield from _batches(grain.MapDataset.range(len(paths)).map(labelled), batch_size, threads)


def prepared(path: Path, contract: InputContract) -> NDArray[np.uint8]:
    """A picture file as the network expects it in evaluation: see `prepare`.

    Raises:
        DataError: it can't be read.
    """
    return prepare(read_pixels(path, short_side(contract)), contract)


def _batches(pictures: Any, batch_size: int, threads: int) -> Iterator[Batch]:
    """The batches of a Grain `MapDataset` of (image, label), read by `threads` threads, in its order."""
    options = grain.ReadOptions(num_threads=threads, prefetch_buffer_size=max(2 * batch_size, threads))
    for images, labels in pictures.to_iter_dataset(options).batch(batch_size, drop_remainder=False):
        # Grain's batch of a single picture is a view of it, which can't be written to.
        yield Batch(np.require(images, requirements="W"), labels)
