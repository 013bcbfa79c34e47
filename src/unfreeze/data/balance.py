"""Unequal classes: weights for the loss, or repeats of rare pictures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from unfreeze.errors import RecipeError, did_you_mean
from unfreeze.recipe.recipe import Imbalance


def class_weights(counts: Mapping[str, int], settings: Imbalance) -> dict[str, float] | None:
    """The weight of each class in the loss, or None for equal ones.

    With n the pictures of a class, `balanced` is in proportion to 1 / n (scikit-learn's `compute_class_weight`), `inverse-sqrt`
    to 1 / √n (as Mahajan et al. 2018 resample), `effective` to (1 - β) / (1 - β^n) (Cui et al. 2019), each so that the mean
    weight of a training picture is 1.

    Args:
        counts: training pictures of each class, all at least 1.

    Raises:
        RecipeError: weights by name that lack a class or name one that isn't there.
    """
    asked = settings.class_weights
    if asked == "none":
        return None
    if isinstance(asked, str):
        raw = {label: _raw_weight(count, asked, settings.beta) for label, count in counts.items()}
        scale = sum(counts.values()) / sum(raw[label] * count for label, count in counts.items())
        return {label: scale * weight for label, weight in raw.items()}
    unknown, missing = [name for name in asked if name not in counts], [name for name in counts if name not in asked]
    if unknown or missing:
        raise RecipeError(
            "imbalance.class_weights: "
            + "; ".join(
                [f"there is no class '{name}'.{did_you_mean(name, counts)}" for name in unknown]
                + [f"no weight is given for class '{name}'" for name in missing]
            )
        )
    return {label: float(asked[label]) for label in counts}


def _raw_weight(count: int, kind: str, beta: float) -> float:
    if kind == "balanced":
        return 1 / count
    return 1 / math.sqrt(count) if kind == "inverse-sqrt" else (1 - beta) / (1 - beta**count)


def logit_offsets(counts: Mapping[str, int], settings: Imbalance) -> dict[str, float] | None:
    """What is added to each class's logit in training: τ · log(n / N) (Menon et al. 2021); None where it isn't asked for.

    Args:
        counts: training pictures of each class, all at least 1.
    """
    if settings.loss != "logit-adjusted":
        return None
    total = sum(counts.values())
    return {label: settings.tau * math.log(count / total) for label, count in counts.items()}


def epoch_items(labels: Sequence[int], oversample: bool, seed: int, epoch: int) -> list[tuple[int, int]]:
    """The pictures of one training epoch, before shuffling, each as (picture number, number of its repeat).

    Without oversampling every picture comes once. With it every class comes as often as the largest: each of its
    pictures the same number of times, and a random few, other ones in each epoch, once more.
    """
    if not oversample:
        return [(index, 0) for index in range(len(labels))]
    numbers = np.asarray(labels)
    largest = int(np.bincount(numbers).max())
    generator = np.random.default_rng((seed, epoch))
    items: list[tuple[int, int]] = []
    for label in np.unique(numbers):
        members = np.flatnonzero(numbers == label)
        rounds, rest = divmod(largest, len(members))
        items += [(int(index), repeat) for repeat in range(rounds) for index in members]
        items += [(int(index), rounds) for index in sorted(generator.choice(members, rest, replace=False))]
    return items


def repeats(counts: Mapping[str, int]) -> dict[str, float]:
    """How often oversampling shows the pictures of each class in an epoch: the mean, rounded up or down for each of them."""
    return {label: max(counts.values()) / count for label, count in counts.items()}


def pictures_per_epoch(counts: Mapping[str, int], oversample: bool) -> int:
    """How many pictures `epoch_items` gives for these training counts."""
    return max(counts.values()) * len(counts) if oversample else sum(counts.values())
