"""What every split must hold: properties, over folders that hypothesis thinks up."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path

from hypothesis import assume, given, settings
from hypothesis import strategies as some

from unfreeze.data.dataset import Record
from unfreeze.data.split import split_records

THIRDS = {"train": 0.7, "validation": 0.15, "test": 0.15}
steady = settings(max_examples=150, deadline=None, derandomize=True)


def record(number: int, label: str, group: str | None = None, content: str | None = None) -> Record:
    name = f"{number:05d}.png"
    return Record(Path(), name, label, None, group, content or str(number), 8, 8, "RGB")


def of_counts(counts: dict[str, int]) -> list[Record]:
    labels = [label for label, count in counts.items() for _ in range(count)]
    return [record(number, label) for number, label in enumerate(labels)]


counts_of_classes = some.dictionaries(some.sampled_from("abcdefgh"), some.integers(1, 90), min_size=1)
fractions_of_splits = some.tuples(some.floats(0.01, 0.45), some.sampled_from([0, 0.01, 0.1, 0.25, 0.45])).map(
    lambda parts: {
        name: part for name, part in {"train": 1 - sum(parts), "validation": parts[0], "test": parts[1]}.items() if part > 0
    }
)
records_with_ties = some.lists(
    some.tuples(
        some.sampled_from("abc"),
        some.one_of(some.none(), some.sampled_from(["p1", "p2", "p3", "p4"])),
        some.integers(0, 25),
    ),
    min_size=1,
    max_size=60,
).map(lambda rows: [record(number, label, group, f"{bytes_}") for number, (label, group, bytes_) in enumerate(rows)])


@given(counts_of_classes, fractions_of_splits, some.integers(0, 2**31 - 1))
@steady
def test_stratified_to_within_one_picture(counts: dict[str, int], fractions: dict[str, float], seed: int) -> None:
    records = split_records(of_counts(counts), fractions, seed)
    tally = Counter((record.label, record.split) for record in records)
    for label, total in counts.items():
        for name, fraction in fractions.items():
            # Each split is given a whole picture before the largest gets the rest, so that few are never none.
            enough = total >= len(fractions) and total * min(fractions.values()) >= 1
            assert abs(tally[label, name] - total * fraction) <= (1 if enough else len(fractions))
            if total >= len(fractions):
                assert tally[label, name] >= 1


@given(records_with_ties, fractions_of_splits, some.integers(0, 1000))
@steady
def test_every_record_gets_a_split_and_keeps_all_else(records: list[Record], fractions: dict[str, float], seed: int) -> None:
    done = split_records(records, fractions, seed)
    assert [(r.name, r.label, r.group, r.content) for r in done] == [(r.name, r.label, r.group, r.content) for r in records]
    assert {r.split for r in done} <= set(fractions)


@given(records_with_ties, fractions_of_splits, some.integers(0, 1000))
@steady
def test_groups_and_identical_bytes_stay_together(records: list[Record], fractions: dict[str, float], seed: int) -> None:
    places: dict[tuple[str, str], set[str | None]] = defaultdict(set)
    for done in split_records(records, fractions, seed):
        places["content", done.content].add(done.split)
        if done.group is not None:
            places["group", done.group].add(done.split)
    assert all(len(splits) == 1 for splits in places.values())


@given(records_with_ties, fractions_of_splits, some.integers(0, 1000))
@steady
def test_same_seed_same_split(records: list[Record], fractions: dict[str, float], seed: int) -> None:
    assert split_records(records, fractions, seed) == split_records(records, fractions, seed)


@given(some.integers(0, 1000))
@steady
def test_other_seed_other_split(seed: int) -> None:
    records = of_counts({"a": 60, "b": 60})
    assert split_records(records, THIRDS, seed) != split_records(records, THIRDS, seed + 1)


@given(counts_of_classes, some.integers(0, 1000))
@steady
def test_a_picture_more_of_one_class_moves_none_of_another(counts: dict[str, int], seed: int) -> None:
    assume(sum(counts.values()) > 1)
    tally = Counter((r.label, r.split) for r in split_records(of_counts(counts), THIRDS, seed))
    first = next(iter(counts))
    more = Counter((r.label, r.split) for r in split_records(of_counts({**counts, first: counts[first] + 1}), THIRDS, seed))
    assert all(tally[key] == more[key] for key in tally | more if key[0] != first)


def test_exact_numbers() -> None:
    tally = Counter((r.label, r.split) for r in split_records(of_counts({"a": 100, "b": 3, "c": 2, "d": 1}), THIRDS, 0))
    assert tally == {
        ("a", "train"): 70,
        ("a", "validation"): 15,
        ("a", "test"): 15,
        ("b", "train"): 1,
        ("b", "validation"): 1,
        ("b", "test"): 1,
        ("c", "train"): 1,
        ("c", "validation"): 1,
        ("d", "train"): 1,
    }


def test_groups_chained_by_bytes_are_one() -> None:
    # p1 and p2 share a picture, p2 and p3 another: none of the three may be torn.
    chain = [
        record(0, "a", "p1", "x"),
        record(1, "a", "p1", "y"),
        record(2, "a", "p2", "y"),
        record(3, "b", "p2", "z"),
        record(4, "b", "p3", "z"),
        record(5, "b", "p3", "w"),
    ]
    others = [record(number, label) for number, label in enumerate("ab" * 20, start=10)]
    done = split_records([*chain, *others], THIRDS, 0)
    assert len({r.split for r in done[:6]}) == 1
    assert {r.split for r in done} == set(THIRDS)


def test_many_groups_come_near_the_shares() -> None:
    records = [record(number, "ab"[number % 2], f"patient {number // 6}") for number in range(600)]
    tally = Counter((r.label, r.split) for r in split_records(records, THIRDS, 7))
    for label in "ab":
        assert abs(tally[label, "train"] - 210) <= 6
        assert abs(tally[label, "validation"] - 45) <= 3
        assert abs(tally[label, "test"] - 45) <= 3
