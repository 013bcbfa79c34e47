"""Whether one model is better than another on the same validation pictures, beyond the noise of so few pictures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from unfreeze.recipe.recipe import Watched
from unfreeze.training.run_folder import Predicted
from unfreeze.training.scores import balanced_accuracy, macro_f1

# Resamplings of the pictures (Efron 1979); enough for a standard error.
RESAMPLES = 500
# The gain that counts, in standard errors of the paired difference. They know the noise of the pictures and not that of the
# training: of runs that differ in their seed alone 25 % are better than another by 1, 10 % by 1.64, 7 % by 2 and 4 % by 2.5.
STANDARD_ERRORS = 2.0
# Probabilities are kept with six decimals; none is taken for 0.
_SMALLEST = 1e-6


@dataclass(frozen=True)
class Gain:
    """By how much a second model is better than a first.

    Attributes:
        measure: what was compared: as a recipe's `watch`.
        first, second: of each model.
        gain: positive where the second is better, whatever the measure's direction.
        error: the standard error of the gain, over resamplings of the pictures.
    """

    measure: Watched
    first: float
    second: float
    gain: float
    error: float

    @property
    def is_better(self) -> bool:
        """Whether it is better by more than noise."""
        return self.gain > STANDARD_ERRORS * self.error

    @property
    def is_as_good(self) -> bool:
        """Whether it is better, or worse by no more than one standard error."""
        return self.gain >= -self.error


def compare_models(first: Predicted, second: Predicted, measure: Watched) -> Gain:
    """The second model against the first.

    Both are drawn again on the same pictures at a time, so that what makes a picture hard for both is no noise.

    Args:
        first, second: what each says of the same pictures, in the same order.
        measure: what to compare by.

    Raises:
        ValueError: they aren't the same pictures.
    """
    if first.names != second.names or not first.names:
        raise ValueError("the models weren't scored on the same pictures")
    value, sign = _MEASURES[measure], -1.0 if measure == "val_loss" else 1.0
    answers = [_Answers(one.labels, one.classes, _losses(one), one.probabilities.shape[1]) for one in (first, second)]
    before, after = (value(one) for one in answers)
    random, pictures = np.random.default_rng(0), len(first.names)
    samples = (random.integers(0, pictures, pictures) for _ in range(RESAMPLES))
    gains = [value(answers[1].drawn(sample)) - value(answers[0].drawn(sample)) for sample in samples]
    return Gain(measure, before, after, sign * (after - before), float(np.std(gains)))


class _Answers(NamedTuple):
    """What a model says of N pictures: the true and the named classes, int64 [N]; its losses, float64 [N]."""

    labels: NDArray[np.int64]
    named: NDArray[np.int64]
    losses: NDArray[np.float64]
    classes: int

    def drawn(self, sample: NDArray[np.int64]) -> _Answers:
        return _Answers(self.labels[sample], self.named[sample], self.losses[sample], self.classes)

    @property
    def confusion(self) -> NDArray[np.int64]:
        cells = np.bincount(self.labels * self.classes + self.named, minlength=self.classes**2)
        return cells.reshape(self.classes, self.classes)


def _losses(predicted: Predicted) -> NDArray[np.float64]:
    likely = predicted.probabilities[np.arange(len(predicted.labels)), predicted.labels]
    losses: NDArray[np.float64] = -np.log(np.maximum(likely, _SMALLEST))
    return losses


_MEASURES: dict[Watched, Callable[[_Answers], float]] = {
    "val_loss": lambda answers: float(answers.losses.mean()),
    "val_accuracy": lambda answers: float((answers.named == answers.labels).mean()),
    "val_balanced_accuracy": lambda answers: balanced_accuracy(answers.confusion),
    "val_macro_f1": lambda answers: macro_f1(answers.confusion),
}
