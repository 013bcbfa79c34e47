"""Labels that the frozen network's features dispute: confident learning on cross-validated probabilities."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unfreeze.data.dataset import Dataset, Record
from unfreeze.inspection.duplicates import find_clusters
from unfreeze.inspection.finding import DataFinding

CODES = ("disputed-labels", "labels-unknown")
FOLDS = 5
# A class of one picture can't be learned without it.
_FEWEST_OF_CLASS = 2
# Inverse strength of L2, for features of unit length on average: however many they are.
_INVERSE_STRENGTH = 3.0
# More training pictures make the classifier of a fold hardly better and much slower.
_MOST_FITTED = 20_000


@dataclass(frozen=True)
class Dispute:
    """A picture whose label is in doubt.

    Attributes:
        picture: its number.
        given: the number of the class it is labelled as, `suggested` that of the class it looks like.
        margin: probability of the suggested class less that of the given one, in 0–1; the surest first.
    """

    picture: int
    given: int
    suggested: int
    margin: float


def judgeable(dataset: Dataset) -> list[Record]:
    """The pictures whose labels can be looked at: those of classes with at least two that differ."""
    numbers = _copies(dataset.records).tolist()
    different = Counter(
        label for label, _ in {(one.label, number) for one, number in zip(dataset.records, numbers, strict=True)}
    )
    return [record for record in dataset.records if different[record.label] >= _FEWEST_OF_CLASS]


def cannot_tell(reason: str) -> DataFinding:
    """The finding where labels can't be asked about."""
    return DataFinding("labels-unknown", "note", f"labels weren't looked at: {reason}")


def find_in_labels(records: Sequence[Record], features: NDArray[np.float32]) -> list[DataFinding]:
    """The pictures whose label their features dispute, the surest first.

    Args:
        records: as `judgeable` gives them, of at least two classes.
        features: float32 [N, C], of the frozen network for each.
    """
    classes = sorted({record.label for record in records})
    labels = np.array([classes.index(record.label) for record in records], np.int64)
    probabilities = out_of_sample_probabilities(features, labels, _copies(records))
    right = float((probabilities.argmax(axis=1) == labels).mean())
    disputes = find_disputes(probabilities, labels)
    if not disputes:
        return []
    return [
        DataFinding(
            code="disputed-labels",
            severity="warning",
            explanation=(
                f"{len(disputes)} of {len(records)} pictures look like another class than the one they are labelled as, to a"
                f" classifier on the frozen network's features that hadn't seen them (right for {right:.1%} of all pictures)"
            ),
            groups=tuple((records[dispute.picture].name,) for dispute in disputes),
            details={
                records[dispute.picture].name: (
                    f"labelled '{classes[dispute.given]}', looks like '{classes[dispute.suggested]}' (by {dispute.margin:.2f})"
                )
                for dispute in disputes
            },
            measured={"pictures": float(len(disputes)), "accuracy": right},
            advice="Look at them, the surest first; some will be wrong labels, others just hard. Nothing was changed.",
        )
    ]


def _copies(records: Sequence[Record]) -> NDArray[np.int64]:
    """int64 [N]: the same number for copies of a picture, exact or nearly: one would vouch for the label of another."""
    numbers = {record.name: number for number, record in enumerate(records)}
    for cluster in find_clusters(records):
        numbers |= dict.fromkeys((record.name for record in cluster), numbers[cluster[0].name])
    return np.array([numbers[record.name] for record in records], np.int64)


def out_of_sample_probabilities(
    features: NDArray[np.float32], labels: NDArray[np.int64], groups: NDArray[np.int64], seed: int = 0
) -> NDArray[np.float32]:
    """What a classifier that hasn't seen a picture, nor another one of its group, says of it.

    Logistic regression on standardised features, in at most `FOLDS` stratified folds that keep groups together.

    Args:
        features: float32 [N, C], of the frozen network.
        labels: int64 [N], each in 0 … K-1; every class has pictures of at least 2 groups.
        groups: int64 [N]; pictures that are copies of each other have the same number.

    Returns:
        float32 [N, K]; a class that a fold had nothing to learn of has probability 0 there.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedGroupKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from threadpoolctl import threadpool_limits

    probabilities = np.zeros((len(labels), int(labels.max()) + 1), np.float32)
    # As many folds as the smallest class has different pictures, so that each is learned from others.
    fewest = min(np.unique(groups[labels == label]).size for label in np.unique(labels))
    folds = StratifiedGroupKFold(min(FOLDS, int(fewest)), shuffle=True, random_state=seed)
    generator = np.random.default_rng(seed)
    strength = _INVERSE_STRENGTH / features.shape[1]
    for fitted, held_out in folds.split(features, labels, groups):
        if len(fitted) > _MOST_FITTED:
            fitted = generator.choice(fitted, _MOST_FITTED, replace=False)
        classifier = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=200))
        # Of products so thin, several threads make waiting: 43 s of two busy cores' time became 3.
        with threadpool_limits(1):
            classifier.fit(features[fitted], labels[fitted])
        probabilities[np.ix_(held_out, classifier.classes_)] = classifier.predict_proba(features[held_out])
    return probabilities


def find_disputes(probabilities: NDArray[np.float32], labels: NDArray[np.int64]) -> list[Dispute]:
    """The pictures whose labels are most in doubt, the surest first: confident learning (Northcutt, Jiang & Chuang 2021).

    How many there are is told by the confident joint: a picture counts as class j where its probability of j is at least the
    mean of that probability over all pictures labelled j, of several such classes as the most probable one. Which they are is
    told by the margin, over all classes and not for each pair of them as in the paper: on photographs of clothes with a part of
    the labels flipped that has the better precision and recall (benchmarks/flipped_labels.py).

    Args:
        probabilities: float32 [N, K], out of sample; rows sum to about 1.
        labels: int64 [N], each in 0 … K-1.
    """
    every = np.arange(len(labels))
    given = probabilities[every, labels]
    counts = np.bincount(labels, minlength=probabilities.shape[1])
    thresholds = np.bincount(labels, given, probabilities.shape[1]) / np.maximum(counts, 1)
    confident = np.where((probabilities >= thresholds) & (counts > 0), probabilities, -1.0)
    doubted = int(((confident.max(axis=1) >= 0) & (confident.argmax(axis=1) != labels)).sum())
    others = probabilities.copy()
    others[every, labels] = -1.0
    suggested, margins = others.argmax(axis=1), others.max(axis=1) - given
    surest = np.argsort(-margins, kind="stable")[:doubted]
    return [Dispute(int(k), int(labels[k]), int(suggested[k]), float(margins[k])) for k in surest if margins[k] > 0]
