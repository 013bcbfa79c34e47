"""The learning-rate range test: a short training while the rate rises, and what its losses say about the rate to take.

Smith 2017, "Cyclical learning rates for training neural networks", section 3.3; the rate rises geometrically and losses are
smoothed as in fastai and Lightning. Two things are done otherwise, because of what is in
docs/decisions/0016-learning-rate-finder.md: the losses are held against those of the untouched network on the same pictures,
which takes half of the noise away, and the rule by which a rate is taken.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from unfreeze.data.load import Mix
from unfreeze.errors import RecipeError
from unfreeze.recipe.network import HEAD
from unfreeze.recipe.plan import Phase, Plan
from unfreeze.recipe.recipe import Schedule
from unfreeze.training.backend import Backend
from unfreeze.training.feeding import Feed
from unfreeze.training.loop import loss_settings
from unfreeze.training.schedules import stage_rates

Kind = Literal["head", "unfrozen"]
Outcome = Literal["found", "flat", "still falling", "rises at once"]
# The rule: this part of the highest rate at which the loss is still about its lowest. A new head goes on falling until it
# diverges; a trained one has little to fall, and rises before it diverges.
PARTS: dict[Kind, float] = {"head": 1 / 10, "unfrozen": 1 / 2}
RULES: dict[Kind, str] = {
    "head": "a tenth of the highest rate at which the loss is still about its lowest",
    "unfrozen": "half of the highest rate at which the loss is still about its lowest",
}
# Fewer steps are too few to tell a loss from its noise.
FEWEST_STEPS = 30
# Losses are smoothed over this part of the steps.
_SPAN = 1 / 10
# Over so many times the lowest smoothed loss there is nothing more to be learned from higher rates.
_DIVERGED = 4.0
# Three standard errors are no chance.
_CERTAIN = 3.0


@dataclass(frozen=True)
class RangeSettings:
    """How a range test is made.

    Attributes:
        low, high: the first and the last rate, of the phase's fastest stage.
        steps: from one to the other, each with a rate so many times the one before.

    Raises:
        RecipeError: rates that don't rise, or too few steps.
    """

    low: float = 1e-6
    high: float = 10.0
    steps: int = 100

    def __post_init__(self) -> None:
        if not 0 < self.low < self.high < math.inf:
            raise RecipeError(f"a range test from rate {self.low:g} to {self.high:g}: give two above 0, the lower one first")
        if self.steps < FEWEST_STEPS:
            raise RecipeError(
                f"a range test of {self.steps} steps can't tell a loss from its noise: give at least {FEWEST_STEPS}"
            )

    @property
    def rates(self) -> list[float]:
        """The rate of each step."""
        return [float(rate) for rate in np.geomspace(self.low, self.high, self.steps)]


@dataclass(frozen=True)
class Verdict:
    """What losses over rising rates say.

    Attributes:
        outcome: `found`; else why no rate can be told: the loss neither falls nor rises clearly (`flat`), is lowest at the
            highest rates (`still falling`), or rises from the lowest on (`rises at once`).
        suggestion: the rate to take, to two digits; None where none can be told.
        edge: the highest rate at which the smoothed loss is still its lowest but for noise; None where it never rises.
        explanation: all of it in words, with numbers and what to do.
    """

    outcome: Outcome
    suggestion: float | None
    edge: float | None
    explanation: str


@dataclass(frozen=True)
class RangeTest:
    """A range test of one phase.

    Attributes:
        kind: which settings of the recipe it is about: `head_only` or `unfrozen`.
        phase, boundary: the phase that was tested, and the first stage that trains in it.
        rates: of each step, up to the one that ended it.
        losses: of each step before its change, plain cross-entropy, less what the untouched network gives for the same
            pictures, plus the mean of that.
        smoothed: the same without noise.
        verdict: what they say.
    """

    kind: Kind
    phase: str
    boundary: str
    rates: tuple[float, ...]
    losses: tuple[float, ...]
    smoothed: tuple[float, ...]
    verdict: Verdict


def run_range_test(
    backend: Backend,
    plan: Plan,
    phase: Phase,
    feed: Feed,
    epoch: int,
    settings: RangeSettings,
    on_step: Callable[[int, int], None] = lambda *_: None,
) -> RangeTest:
    """Trains a phase's stages for some steps at rising rates, and gives the model its weights back, byte for byte.

    The backend's optimiser and random numbers aren't as before: what is trained next should have a backend of its own.

    Args:
        plan: whose phase it is: its loss, and how many batches make a step.
        feed: of the phase; where the pictures don't suffice they come again, in the views and the order of later epochs.
        epoch: the run's epoch to begin with, from 0.
        on_step: told the steps done, and how many there are at most.
    """
    before = backend.snapshot()
    losses: list[float] = []
    try:
        backend.start_phase(phase, loss_settings(plan), plan.accumulate)
        count = plan.accumulate * settings.steps
        untouched = _losses_now(backend, _batches(count, backend, phase, feed, epoch), plan.accumulate)
        batches = _batches(count, backend, phase, feed, epoch)
        for loss in _losses_at(settings.rates, backend, phase, batches, plan.accumulate):
            losses.append(loss - untouched[len(losses)] + float(np.mean(untouched)))
            on_step(len(losses), settings.steps)
            if has_diverged(losses, settings.steps):
                break
    finally:
        backend.restore(before)
    on_step(settings.steps, settings.steps)
    rates, smoothed = settings.rates[: len(losses)], smooth(losses, settings.steps)
    kind: Kind = "head" if phase.boundary == HEAD else "unfrozen"
    verdict = judge(kind, rates, losses, settings.steps)
    return RangeTest(kind, phase.name, phase.boundary, tuple(rates), tuple(losses), tuple(smoothed), verdict)


def smooth(losses: Sequence[float], steps: int) -> list[float]:
    """The exponential moving average of losses, corrected for its start as in Adam (Kingma & Ba 2015, section 3).

    Args:
        steps: that the whole test may have: a tenth of them is what is averaged over.
    """
    kept = 1 - 1 / (_SPAN * steps)
    mean, smoothed = 0.0, []
    for step, loss in enumerate(losses, start=1):
        mean = kept * mean + (1 - kept) * loss
        smoothed.append(mean / (1 - kept**step))
    return smoothed


def has_diverged(losses: Sequence[float], steps: int) -> bool:
    """Whether losses end a range test: the last isn't finite, or the smoothed loss is four times its lowest."""
    smoothed = smooth(losses, steps)
    # Small steps of a small loss are no divergence.
    return not math.isfinite(smoothed[-1]) or smoothed[-1] > _DIVERGED * max(min(smoothed), 0.1)


def judge(kind: Kind, rates: Sequence[float], losses: Sequence[float], steps: int) -> Verdict:
    """What losses over rising rates say, by the rule for this kind of phase: `RULES`.

    Noise is told by how much losses differ from step to step.

    Args:
        rates, losses: of each step; a loss that isn't finite can only be the last.
        steps: as in `smooth`.
    """
    known = np.array([loss for loss in losses if math.isfinite(loss)])
    if len(known) < 2:
        return _rises_at_once(rates[0], "the loss became NaN or infinite")
    smoothed = np.array(smooth(known.tolist(), steps))
    error, span = _CERTAIN * _error(known, steps), round(_SPAN * steps)
    start = float(known[:span].mean())
    # The first smoothed losses are means of few.
    lowest = min(start, *smoothed[span:].tolist())
    # Twice, because each is a difference, and from the lowest of many.
    falls = start - lowest > 2 * error
    edge = int(np.flatnonzero(smoothed <= lowest + error).max(initial=0))
    rises = len(known) < len(losses) or smoothed[-1] - lowest > 2 * error
    if not rises:
        return _never_rises(rates[-1], start, lowest, falls)
    if edge < 2 * span:
        return _rises_at_once(rates[0], f"it is {start:.3g} there and {smoothed[-1]:.3g} at rate {rates[len(known) - 1]:.2g}")
    suggestion = float(f"{PARTS[kind] * rates[edge]:.1e}")
    seen = f"falls from {start:.3g} to {lowest:.3g}" if falls else f"hardly falls from {start:.3g}"
    explanation = f"the loss {seen} and rises beyond rate {rates[edge]:.2g}; {_part(kind)} of that is {suggestion:g}"
    return Verdict("found", suggestion, float(rates[edge]), explanation)


def _part(kind: Kind) -> str:
    return RULES[kind].partition(" of ")[0]


def _start(losses: NDArray[np.float64], steps: int) -> float:
    return float(losses[: max(2, round(_SPAN * steps))].mean())


def _error(losses: NDArray[np.float64], steps: int) -> float:
    """The standard error of the smoothed loss: of independent noise, a moving average leaves 1 / (2 · span) of the variance."""
    first = losses[: max(8, len(losses) // 2)]  # where rates are high it is no noise any more
    # From the median, so that a step or two don't matter; of a normal distribution it is 0.67 standard deviations.
    deviation = float(np.median(np.abs(np.diff(first)))) / 0.6745 / math.sqrt(2)
    return deviation / math.sqrt(2 * _SPAN * steps)


def _rises_at_once(low: float, why: str) -> Verdict:
    words = f"the loss rises from rate {low:g} on: {why}; start lower, with --low {low / 1000:g}"
    return Verdict("rises at once", None, None, words)


def _never_rises(high: float, start: float, lowest: float, falls: bool) -> Verdict:
    if falls:
        words = f"the loss falls from {start:.3g} to {lowest:.3g}, at rate {high:g} still: go on, with --high {100 * high:g}"
        return Verdict("still falling", None, None, words)
    words = (
        f"the loss is {start:.3g} up to rate {high:g} and neither falls nor rises by more than its noise: take more steps,"
        " or go further, with --steps and --high"
    )
    return Verdict("flat", None, None, words)


def _losses_at(
    rates: Iterable[float], backend: Backend, phase: Phase, batches: Iterator[Any], batches_in_step: int
) -> Iterator[float]:
    """The loss of each step, before it is taken."""
    stages = backend.network.trainable_stages(phase.boundary)
    steady = phase.model_copy(update={"schedule": Schedule(name="constant", warmup_epochs=0), "joining": ()})
    for rate in rates:
        of_stages = stage_rates(steady.model_copy(update={"rate": rate}), stages, 0, 1, 1)
        yield backend.train_epoch(islice(batches, batches_in_step), partial(_always, of_stages), lambda _: None).loss


def _always(rates: Mapping[str, float], _: int) -> Mapping[str, float]:
    return rates


def _losses_now(backend: Backend, batches: Iterable[Any], batches_in_step: int) -> list[float]:
    """The loss that the network as it is gives for the pictures of each step."""
    shown: list[tuple[NDArray[np.int64], Mix | None]] = []

    def noted() -> Iterator[Any]:
        for batch in batches:
            shown.append((batch.labels, batch.mix))
            yield batch

    rows = backend.predict(noted())
    ends = np.cumsum([len(labels) for labels, _ in shown])
    of_batches = [_loss(part, *of) for part, of in zip(np.split(rows, ends[:-1]), shown, strict=True)]
    return [float(np.concatenate(of_batches[at : at + batches_in_step]).mean()) for at in range(0, len(shown), batches_in_step)]


def _loss(log_probabilities: NDArray[np.float32], labels: NDArray[np.int64], mix: Mix | None) -> NDArray[np.float32]:
    """float32 [B]: the cross-entropy of each picture of a batch."""
    places = np.arange(len(labels))
    own: NDArray[np.float32] = -log_probabilities[places, labels]
    return own if mix is None else mix.parts * own - (1 - mix.parts) * log_probabilities[places, mix.labels]


def _batches(count: int, backend: Backend, phase: Phase, feed: Feed, epoch: int) -> Iterator[Any]:
    """So many training batches, past the frozen part where there is one.

    It is opened once for all of them: a backend that is given pictures looks at every epoch, here every step, whether its
    frozen weights are still those.
    """
    batches = islice(_endless(feed, epoch), count)
    return batches if backend.identify_prefix(phase.boundary) is None else backend.encode(batches, phase.boundary)


def _endless(feed: Feed, epoch: int) -> Iterator[Any]:
    """The training batches of one epoch after the other."""
    while True:
        yield from feed.training(epoch)
        epoch += 1
