"""Mixup and CutMix: the formulas of the papers by value; each mixed view is a value, and most stay when the data change."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support.folders import class_folder, noisy_pixels
from unfreeze.data.augment import augment, view_generator
from unfreeze.data.dataset import Dataset
from unfreeze.data.load import Loader, View
from unfreeze.data.mixing import Mixer, Mixing, blend
from unfreeze.data.picture import read_pixels
from unfreeze.data.scan import scan_for_training
from unfreeze.recipe.network import InputContract
from unfreeze.recipe.recipe import Augment, Data

SIDE = 16
ONE, OTHER = noisy_pixels((220, 30, 90), (SIDE, SIDE), 1), noisy_pixels((20, 230, 90), (SIDE, SIDE), 2)
CONTENTS = [hashlib.blake2b(bytes([number]), digest_size=16).hexdigest() for number in range(60)]
LABELS = np.array([0] * 45 + [1] * 15)


def drawn(contents: list[str] = CONTENTS, by_class: bool = False, turns: int = 1, **settings: Any) -> list[Mixing | None]:
    """What is mixed into one view of each picture in each turn."""
    mixers = [Mixer(contents, LABELS[: len(contents)], by_class, Augment(**settings), SIDE, turn) for turn in range(turns)]
    return [mixer.mixing(picture, turn) for turn, mixer in enumerate(mixers) for picture in range(len(contents))]


class TestBlending:
    @pytest.mark.parametrize("kept", [0, 1, 100, 128, 255])
    def test_each_value_is_the_mean_by_parts(self, kept: int) -> None:
        part = kept / 256
        expected = np.floor(part * ONE.astype(float) + (1 - part) * OTHER + 0.5)
        mixed = blend(ONE, OTHER, Mixing(1, part, None))
        assert mixed.dtype == np.uint8
        np.testing.assert_array_equal(mixed, expected)

    def test_white_stays_white(self) -> None:
        white = np.full((2, 2, 3), 255, np.uint8)
        for kept in range(256):
            assert (blend(white, white, Mixing(1, kept / 256, None)) == 255).all()

    def test_a_box_shows_the_other_and_the_rest_is_as_it_was(self) -> None:
        mixed = blend(ONE, OTHER, Mixing(1, 0.5, (2, 5, 9, 16)))
        assert (mixed[5:16, 2:9] == OTHER[5:16, 2:9]).all()
        mixed[5:16, 2:9] = ONE[5:16, 2:9]
        assert (mixed == ONE).all()


class TestParts:
    @pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
    def test_of_mixup_are_of_the_beta_distribution(self, alpha: float) -> None:
        mixings = [mixing for mixing in drawn(turns=50, mixup=alpha) if mixing is not None]
        parts = np.array([mixing.part for mixing in mixings])
        assert all(mixing.box is None for mixing in mixings)
        assert ((256 * parts) % 1 == 0).all()
        # Those that would have been 1, and where a picture met itself, aren't among them.
        whole = np.concatenate([parts, np.ones(int(np.isclose(parts, 0).sum()))])
        assert whole.mean() == pytest.approx(0.5, abs=0.03)
        assert whole.var() == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.08)

    def test_of_cutmix_are_the_area_outside_the_box(self) -> None:
        mixings = [mixing for mixing in drawn(turns=50, cutmix=1.0) if mixing is not None]
        extents, lefts = [], []
        for mixing in mixings:
            assert mixing.box is not None
            left, top, right, bottom = mixing.box
            assert 0 <= left < right <= SIDE
            assert 0 <= top < bottom <= SIDE
            assert mixing.part == 1 - (right - left) * (bottom - top) / SIDE**2, "of the box as it is, cut off at the edges"
            uncut = left > 0 and top > 0 and right < SIDE and bottom < SIDE
            assert right - left == bottom - top or not uncut, "square as the view"
            extents.append(max(right - left, bottom - top))
            lefts.append(left)
        assert set(extents) == set(range(1, SIDE + 1))
        assert max(lefts) >= SIDE - 3
        # With λ even on 0–1 and l² = 1 - λ, both sides cut to l - l²/4 on the mean: 1 - ∫ (l - l²/4)² 2l dl, l from 0 to 1.
        assert np.mean([mixing.part for mixing in mixings]) == pytest.approx(1 - (2 / 4 - 1 / 5 + 1 / 48), abs=0.03)

    def test_both_take_turns_at_random(self) -> None:
        boxed = [mixing.box is not None for mixing in drawn(turns=20, mixup=1.0, cutmix=1.0) if mixing is not None]
        assert 0.45 <= np.mean(boxed) <= 0.55


class TestPartners:
    def test_any_picture_is_as_likely_over_the_turns(self) -> None:
        taken = np.bincount([mixing.picture for mixing in drawn(turns=200, mixup=4.0) if mixing is not None], minlength=60)
        assert taken.min() > 130
        assert taken.max() < 270

    def test_each_class_is_as_likely_where_rare_ones_are_repeated(self) -> None:
        for by_class, least, most in ((False, 0.22, 0.28), (True, 0.46, 0.54)):
            taken = [mixing.picture for mixing in drawn(by_class=by_class, turns=50, mixup=4.0) if mixing is not None]
            assert least <= np.mean(LABELS[taken] == 1) <= most

    def test_a_picture_alone_is_mixed_with_none(self) -> None:
        assert drawn(CONTENTS[:1], turns=5, mixup=1.0, cutmix=1.0) == [None] * 5

    def test_views_keep_theirs_when_another_picture_joins_or_leaves(self) -> None:
        """As kept activations stay valid: only views that had the one that left, or take the one that joins, are others."""
        gone = 7
        some = [*CONTENTS[:gone], *CONTENTS[gone + 1 :]]
        before = drawn(turns=3, mixup=1.0, cutmix=1.0)
        after = iter(drawn(some, turns=3, mixup=1.0, cutmix=1.0))
        changed = 0
        for place, mixing in enumerate(before):
            if place % 60 == gone:
                continue
            now = next(after)
            if mixing is not None and mixing.picture == gone:
                changed += 1
                continue
            if mixing is None or now is None:
                assert mixing is now
                continue
            assert (now.part, now.box, some[now.picture]) == (mixing.part, mixing.box, CONTENTS[mixing.picture])
        assert 0 < changed < 12


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    root = class_folder(tmp_path_factory.mktemp("pictures"), {"cat": 20, "dog": 10}, size=(24, 20))
    return scan_for_training(root, Data(validation_fraction=0.1, test_fraction=0.1), seed=0)


def loader(dataset: Dataset, threads: int = 2, **settings: Any) -> Loader:
    augmentation = Augment(**{"mixup": 1.0, "cutmix": 1.0, **settings})
    return Loader(dataset, InputContract(side_px=SIDE), 8, augmentation, threads=threads)


def shown(source: Loader, views: list[View]) -> list[tuple[bytes, int, int, float]]:
    return [
        (image.tobytes(), int(label), int(other), float(part))
        for batch in source.batches("train", views)
        if batch.mix is not None
        for image, label, other, part in zip(batch.images, batch.labels, batch.mix.labels, batch.mix.parts, strict=True)
    ]


class TestLoading:
    def test_a_view_is_both_pictures_views_of_its_number(self, dataset: Dataset) -> None:
        source = loader(dataset, trivial=True, erasing=0.5)
        records, labels = source.records("train"), source.labels("train")

        def plain(picture: int, number: int | None) -> np.ndarray:
            assert number is not None
            record = records[picture]
            generator = view_generator(0, record.content, number)
            return augment(read_pixels(record.path), source.contract, source.augmentation, generator)

        views = source.training_views(1)
        mixed = [view for view in views if view.mixing is not None]
        assert len(mixed) >= 20
        for view, (image, label, other, part) in zip(views, shown(source, views), strict=True):
            assert label == labels[view.picture]
            if view.mixing is None:
                assert (image, other, part) == (plain(view.picture, view.number).tobytes(), label, 1)
                continue
            assert (other, part) == (labels[view.mixing.picture], np.float32(view.mixing.part))
            expected = blend(plain(view.picture, view.number), plain(view.mixing.picture, view.number), view.mixing)
            assert image == expected.tobytes()

    def test_a_view_is_the_same_by_any_threads_in_any_order_and_run(self, dataset: Dataset) -> None:
        views = loader(dataset).training_views(2)
        first = shown(loader(dataset, threads=1), views)
        assert shown(loader(dataset, threads=4), views) == first
        assert shown(loader(dataset), views[::-1]) == first[::-1]
        another_run = Loader(dataset, InputContract(side_px=SIDE), 8, Augment(mixup=1.0, cutmix=1.0), seed=5)
        assert another_run.training_views(2) != views, "another order …"
        assert set(another_run.training_views(2)) <= set(loader(dataset).training_views(2)) | {View(0, 0)}, "… of the same"
        assert set(loader(dataset, seed=1).training_views(2)) != set(views), "but for the views' own seed"

    def test_turns_repeat(self, dataset: Dataset) -> None:
        source = loader(dataset, views=2)
        assert set(source.training_views(0)) == set(source.training_views(2)) != set(source.training_views(1))

    def test_types(self, dataset: Dataset) -> None:
        for batch in loader(dataset).training(0):
            assert batch.mix is not None
            assert (batch.mix.labels.dtype, batch.mix.parts.dtype) == (np.int64, np.float32)
            assert batch.mix.labels.shape == batch.mix.parts.shape == batch.labels.shape

    def test_nothing_is_mixed_in_evaluation_or_where_it_is_off(self, dataset: Dataset) -> None:
        assert all(batch.mix is None for batch in loader(dataset).evaluation("train"))
        off = loader(dataset, mixup=0.0, cutmix=0.0)
        assert all(batch.mix is None for batch in off.training(0))
        assert all(view.mixing is None for view in off.training_views(0))

    def test_mixing_alone_makes_random_views(self, dataset: Dataset) -> None:
        source = loader(dataset, crop_min_area=1.0, flip=False, rotation_degrees=0.0, jitter=0.0)
        assert source.shows_random_views
        assert source.training_views(0) != source.training_views(1)


def test_a_picture_of_which_nothing_is_seen_is_not_read(tmp_path: Path) -> None:
    dataset = scan_for_training(class_folder(tmp_path, {"cat": 6, "dog": 6}), Data(), seed=0)
    source = loader(dataset)
    source.records("train")[0].path.unlink()
    views = [View(0, 3, Mixing(1, 0.0, None)), View(1, 3)]
    first, second = (image for image, *_ in shown(source, views))
    assert first == second
