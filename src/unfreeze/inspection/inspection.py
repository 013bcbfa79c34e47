"""What a dataset is like, in numbers and findings: the answer of `unfreeze inspect`."""

from __future__ import annotations

import statistics
from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

from unfreeze.data.dataset import Dataset, LeftOut
from unfreeze.inspection.classes import find_in_classes
from unfreeze.inspection.finding import DataFinding, Severity
from unfreeze.inspection.splits import find_in_splits

# Goes up when what `as_dict` gives changes its meaning.
SCHEMA = 1
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
# Every code there is, for whoever asks for one by name.
CODES = (
    "imbalance", "few-to-learn", "few-to-validate", "class-missing-from-split", "splits-differ", "too-few-to-compare",
    "disputed-labels",
)  # fmt: skip


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


def inspect_dataset(dataset: Dataset, more: tuple[DataFinding, ...] = ()) -> Inspection:
    """The numbers and findings of a dataset, split or not.

    Args:
        more: findings that others made, such as of labels.
    """
    counts = dataset.counts()
    trained = [count for count in counts.get("train", next(iter(counts.values()))).values() if count]
    sides = sorted(min(record.width, record.height) for record in dataset.records)
    found = [*find_in_classes(dataset), *find_in_splits(dataset), *more]
    return Inspection(
        root=str(dataset.root),
        classes=dataset.classes,
        counts=counts,
        imbalance=max(trained) / min(trained),
        sides_px=(sides[0], int(statistics.median(sides)), sides[-1]),
        modes=dict(Counter(record.mode for record in dataset.records).most_common()),
        left_out=dataset.left_out,
        decisions=dataset.decisions,
        findings=tuple(sorted(found, key=lambda finding: SEVERITIES.index(finding.severity))),
    )
