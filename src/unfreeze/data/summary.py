"""What a dataset looks like, in numbers: the answer of `unfreeze inspect`."""

from __future__ import annotations

import statistics
from collections import Counter
from dataclasses import dataclass

from unfreeze.data.dataset import Dataset, LeftOut


@dataclass(frozen=True)
class Inspection:
    """A dataset in numbers.

    Attributes:
        root: as given.
        classes: in the order of the network's outputs.
        counts: split (or `all`) -> class -> pictures.
        imbalance: the largest class over the smallest, of the training pictures.
        sides_px: smallest, median and largest short side, in pixels.
        modes: how the files store colour -> number of files.
        identical: pictures whose bytes another picture has too.
        left_out: files not used, with their reasons.
        decisions: what was decided about this data, in words.
    """

    root: str
    classes: tuple[str, ...]
    counts: dict[str, dict[str, int]]
    imbalance: float
    sides_px: tuple[int, int, int]
    modes: dict[str, int]
    identical: int
    left_out: tuple[LeftOut, ...]
    decisions: tuple[str, ...]

    @property
    def pictures(self) -> int:
        return sum(sum(counts.values()) for counts in self.counts.values())


def summarise(dataset: Dataset) -> Inspection:
    """The numbers of a dataset, split or not."""
    counts = dataset.counts()
    trained = [count for count in counts.get("train", next(iter(counts.values()))).values() if count]
    sides = sorted(min(record.width, record.height) for record in dataset.records)
    copies = Counter(record.content for record in dataset.records)
    return Inspection(
        root=str(dataset.root),
        classes=dataset.classes,
        counts=counts,
        imbalance=max(trained) / min(trained),
        sides_px=(sides[0], int(statistics.median(sides)), sides[-1]),
        modes=dict(Counter(record.mode for record in dataset.records).most_common()),
        identical=sum(count for count in copies.values() if count > 1),
        left_out=dataset.left_out,
        decisions=dataset.decisions,
    )
