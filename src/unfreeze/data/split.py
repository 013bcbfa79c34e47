"""Splitting what the folder hasn't split: stratified, seeded, no group and no near-identical pictures across splits."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from unfreeze.data.dataset import Record
from unfreeze.data.likeness import find_alike


def split_records(records: Sequence[Record], fractions: dict[str, float], seed: int) -> list[Record]:
    """Every record with a split.

    Groups (pictures of the same group or with the same bytes, and near-identical ones) are dealt one by one, large ones first
    and equal ones in a seeded order, each to the split that is furthest below its share of the group's classes. So every split
    holds its part of every class, to within a picture where no groups are given. scikit-learn's StratifiedGroupKFold makes
    folds of equal size only, and goes through all folds for each group.

    Args:
        records: with no split yet.
        fractions: split -> its part of each class; they sum to 1, and the first is given whatever can't be divided.
        seed: fixes the order in which equal groups are dealt.

    Returns:
        The records in their order, which changes nothing: they are dealt by name. A class with fewer pictures than splits is
        missing from the last of the splits.
    """
    by_name = sorted(range(len(records)), key=lambda index: records[index].name)
    dealt = dict(zip(by_name, _dealt([records[index] for index in by_name], fractions, seed), strict=True))
    return [replace(record, split=dealt[index]) for index, record in enumerate(records)]


def _dealt(records: Sequence[Record], fractions: dict[str, float], seed: int) -> list[str]:
    """The split of each record."""
    totals = Counter(record.label for record in records)
    wanted = {label: _shares(total, fractions) for label, total in totals.items()}
    given: dict[str, Counter[str]] = defaultdict(Counter)
    assigned: dict[int, str] = {}
    for group in _deal(_groups(records), seed):
        labels = Counter(records[index].label for index in group)
        split = max(
            fractions,
            key=lambda name: sum(
                count * _shortfall(wanted[label][name], given[label][name]) for label, count in labels.items()
            ),
        )
        for index in group:
            assigned[index] = split
            given[records[index].label][split] += 1
    return [assigned[index] for index in range(len(records))]


def _shares(total: int, fractions: dict[str, float]) -> dict[str, int]:
    """Whole pictures for each split: at least one each while there are any, the rest to the first split."""
    first, *others = fractions
    shares = {}
    left = total
    for name in others:
        share = max(1, round(total * fractions[name])) if fractions[name] > 0 else 0
        shares[name] = min(share, max(0, left - 1))
        left -= shares[name]
    return {first: left, **shares}


def _shortfall(wanted: int, given: int) -> float:
    """How far a split is below its share, as a part of the share; far negative where it wants nothing."""
    return (wanted - given) / wanted if wanted else -1e9


def _groups(records: Sequence[Record]) -> list[list[int]]:
    """Indices of records that must stay together: joined by their group, their bytes, their likeness, or a chain of these."""
    parent = list(range(len(records)))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    first: dict[tuple[str, str], int] = {}
    for index, record in enumerate(records):
        for key in _ties(record):
            parent[root(index)] = root(first.setdefault(key, index))
    for cluster in _alike(records):
        for index in cluster:
            parent[root(index)] = root(cluster[0])
    members: dict[int, list[int]] = defaultdict(list)
    for index in range(len(records)):
        members[root(index)].append(index)
    return list(members.values())


def _alike(records: Sequence[Record]) -> Iterable[tuple[int, ...]]:
    """Copies, and what one scene shows unless that is most of a class: no other split would have a fair part of it."""
    found = find_alike(tuple(record.thumbnail for record in records))
    totals = Counter(record.label for record in records)
    yield from found.copies
    for scene in found.scenes:
        labels = Counter(records[index].label for index in scene)
        if all(2 * count <= totals[label] for label, count in labels.items()):
            yield scene


def _ties(record: Record) -> Iterable[tuple[str, str]]:
    yield "content", record.content
    if record.group is not None:
        yield "group", record.group


def _deal(groups: list[list[int]], seed: int) -> list[list[int]]:
    order = np.random.default_rng(seed).permutation(len(groups))
    return sorted((groups[index] for index in order), key=len, reverse=True)
