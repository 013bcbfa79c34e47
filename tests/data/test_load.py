"""Batches: the same bytes in the same order whatever the threads, nothing lost, nothing mixed up."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support.folders import class_folder, write_picture
from unfreeze.data.augment import augment, view_generator
from unfreeze.data.dataset import Dataset
from unfreeze.data.load import Batch, Loader, load_files
from unfreeze.data.picture import read_pixels
from unfreeze.data.prepare import prepare
from unfreeze.data.scan import scan_for_training
from unfreeze.errors import DataError
from unfreeze.recipe.network import InputContract
from unfreeze.recipe.recipe import Augment, Data

CONTRACT = InputContract(side_px=16)
OFF = Augment(crop_min_area=1, flip=False, rotation_degrees=0, jitter=0)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """23 pictures of `cat` and 12 of `dog`: 17 and 8 to train on, 3 and 2 each to validate and to test."""
    root = class_folder(tmp_path_factory.mktemp("pictures"), {"cat": 23, "dog": 12}, size=(24, 20))
    split = scan_for_training(root, Data(), seed=0)
    assert [list(classes.values()) for classes in split.counts().values()] == [[17, 8], [3, 2], [3, 2]]
    return split


def loader(dataset: Dataset, batch_size: int = 8, augmentation: Augment | None = None, **options: Any) -> Loader:
    return Loader(dataset, CONTRACT, batch_size, augmentation or Augment(), **options)


def digest(batches: Iterable[Batch]) -> str:
    total = hashlib.sha256()
    for batch in batches:
        total.update(batch.images.tobytes() + batch.labels.tobytes() + bytes([len(batch.labels)]))
    return total.hexdigest()


def joined(batches: Iterable[Batch]) -> tuple[np.ndarray, np.ndarray]:
    images, labels, _ = zip(*batches, strict=True)
    return np.concatenate(images), np.concatenate(labels)


def test_every_batch_can_be_written_to_also_one_of_a_single_picture(dataset: Dataset) -> None:
    """PyTorch warns of arrays that can't."""
    for batch in loader(dataset, batch_size=4).evaluation("validation"):
        assert batch.images.flags.writeable


class TestTraining:
    def test_shapes(self, dataset: Dataset) -> None:
        batches = list(loader(dataset).training(0))
        assert [len(batch.labels) for batch in batches] == [8, 8, 8], "and the 25th picture alone is left out"
        for batch in batches:
            assert batch.images.shape == (8, 16, 16, 3)
            assert (batch.images.dtype, batch.labels.dtype) == (np.uint8, np.int64)

    @pytest.mark.parametrize(("batch_size", "sizes"), [(25, [25]), (24, [24]), (23, [23, 2]), (10, [10, 10, 5]), (32, [25])])
    def test_last_batch(self, dataset: Dataset, batch_size: int, sizes: list[int]) -> None:
        assert [len(batch.labels) for batch in loader(dataset, batch_size).training(0)] == sizes

    def test_only_picture_is_not_left_out(self, dataset: Dataset) -> None:
        (first, *_) = dataset.split("train")
        single = Dataset(dataset.root, dataset.classes, (first,))
        assert [len(batch.labels) for batch in loader(single).training(0)] == [1]

    @pytest.mark.parametrize("oversample", [False, True])
    def test_same_bytes_by_one_thread_and_by_four(self, dataset: Dataset, oversample: bool) -> None:
        one, four = (loader(dataset, oversample=oversample, threads=threads) for threads in (1, 4))
        for epoch in (0, 1):
            assert digest(one.training(epoch)) == digest(four.training(epoch))

    def test_an_epoch_is_a_value(self, dataset: Dataset) -> None:
        source = loader(dataset)
        third = digest(source.training(3))
        assert digest(source.training(0)) != third
        assert digest(source.training(3)) == third, "whatever was read in between"
        assert digest(loader(dataset).training(3)) == third
        assert digest(loader(dataset, seed=1).training(3)) != third

    def test_epochs_differ_in_order_and_views(self, dataset: Dataset) -> None:
        plain = [joined(loader(dataset, 25, OFF).training(epoch)) for epoch in range(3)]
        as_sets = [{image.tobytes() for image in images} for images, _ in plain]
        assert as_sets[0] == as_sets[1] == as_sets[2], "the same pictures …"
        assert len({images.tobytes() for images, _ in plain}) == 3, "… in another order"
        views = [{image.tobytes() for image in joined(loader(dataset, 25).training(epoch))[0]} for epoch in range(3)]
        assert not views[0] & views[1] | views[0] & views[2] | views[1] & views[2]

    def test_each_picture_once_with_its_own_label(self, dataset: Dataset) -> None:
        expected = {
            prepare(read_pixels(record.path), CONTRACT).tobytes(): dataset.label_number(record)
            for record in dataset.split("train")
        }
        images, labels = joined(loader(dataset, 10, OFF).training(0))
        assert {image.tobytes(): label for image, label in zip(images, labels, strict=True)} == expected
        assert len(images) == 25

    def test_views_are_those_of_augment(self, dataset: Dataset) -> None:
        images, _ = joined(loader(dataset, 25, seed=4).training(2))
        expected = {
            augment(read_pixels(record.path), CONTRACT, Augment(), view_generator(0, record.content, 2_000_000)).tobytes()
            for record in dataset.split("train")
        }
        assert {image.tobytes() for image in images} == expected

    def test_oversampled_repeats_are_different_views(self, dataset: Dataset) -> None:
        images, labels = joined(loader(dataset, 34, oversample=True).training(0))
        assert np.bincount(labels).tolist() == [17, 17]
        assert len({image.tobytes() for image in images}) == 34
        plain, _ = joined(loader(dataset, 34, OFF, oversample=True).training(0))
        assert len({image.tobytes() for image in plain}) == 25

    def test_arrays_can_be_written_to(self, dataset: Dataset) -> None:
        # PyTorch warns of arrays that can't.
        assert all(batch.images.flags.writeable for batch in loader(dataset).training(0))

    def test_an_epoch_may_be_left_half_read(self, dataset: Dataset) -> None:
        source = loader(dataset, 2)
        begun = list(itertools.islice(source.training(0), 2))
        assert digest(begun) == digest(itertools.islice(source.training(0), 2))


class TestEvaluation:
    @pytest.mark.parametrize(
        ("split", "batch_size", "sizes"),
        [
            ("validation", 2, [2, 2, 1]),
            ("validation", 5, [5]),
            ("test", 4, [4, 1]),
            ("train", 12, [12, 12, 1]),
        ],
    )
    def test_all_pictures_in_the_order_of_their_names(
        self, dataset: Dataset, split: str, batch_size: int, sizes: list[int]
    ) -> None:
        source = loader(dataset, batch_size)
        batches = list(source.evaluation(split))
        assert [len(batch.labels) for batch in batches] == sizes
        images, labels = joined(batches)
        records = dataset.split(split)
        assert (images == [prepare(read_pixels(record.path), CONTRACT) for record in records]).all()
        assert labels.tolist() == [dataset.label_number(record) for record in records] == source.labels(split).tolist()
        assert source.labels(split).dtype == np.int64

    def test_same_bytes_by_one_thread_and_by_four_and_every_time(self, dataset: Dataset) -> None:
        one, four = (loader(dataset, 3, threads=threads) for threads in (1, 4))
        first = digest(one.evaluation("train"))
        assert digest(four.evaluation("train")) == first
        assert digest(one.evaluation("train")) == first


def test_file_deleted_after_the_scan_is_named(tmp_path: Path) -> None:
    changed = scan_for_training(class_folder(tmp_path, {"cat": 6, "dog": 6}), Data(), seed=0)
    gone = changed.split("train")[2].path
    gone.unlink()
    for threads in (1, 4):
        source = loader(changed, threads=threads)
        for batches in (source.training(0), source.evaluation("train")):
            with pytest.raises(DataError) as caught:
                list(batches)
            assert str(caught.value) == (
                f"{gone}: can't be read (No such file or directory). It could when the pictures were scanned: put it back, or"
                " start again without it"
            )
        assert len(joined(source.evaluation("validation"))[1]) == 2, "the others can still be read"


class TestFiles:
    def test_places_and_pixels(self, tmp_path: Path) -> None:
        paths = [write_picture(tmp_path / f"{number}.png", size=(20, 30), seed=number) for number in range(7)]
        unreadable: dict[int, str] = {}
        batches = list(load_files(paths, CONTRACT, 3, 2, unreadable))
        assert [batch.labels.tolist() for batch in batches] == [[0, 1, 2], [3, 4, 5], [6]]
        assert (joined(batches)[0] == [prepare(read_pixels(path), CONTRACT) for path in paths]).all()
        assert unreadable == {}

    @pytest.mark.parametrize("threads", [1, 4])
    def test_unreadable_ones_are_left_out_and_reported(self, tmp_path: Path, threads: int) -> None:
        paths = [write_picture(tmp_path / f"{number}.png", seed=number) for number in range(6)]
        paths[1].write_bytes(b"")
        paths[2].write_text("not a picture")
        paths[5].unlink()
        unreadable: dict[int, str] = {}
        batches = list(load_files(paths, CONTRACT, 2, threads, unreadable))
        assert [batch.labels.tolist() for batch in batches] == [[0, 3], [4]]
        assert unreadable == {
            1: "the file is empty (0 bytes)",
            2: "not a picture in a format that can be read (JPEG, PNG, WEBP, BMP, TIFF, GIF)",
            5: "can't be read (No such file or directory)",
        }

    def test_none_readable_and_none_at_all(self, tmp_path: Path) -> None:
        unreadable: dict[int, str] = {}
        assert list(load_files([tmp_path / "a", tmp_path / "b"], CONTRACT, 2, 2, unreadable)) == []
        assert set(unreadable) == {0, 1}
        assert list(load_files([], CONTRACT, 2, 2, {})) == []
