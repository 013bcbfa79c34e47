"""Whether a step of unfreezing was worth it, and whether to go further: by what it gained, held against its noise."""

from __future__ import annotations

from typing import NamedTuple

from unfreeze.diagnosis.better import Gain

# Noise: so many standard errors of the difference on the same validation pictures. Measured in docs/decisions/0018-auto.md.
STANDARD_ERRORS = 1.0
# A gain worth a further step: a part of the loss, or of all pictures where something else is watched.
WORTHWHILE_LOSS, WORTHWHILE_SCORE = 0.05, 0.01


class Decision(NamedTuple):
    """What becomes of a step.

    Attributes:
        keep: whether its weights are the best so far.
        go_on: whether the next one is tried.
        reason: why, in words.
    """

    keep: bool
    go_on: bool
    reason: str


def decide(gain: Gain, first: bool, far: bool) -> Decision:
    """What a step comes to, by its gain over the best weights before it.

    The better weights are kept, and the search goes on while steps gain more than noise. Where few validation pictures leave it
    open whether a step gained anything worth having, it goes on too: few pictures are quickly trained. The first step has the
    benefit of the doubt: on none of eight data sets was the frozen base better in the end. Of pictures far from what the
    network knows, a step that gains nothing isn't the last: what has to change may lie deeper.

    Args:
        first: whether only the head was trained before.
        far: as `search.features.is_far` says.
    """
    noise = STANDARD_ERRORS * gain.error
    change = f"a gain of {gain.gain:.3f} ± {gain.error:.3f}"
    if gain.gain > noise:
        return Decision(True, True, f"better by more than noise: {change}")
    if gain.gain < -noise:
        return Decision(False, False, f"worse by more than noise: {change}")
    if first:
        return Decision(True, True, f"within noise, and the first step has the benefit of the doubt: {change}")
    keep = gain.gain > 0
    if gain.gain + noise > _worthwhile(gain):
        return Decision(keep, True, f"within noise, which could hide a gain worth having: {change}")
    if far:
        return Decision(keep, True, f"no gain worth having, but the pictures are far from what the network knows: {change}")
    return Decision(keep, False, f"no gain worth having: {change}")


def _worthwhile(gain: Gain) -> float:
    return WORTHWHILE_LOSS * gain.first if gain.measure == "val_loss" else WORTHWHILE_SCORE
