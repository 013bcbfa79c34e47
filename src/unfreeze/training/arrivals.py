"""What arrives at the BatchNorm layers of a network, beside what they remember from pretraining. No framework here."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Arrival:
    """Of one BatchNorm layer: all float64 [C], over pictures and places; variances are those of the population.

    Attributes:
        layer: its name in the network.
        mean, variance: of what arrived.
        remembered_mean, remembered_variance: the running statistics, which it normalises with when the network infers.
    """

    layer: str
    mean: Vector
    variance: Vector
    remembered_mean: Vector
    remembered_variance: Vector


@dataclass
class Tally:
    """Mean and variance per channel over batches (Chan, Golub & LeVeque 1983)."""

    count: int = 0
    mean: Vector = field(default_factory=lambda: np.zeros(1))
    variance: Vector = field(default_factory=lambda: np.zeros(1))

    def add(self, count: int, mean: Vector, variance: Vector) -> None:
        """Takes in a batch: how many values a channel it had, their mean and variance, float64 [C]."""
        total = self.count + count
        part, moved = count / total, mean - self.mean
        self.variance = self.variance * (1 - part) + variance * part + moved**2 * part * (1 - part)
        self.mean = self.mean + moved * part
        self.count = total
