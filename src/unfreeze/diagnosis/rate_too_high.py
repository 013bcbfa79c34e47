"""Rate too high: the training loss jumps, diverges, or stays above that of a guess."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from unfreeze.diagnosis.curves import level
from unfreeze.diagnosis.evidence import Evidence, PhaseCurves
from unfreeze.diagnosis.finding import Finding, cannot_tell
from unfreeze.diagnosis.rates import highest_rate, lowered, times_below_usual
from unfreeze.diagnosis.unfreezing_did_harm import unfreezing_did_harm

CODE = "rate-too-high"
# A training loss of so many times a guess's, ln K, is worse than knowing nothing.
GUESSES = 1.5
# Unless both losses fell in every epoch and have no further to go: a new head on few pictures starts above a guess.
GUESSES_FALLING = 3.0
# A rise of the training loss from one epoch to the next counts from this part of what it was: of a phase that ends above where
# it was before the rise, or that rises so often; and only to this part of a guess's loss, or of the first epoch's, and more.
JUMP = 0.25
JUMPS = 3
JUMP_TO = 0.5
# The loss by the part named wrong: some 2 to 4 where probabilities mean something. With fewer mistakes than the second number
# label smoothing alone makes it large.
LOSS_PER_MISTAKE = 10.0
MISTAKES = 0.05
# Where unfreezing did harm that says it all, unless the loss is so many times a guess's.
DIVERGED = 10.0
# So many times less than the usual rate no rate is too high, whatever a head's first weights make of the loss.
SMALL = 10.0
THRESHOLDS: dict[str, float] = {
    "guesses": GUESSES,
    "guesses_falling": GUESSES_FALLING,
    "jump": JUMP,
    "jumps": JUMPS,
    "jump_to": JUMP_TO,
    "loss_per_mistake": LOSS_PER_MISTAKE,
    "mistakes": MISTAKES,
    "below_usual": SMALL,
    "diverged": DIVERGED,
}


class Sign(NamedTuple):
    """One sign of it: where, how strong, in words."""

    phase: PhaseCurves
    epoch: int
    name: str
    value: float
    words: str


def rate_too_high(evidence: Evidence) -> Finding:
    """Whether the losses of a phase say that its steps are too large: both, because each alone has other reasons as well."""
    if not evidence.known("train_loss"):
        return cannot_tell(CODE, "there is no training loss", THRESHOLDS)
    large = [phase for phase in evidence.phases if times_below_usual(evidence, phase) < SMALL]
    signs = [sign for phase in large for sign in _signs(phase, evidence.guess_loss, _restarts(evidence, phase))]
    if unfreezing_did_harm(evidence).is_found:
        signs = [sign for sign in signs if sign.phase.head_only or _diverged(sign.phase, evidence.guess_loss)]
    if not signs:
        return Finding(CODE, "not found", "note", "the training loss neither jumped for long nor diverged", {}, THRESHOLDS)
    first = signs[0]
    rate, planned = highest_rate(evidence, first.phase), evidence.planned(first.phase)
    at = f" at rate {rate:.3g}" if rate is not None else ""
    explanation = f"'{first.phase.name}'{at}: {'; '.join(sign.words for sign in signs if sign.phase is first.phase)}"
    measured = {sign.name: sign.value for sign in reversed(signs) if sign.phase is first.phase} | (
        {"rate": rate} if rate is not None else {}
    )
    remedy = dict(lowered(planned)) if planned is not None else {}
    return Finding(CODE, "found", "warning", explanation, measured, THRESHOLDS, first.epoch, remedy)


def _signs(phase: PhaseCurves, guess: float | None, restarts: set[int]) -> list[Sign]:
    loss, found = phase.train_loss, []
    # Dropout can make a training loss as large; that of validation is then another.
    both = min(level(loss), level(phase.val_loss)) if np.isfinite(phase.val_loss).any() else level(loss)
    if guess is not None and len(loss) > 1 and both >= (GUESSES_FALLING if _falls(phase) else GUESSES) * guess:
        words = f"the training loss is {level(loss):.3g}, that of a guess {guess:.3g}"
        found.append(Sign(phase, int(phase.epochs[-1]), "loss_in_guesses", level(loss) / guess, words))
    jumps = [place for place in _jumps(phase, JUMP_TO * (guess or loss[0])) if place not in restarts]
    if jumps and (level(loss) > loss[jumps[0] - 1] or len(jumps) >= JUMPS):
        place = jumps[0]
        words = f"the training loss jumped from {loss[place - 1]:.3g} to {loss[place]:.3g}"
        rise = float(loss[place] / max(loss[place - 1], 1e-9) - 1)
        found.append(Sign(phase, int(phase.epochs[place]), "jump", rise, words))
    mistakes = 1 - level(phase.train_accuracy)
    if mistakes >= MISTAKES and both / mistakes >= LOSS_PER_MISTAKE:
        words = f"a picture named wrong costs {both / mistakes:.3g} on the mean, so far off are the weights"
        found.append(Sign(phase, int(phase.epochs[-1]), "loss_per_mistake", both / mistakes, words))
    return found


def _restarts(evidence: Evidence, phase: PhaseCurves) -> set[int]:
    """The epochs, by their place in the phase, in which a cosine starts again: a loss that jumps there is meant to."""
    planned = evidence.planned(phase)
    if planned is None or planned.schedule.name != "cosine-restarts":
        return set()
    return {place for place in range(1, len(phase)) if phase.rate[place] > phase.rate[place - 1]}


def _falls(phase: PhaseCurves) -> bool:
    """Whether both losses, as far as they are known, fell in every epoch of the head's phase."""
    losses = [loss for loss in (phase.train_loss, phase.val_loss) if np.isfinite(loss).any()]
    return phase.head_only and all(bool((np.diff(loss) < 0).all()) for loss in losses)


def _diverged(phase: PhaseCurves, guess: float | None) -> bool:
    return guess is not None and level(phase.train_loss) >= DIVERGED * guess


def _jumps(phase: PhaseCurves, at_least: float) -> list[int]:
    """The epochs to which both losses jumped (training's alone where the other isn't known), the largest jump first."""
    rises = np.diff(phase.train_loss)
    jumped = (rises >= JUMP * phase.train_loss[:-1]) & (phase.train_loss[1:] >= at_least)
    if np.isfinite(phase.val_loss).any():
        jumped &= np.diff(phase.val_loss) >= JUMP * phase.val_loss[:-1]
    return sorted((np.flatnonzero(jumped) + 1).tolist(), key=lambda place: -rises[place - 1])
