"""The pictures worth a look: those a model is most sure about and wrong, and those it is right about and least sure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from unfreeze.training.run_folder import Predicted

EACH = 12


@dataclass(frozen=True)
class Examples:
    """Pictures by name: `mistakes` begins with the most confident, `unsure` with the least."""

    mistakes: tuple[str, ...]
    unsure: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """All of them, each once."""
        return tuple(dict.fromkeys((*self.mistakes, *self.unsure)))


def choose_examples(predicted: Predicted, each: int = EACH) -> Examples:
    """The same for the same predictions: where two pictures are alike in confidence, the name decides.

    Args:
        predicted: what the model said of one split.
        each: at most so many mistakes, and so many right answers.
    """
    # A model that came out broken says NaN, which can't be ordered.
    confidences = np.nan_to_num(predicted.confidences)

    def first(places: list[int], sign: int) -> tuple[str, ...]:
        ordered = sorted(places, key=lambda place: (sign * confidences[place], predicted.names[place]))
        return tuple(predicted.names[place] for place in ordered[:each])

    right = predicted.right
    return Examples(first(np.flatnonzero(~right).tolist(), -1), first(np.flatnonzero(right).tolist(), 1))
