"""How well a model does on a split: loss, accuracy with its interval, means over the classes, per class, confusion matrix."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95


@dataclass(frozen=True)
class ClassScore:
    """One class: precision, recall and F1 in 0–1 (0 where nothing was predicted), and its number of pictures."""

    precision: float
    recall: float
    f1: float
    pictures: int


@dataclass(frozen=True)
class Scores:
    """How well a model does on some labelled pictures.

    Attributes:
        loss: mean cross-entropy, unweighted and without label smoothing.
        accuracy: the part named right, in 0–1.
        interval: Wilson's 95 % interval of the accuracy.
        per_class: class -> its score.
        confusion: int64 [K, K]; row the true class, column the predicted.
    """

    loss: float
    accuracy: float
    interval: tuple[float, float]
    per_class: dict[str, ClassScore]
    confusion: NDArray[np.int64]

    @property
    def pictures(self) -> int:
        return int(self.confusion.sum())

    @property
    def balanced_accuracy(self) -> float:
        """As the function of this name."""
        return balanced_accuracy(self.confusion)

    @property
    def macro_f1(self) -> float:
        """As the function of this name."""
        return macro_f1(self.confusion)

    def as_dict(self) -> dict[str, Any]:
        """The same as plain values, for JSON."""
        return {
            "loss": self.loss,
            "accuracy": self.accuracy,
            "interval": list(self.interval),
            "interval_method": "Wilson, 95 %",
            "balanced_accuracy": self.balanced_accuracy,
            "macro_f1": self.macro_f1,
            "pictures": self.pictures,
            "per_class": {name: asdict(score) for name, score in self.per_class.items()},
            "confusion": self.confusion.tolist(),
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Scores:
        """What `as_dict` gave."""
        return cls(
            loss=values["loss"],
            accuracy=values["accuracy"],
            interval=(values["interval"][0], values["interval"][1]),
            per_class={name: ClassScore(**score) for name, score in values["per_class"].items()},
            confusion=np.array(values["confusion"], np.int64),
        )


def score(log_probabilities: NDArray[np.float32], labels: NDArray[np.int64], classes: tuple[str, ...]) -> Scores:
    """Scores of predictions against labels.

    Args:
        log_probabilities: float32 [N, K], N at least 1.
        labels: int64 [N], each in 0 … K-1.
        classes: the K names.
    """
    predicted = log_probabilities.argmax(axis=1)
    confusion = count_confusion(labels, predicted, len(classes))
    right, pictures, answers = confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0)
    precision, recall = right / np.maximum(answers, 1), right / np.maximum(pictures, 1)
    f1 = 2 * right / np.maximum(pictures + answers, 1)
    return Scores(
        loss=float(-log_probabilities[np.arange(len(labels)), labels].mean(dtype=np.float64)),
        accuracy=float(right.sum() / len(labels)),
        interval=accuracy_interval(int(right.sum()), len(labels)),
        per_class={
            name: ClassScore(float(precision[k]), float(recall[k]), float(f1[k]), int(pictures[k]))
            for k, name in enumerate(classes)
        },
        confusion=confusion,
    )


def count_confusion(labels: NDArray[np.int64], predicted: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """int64 [K, K]: row the true class, column the predicted. scikit-learn's takes 0.7 s to import, at every start."""
    cells = np.bincount(labels * classes + predicted, minlength=classes**2)
    return cells.reshape(classes, classes).astype(np.int64)


def balanced_accuracy(confusion: NDArray[np.int64]) -> float:
    """The mean recall, in 0–1, of the classes that have pictures: scikit-learn's `balanced_accuracy_score`.

    Args:
        confusion: int64 [K, K] of at least one picture; row the true class, column the predicted.
    """
    pictures = confusion.sum(axis=1)
    present = pictures > 0
    return float((confusion.diagonal()[present] / pictures[present]).mean())


def macro_f1(confusion: NDArray[np.int64]) -> float:
    """The mean F1, in 0–1, of the classes that have pictures; a class that none was given to counts as 0.

    A class without pictures has no F1 to speak of and isn't in the mean; what was wrongly given to it costs the classes it
    was taken from their recall. With pictures of every class it is scikit-learn's `f1_score(average="macro")`.

    Args:
        confusion: as for `balanced_accuracy`.
    """
    pictures, predicted = confusion.sum(axis=1), confusion.sum(axis=0)
    present = pictures > 0
    return float((2 * confusion.diagonal() / np.maximum(pictures + predicted, 1))[present].mean())


def accuracy_interval(right: int, pictures: int) -> tuple[float, float]:
    """Wilson's 95 % interval (Wilson 1927; Brown, Cai & DasGupta 2001 recommend it) of `right` of `pictures`."""
    from scipy.stats import binomtest  # late: it takes longer to import than most of what runs before it

    interval = binomtest(right, pictures).proportion_ci(CONFIDENCE, method="wilson")
    return float(interval.low), float(interval.high)
