"""Splits don't hang on the order of the files; weights and repeats even classes out; epochs show each picture as planned."""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise
from pathlib import Path
from random import Random

from hypothesis import given
from hypothesis import strategies as some

from properties.made import steady
from support.made_up import dataset_of
from unfreeze.data.balance import class_weights, epoch_items, logit_offsets, pictures_per_epoch, repeats
from unfreeze.data.dataset import Record
from unfreeze.data.load import Loader
from unfreeze.data.split import split_records
from unfreeze.recipe.network import InputContract
from unfreeze.recipe.recipe import Augment, Imbalance

counts_of_classes = some.dictionaries(some.sampled_from("abcdef"), some.integers(1, 40), min_size=2)
seeds = some.integers(0, 2**31 - 1)
OFF = Augment(crop_min_area=1, flip=False, rotation_degrees=0, jitter=0)
kinds_of_weights = some.sampled_from(["balanced", "inverse-sqrt", "effective"])


def record(number: int, label: str, group: str | None, content: int) -> Record:
    return Record(Path(), f"{number:03d}.png", label, None, group, str(content), 8, 8, "RGB")


rows = some.lists(
    some.tuples(some.sampled_from("abc"), some.none() | some.sampled_from(["p1", "p2", "p3"]), some.integers(0, 40)),
    min_size=1, max_size=50,
)  # fmt: skip


@given(rows, seeds, some.floats(0.05, 0.45), some.floats(0.05, 0.45))
@steady
def test_splits_hold_each_picture_once_whatever_the_order(
    made: list[tuple[str, str | None, int]], seed: int, validation: float, test: float
) -> None:
    records = [record(number, *row) for number, row in enumerate(made)]
    fractions = {"train": 1 - validation - test, "validation": validation, "test": test}
    split = split_records(records, fractions, seed)
    assert [one.name for one in split] == [one.name for one in records]
    assert {one.split for one in split} <= set(fractions)
    shuffled = Random(seed).sample(records, len(records))
    assert {one.name: one.split for one in split_records(shuffled, fractions, seed)} == {one.name: one.split for one in split}
    for key in ("group", "content"):
        places: dict[str, set[str | None]] = {}
        for one in split:
            places.setdefault(getattr(one, key), set()).add(one.split)
        assert all(len(found) == 1 for name, found in places.items() if name is not None)


@given(counts_of_classes, kinds_of_weights, some.floats(0, 0.9999))
@steady
def test_weights_are_1_on_the_mean_and_larger_for_rarer_classes(counts: dict[str, int], kind: str, beta: float) -> None:
    asked = {"class_weights": kind, "beta": beta} if kind == "effective" else {"class_weights": kind}
    weights = class_weights(counts, Imbalance.model_validate(asked))
    assert weights is not None
    assert math.isclose(sum(weights[label] * count for label, count in counts.items()), sum(counts.values()))
    by_count = sorted(counts, key=lambda label: counts[label])
    falling = [weights[label] for label in by_count]
    assert all(rarer >= commoner * (1 - 1e-9) for rarer, commoner in pairwise(falling))
    assert all(math.isfinite(weight) and weight > 0 for weight in falling)


@given(counts_of_classes, some.floats(0.1, 10))
@steady
def test_offsets_are_of_a_probability(counts: dict[str, int], tau: float) -> None:
    offsets = logit_offsets(counts, Imbalance(loss="logit-adjusted", tau=tau))
    assert offsets is not None
    assert math.isclose(sum(math.exp(offset / tau) for offset in offsets.values()), 1)


@given(counts_of_classes, some.booleans(), seeds, some.integers(0, 20))
@steady
def test_an_epoch_has_each_picture_and_as_many_as_planned(
    counts: dict[str, int], oversample: bool, seed: int, epoch: int
) -> None:
    labels = [number for number, count in enumerate(counts.values()) for _ in range(count)]
    items = epoch_items(labels, oversample, seed, epoch)
    assert len(items) == len(set(items)) == pictures_per_epoch(counts, oversample)
    shown = Counter(picture for picture, _ in items)
    assert set(shown) == set(range(len(labels)))
    if oversample:
        planned = list(repeats(counts).values())
        assert set(Counter(labels[picture] for picture, _ in items).values()) == {max(counts.values())}
        assert all(math.floor(planned[labels[p]]) <= times <= math.ceil(planned[labels[p]]) for p, times in shown.items())


@given(
    counts_of_classes, some.none() | some.integers(1, 9), some.integers(2, 9), some.booleans(), some.booleans(), seeds,
    some.integers(0, 30),
)  # fmt: skip
@steady
def test_views_are_taken_in_turn(
    counts: dict[str, int], views: int | None, batch: int, oversample: bool, changed: bool, seed: int, epoch: int
) -> None:
    augment = (Augment() if changed else OFF).model_copy(update={"views": views})
    loader = Loader(dataset_of(train=counts), InputContract(side_px=16), batch, augment, oversample=oversample, seed=seed)
    shown = loader.training_views(epoch)
    assert shown == loader.training_views(epoch)
    # At most one picture is left out, where it would be alone in its batch.
    total = pictures_per_epoch(counts, oversample)
    assert len(shown) == total - (total % batch == 1 and total > 1)
    assert all((view.number is None) == (not changed) for view in shown)
    turns = {loader.turn(later) for later in range(epoch, epoch + (views or 5))}
    assert len(turns) == ((views or 5) if changed else 1)
    if changed and views:
        again = loader.training_views(epoch + views)
        assert loader.turn(epoch + views) == loader.turn(epoch)
        numbers = [{view.number for view in epoch_views} for epoch_views in (shown, again)]
        if not oversample:
            assert numbers[0] == numbers[1]
            assert {*loader.training_views(epoch + 1)} & {*shown} == set() or views == 1
