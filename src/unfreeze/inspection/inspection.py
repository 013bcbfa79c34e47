"""What a dataset is like, in numbers and findings: the answer of `unfreeze inspect`."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from unfreeze.data.dataset import Dataset, LeftOut
from unfreeze.inspection import classes, duplicates, files, inputs, labels, look, splits
from unfreeze.inspection.finding import DataFinding, Severity

# Goes up when what `as_dict` gives changes its meaning.
SCHEMA = 1
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
# Every code there is, for whoever asks for one by name.
CODES: tuple[str, ...] = (
    *classes.CODES, *splits.CODES, *files.CODES, *duplicates.CODES, *look.CODES, *labels.CODES, *inputs.CODES,
)  # fmt: skip
# Of the network's input, where no network was named: that of most.
USUAL_SIDE_PX = 224


@dataclass(frozen=True)
class Inspection:
    """A dataset in numbers and findings.

    Attributes:
        root: as given.
        classes: in the order of the network's outputs.
        counts: split (or `all`) -> class -> pictures.
        imbalance: the largest class over the smallest, of the training pictures.
        sides_px: smallest, median and largest short side, in pixels.
        modes: how the files store colour -> number of files.
        left_out: files not used, with their reasons.
        decisions: what was decided about this data, in words.
        findings: what was found, errors first.
    """

    root: str
    classes: tuple[str, ...]
    counts: dict[str, dict[str, int]]
    imbalance: float
    sides_px: tuple[int, int, int]
    modes: dict[str, int]
    left_out: tuple[LeftOut, ...]
    decisions: tuple[str, ...]
    findings: tuple[DataFinding, ...]

    @property
    def pictures(self) -> int:
        return sum(sum(counts.values()) for counts in self.counts.values())

    def found(self, *names: str) -> tuple[DataFinding, ...]:
        """The findings of these codes or severities."""
        return tuple(finding for finding in self.findings if {finding.code, finding.severity} & set(names))

    def as_dict(self) -> dict[str, Any]:
        """The same as plain values, for JSON."""
        return {"schema": SCHEMA, "pictures": self.pictures, **asdict(self)}


def find_in_data(dataset: Dataset, side_px: int, more: Iterable[DataFinding] = ()) -> tuple[DataFinding, ...]:
    """What is found in a dataset, split or not; errors first.

    Args:
        side_px: of the network's input.
        more: findings that others made, such as of labels.
    """
    found = [
        *splits.find_in_splits(dataset),
        *duplicates.find_duplicates(dataset),
        *classes.find_in_classes(dataset),
        *files.find_in_files(dataset, side_px),
        *look.find_in_looks(dataset),
        *more,
    ]
    return tuple(sorted(found, key=lambda finding: SEVERITIES.index(finding.severity)))


def inspect_dataset(dataset: Dataset, side_px: int = USUAL_SIDE_PX, more: Iterable[DataFinding] = ()) -> Inspection:
    """The numbers and findings of a dataset; the arguments are those of `find_in_data`."""
    counts = dataset.counts()
    trained = [count for count in counts.get("train", next(iter(counts.values()))).values() if count]
    sides = sorted(min(record.width, record.height) for record in dataset.records)
    return Inspection(
        root=str(dataset.root),
        classes=dataset.classes,
        counts=counts,
        imbalance=max(trained) / min(trained),
        sides_px=(sides[0], int(statistics.median(sides)), sides[-1]),
        modes=dict(Counter(record.mode for record in dataset.records).most_common()),
        left_out=dataset.left_out,
        decisions=dataset.decisions,
        findings=find_in_data(dataset, side_px, more),
    )
