"""The results of `bench.py` as Markdown tables: medians (lowest to highest), ratios pair by pair."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

Record = dict[str, Any]
FLOOR = "floor"
OURS = ("unfreeze torch", "unfreeze tensorflow")
TITLES = {
    "features": "Feature extraction, 5 epochs",
    "exercise": "The exercise: 5 epochs of the head, 5 epochs of the last block",
    "full": "Full retraining, one epoch",
    "again": "A second run on the same pictures, another head",
}


def print_tables(records: Sequence[Record]) -> None:
    """A table for each work, set of pictures and augmentation."""
    groups: dict[tuple[Any, ...], list[Record]] = defaultdict(list)
    for record in records:
        groups[record["work"], *record["splits"].values(), record["augment"]].append(record)
    for (work, train, validation, test, augment), group in groups.items():
        print(f"\n### {TITLES[work]}{', augmentation' if augment else ''}: {train} / {validation} / {test} pictures\n")
        floors = [record for record in group if record["peer"] == FLOOR]
        print_floor(floors)
        by_peer = group_by_peer(record for record in group if record["peer"] != FLOOR)
        print_again(by_peer, floors) if work == "again" else print_work(work, by_peer, floors)


def group_by_peer(records: Iterable[Record]) -> dict[str, list[Record]]:
    """Scaled and unscaled measurements apart, failed ones by their reason."""
    groups: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        if "error" in record:
            print(f"{record['peer']} failed: {record['error']}\n")
        else:
            groups[f"{record['peer']} ¹" if record["scaled"] else record["peer"]].append(record)
    return groups


def print_floor(floors: list[Record]) -> None:
    if not floors:
        return
    float32, bfloat16 = (median(floor["matrix_gflops"][name] for floor in floors) for name in ("float32", "bfloat16"))
    decode = median(floor["decode_pictures_s"]["best"] for floor in floors)
    together = [floor["floor_s"]["together"] for floor in floors]
    print(
        f"Floor of one pass: {spread(together)} s (decoder {decode:.0f} pictures/s; matrix product {float32:.0f} GFLOP/s in"
        f" float32, {bfloat16:.0f} in bfloat16).\n"
    )


def print_work(work: str, by_peer: dict[str, list[Record]], floors: list[Record]) -> None:
    phases = list(dict.fromkeys(epoch["phase"] for records in by_peer.values() for epoch in records[0]["epochs"]))
    ours = [name for name in OURS if name in by_peer]
    print_row(
        ["", "seconds", "before training", *(f"epoch: {phase}" for phase in phases), "system s", "peak MB", "test accuracy"]
        + [f"{name} is faster by" for name in ours]
        + (["whole epoch: ratio to " + name for name in ours] if work == "full" else [])
        + ["floor / seconds"]
    )
    print_row(["---"] * (6 + len(phases) + len(ours) * (2 if work == "full" else 1) + 1))
    for name, records in by_peer.items():
        ratios = [ratio(by_peer[other], records, total) if other != name else "" for other in ours]
        if work == "full":
            ratios += [ratio(by_peer[other], records, whole_epoch) if other != name else "" for other in ours]
        print_row(
            [
                name,
                spread([total(record) for record in records]),
                f"{median(before_training(record) for record in records):.1f}",
                *(epoch_cell(records, phase) for phase in phases),
                f"{median(record['system_seconds'] for record in records):.0f}",
                f"{median(record['peak_mb'] for record in records):.0f}",
                accuracy_cell(records),
                *ratios,
                share_of_floor(work, records, floors),
            ]
        )
    if any(record["scaled"] for records in by_peer.values() for record in records):
        print(
            "\n¹ Fewer epochs or pictures were run, and the seconds of the last epoch of each phase taken for those left out;"
            " accuracy would not be comparable."
        )


def print_again(by_peer: dict[str, list[Record]], floors: list[Record]) -> None:
    runs = ["", "first run, s", "of it filling the cache", "filling / floor", "second run, s"]
    print_row([*runs, "starts training after, s", "first epoch done after, s"])
    print_row(["---"] * 7)
    for name, records in by_peer.items():
        first = [first_run(record) for record in records]
        second = [record["again"]["seconds"] for record in records]
        fills = "--cache" not in records[0]["flags"]
        filling = [filling_seconds(record) for record in records]
        floor = median(floor_of_filling(floor, records[0]["splits"]) for floor in floors) if floors and fills else None
        print_row(
            [
                name,
                spread(first),
                spread(filling) if fills else "",
                f"{median(filling) / floor:.2f}" if floor else "",
                spread(second),
                *(second_cell(records, what) for what in ("starts_training_s", "first_epoch_done_s")),
            ]
        )


def total(record: Record) -> float:
    return float(record["seconds"])


def first_run(record: Record) -> float:
    """The first of two runs: what the second took is its own."""
    return total(record) - float(record["again"]["seconds"])


def filling_seconds(record: Record) -> float:
    """By how much the first epoch took longer than the second: the cache was empty."""
    first, second = (epoch["seconds"] for epoch in record["epochs"][:2])
    return float(first - second)


def floor_of_filling(floor: Record, splits: dict[str, int]) -> float:
    """The cache is filled with the pictures to train and to validate with."""
    share = (splits["train"] + splits["validation"]) / sum(splits.values())
    return float(floor["floor_s"]["together"] * share)


def whole_epoch(record: Record) -> float:
    return float(next(epoch["seconds"] for epoch in record["epochs"] if epoch["phase"] == "whole"))


def before_training(record: Record) -> float:
    return float(sum(record["parts"].get(name, 0) for name in ("importing", "preparing")))


def epoch_cell(records: list[Record], phase: str) -> str:
    seconds = [epoch["seconds"] for record in records for epoch in record["epochs"] if epoch["phase"] == phase]
    return spread(seconds) if seconds else ""


def accuracy_cell(records: list[Record]) -> str:
    if records[0]["scaled"]:
        return ""
    best = sorted(records, key=lambda record: record["accuracy"])[len(records) // 2]
    low, high = best["interval"]
    return f"{best['accuracy']:.3f} ({low:.3f} to {high:.3f})"


def second_cell(records: list[Record], what: str) -> str:
    seconds = [record["again"][what] for record in records]
    return "?" if None in seconds else spread(seconds)


def ratio(ours: list[Record], theirs: list[Record], of: Any) -> str:
    """How many times the seconds of `ours` the others took, pair by pair."""
    return "**" + spread([of(other) / of(one) for one, other in zip(ours, theirs, strict=False)], digits=2) + "**"


def share_of_floor(work: str, records: list[Record], floors: list[Record]) -> str:
    if not floors:
        return ""
    floor = median(floor["full_floor_s"] if work == "full" else floor["floor_s"]["together"] for floor in floors)
    return f"{floor / median(total(record) for record in records):.0%}"


def spread(values: Sequence[float], digits: int = 1) -> str:
    middle, low, high = median(values), min(values), max(values)
    return f"{middle:.{digits}f}" + (f" ({low:.{digits}f} to {high:.{digits}f})" if len(values) > 1 else "")


def median(values: Iterable[float]) -> float:
    return float(statistics.median(values))


def print_row(cells: Sequence[str]) -> None:
    print("| " + " | ".join(cells) + " |")
