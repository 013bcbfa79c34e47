"""Early stopping: when a phase has stopped getting better."""

from __future__ import annotations

import math
from dataclasses import dataclass

from unfreeze.recipe.recipe import Stopping


@dataclass
class EarlyStopping:
    """Decides after each epoch whether the phase goes on.

    Attributes:
        settings: patience and the smallest improvement that counts.
        best: the lowest value so far; `waited` epochs have passed since.
    """

    settings: Stopping
    best: float = math.inf
    waited: int = 0

    def observe(self, value: float) -> bool:
        """Takes the watched value of one epoch, lower being better; True when the phase should end.

        A value is better when it is lower than the best by more than `min_delta`. NaN never is.
        """
        if value < self.best - self.settings.min_delta:
            self.best, self.waited = value, 0
        else:
            self.waited += 1
        patience = self.settings.patience_epochs
        return patience is not None and self.waited >= patience
