"""Pictures that are there more than once: within a class, under two labels, and in two splits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from unfreeze.data.dataset import SPLITS, Dataset, Record
from unfreeze.data.likeness import MOST_UNEXPLAINED, Likeness, find_alike
from unfreeze.inspection.finding import DataFinding, Severity

CODES = ("leakage", "label-conflict", "duplicates", "same-scene")
Cluster = tuple[Record, ...]


def find_duplicates(dataset: Dataset) -> list[DataFinding]:
    """Clusters of byte-identical and near-identical pictures, as up to four findings with a group for each cluster.

    A cluster across splits is leakage and one across classes a label conflict (it may be both); the others are duplicates.
    Pictures of one scene, of which that can't be told, are a note.
    """
    clusters = find_clusters(dataset.records)
    leaks = [cluster for cluster in clusters if len({record.split for record in cluster}) > 1]
    conflicts = [cluster for cluster in clusters if len({record.label for record in cluster}) > 1]
    counted = {cluster[0].name for cluster in (*leaks, *conflicts)}
    plain = [cluster for cluster in clusters if cluster[0].name not in counted]
    found = [_leakage(leaks), _label_conflict(conflicts), _duplicates(plain), _same_scene(dataset.records)]
    return [finding for finding in found if finding is not None]


def find_clusters(records: Sequence[Record]) -> list[Cluster]:
    """The clusters of two and more, each in the order of the records, the one of the first record first."""
    first: dict[str, int] = {}
    near = {number: cluster[0] for cluster in _alike(records).copies for number in cluster}
    members: dict[int, list[Record]] = defaultdict(list)
    for number, record in enumerate(records):
        members[near.get(number, first.setdefault(record.content, number))].append(record)
    return [tuple(cluster) for cluster in members.values() if len(cluster) > 1]


def _alike(records: Sequence[Record]) -> Likeness:
    return find_alike(tuple(record.thumbnail for record in records))


def _leakage(clusters: list[Cluster]) -> DataFinding | None:
    seen = {split: sum(record.split == split for cluster in clusters for record in cluster) for split in SPLITS}
    scored = ", ".join(f"{seen[split]} of {split}" for split in SPLITS if seen[split])
    return _finding(
        "leakage",
        "error",
        clusters,
        f"{_pictures(clusters)} are in more than one split ({scored}): what was trained on is scored again, so scores are too"
        " good",
        "Keep each picture in one split, or give the folder unsplit: automatic splits keep copies together.",
    )


def _label_conflict(clusters: list[Cluster]) -> DataFinding | None:
    return _finding(
        "label-conflict",
        "error",
        clusters,
        f"{_pictures(clusters)} are in more than one class",
        "Only one label can be right: remove the copies under the others.",
    )


def _duplicates(clusters: list[Cluster]) -> DataFinding | None:
    return _finding(
        "duplicates",
        "warning",
        clusters,
        f"{_pictures(clusters)} are there more than once in their class: each copy counts again",
        "Keep one of each where the copies weren't meant.",
    )


def _same_scene(records: Sequence[Record]) -> DataFinding | None:
    scenes = [tuple(records[number] for number in scene) for scene in _alike(records).scenes]
    return _finding(
        "same-scene",
        "note",
        scenes,
        f"{_pictures(scenes)} look nearly like others that differ in a small place, or like most of the data, as with a camera"
        " that stands still: whether they are copies can't be told, and only those with the same bytes count as such",
        "Where cameras or patients have several pictures, name them (`--group-by`), so that each stays in one split.",
    )


def _finding(code: str, severity: Severity, clusters: list[Cluster], explanation: str, advice: str) -> DataFinding | None:
    if not clusters:
        return None
    return DataFinding(
        code=code,
        severity=severity,
        explanation=explanation,
        groups=tuple(tuple(record.name for record in cluster) for cluster in clusters),
        details={record.name: _detail(record, cluster) for cluster in clusters for record in cluster},
        measured={"clusters": float(len(clusters)), "pictures": float(sum(len(cluster) for cluster in clusters))},
        thresholds={"unexplained": MOST_UNEXPLAINED},
        advice=advice,
    )


def _detail(record: Record, cluster: Cluster) -> str:
    places = f"{record.split or 'no split'}, '{record.label}'"
    twins = sum(other.content == record.content for other in cluster) - 1
    kinship = "the same bytes as " + ("another" if twins == 1 else f"{twins} others") if twins else "nearly the same"
    return f"{places}: {kinship}, {record.width} × {record.height}"


def _pictures(clusters: list[Cluster]) -> str:
    return f"{sum(len(cluster) for cluster in clusters)} pictures ({len(clusters)} different)"
