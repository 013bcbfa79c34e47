"""Whether pictures reach a network as they did in its pretraining: read off its BatchNorm layers. No framework here.

Two kinds of question, each answered where the pictures' own look can't be taken for a mistake:

1. **Which values does the network expect?** Its first normalisation layer remembers mean and variance of what arrived in
   pretraining. Made-up pictures with the colours and the spectrum of photographs go in under every usual convention (0–255,
   0–1, ImageNet's mean and std …); the one under which the same arrives is the one it was trained with. Where none comes near,
   it wasn't trained on photographs, and the person's pictures take their place if they come nearer under some convention.
   What the pictures come as is known from the input contract, or read off the range of their values.
2. **Are red and blue swapped, are the pictures far too small?** Made-up pictures can't tell. The person's pictures go through
   the whole network as they are, with the channels swapped, and, where its last layers are far off, enlarged; its memory of
   what there is in the world takes sides, or doesn't. Channels swapped after another mean was taken off each show in the range.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np

from unfreeze.errors import ModelError
from unfreeze.inspection.conventions import (
    BY_NAME,
    EXPECTED,
    FILLS,
    MOST_RINGING,
    SWAPPED_AFTER,
    UNUSUAL,
    Convention,
    Values,
    ends_of,
    filled,
    mean_in_place,
    of_contract,
    recognise,
    surely,
)  # fmt: skip
from unfreeze.inspection.finding import DataFinding
from unfreeze.inspection.natural import natural_pictures
from unfreeze.recipe.network import InputContract
from unfreeze.training.arrivals import Arrival

# From batches of pictures as the network takes them, float32 [B, H, W, 3], to what arrives at each of its normalisation
# layers, or at the first only.
Observe = Callable[[Iterable[Values], bool], Sequence[Arrival]]
_Look = Callable[[Values, bool], Sequence[Arrival]]  # the same of pictures, whatever their number

CODES = FIT, MISMATCH, UNKNOWN = "inputs-fit", "inputs-mismatch", "inputs-unknown"
# Distances below are means of ln(1 + symmetric KL divergence). A scale wrong by a factor of 2 gives 0.75; the right convention
# 0.01 to 0.2 with networks pretrained on photographs (docs/check-inputs.md).
_MARGIN = 0.25
# Further than this from every convention, nothing can be said.
_FAR = 0.6
# By which part the distance must fall when red and blue are swapped. Measured: docs/check-inputs.md, as all below.
_SWAP_MARGIN = 0.04
_UNLIKE = 0.2
# How far off the last layers are with pictures of less than half the side of the pretraining, and which part of it is left
# when they are enlarged.
_DEEP_SHIFT, _LEFT_ENLARGED = 0.25, 0.7
_TINY = 1e-6
# Fewer say nothing about the second question: the sky of one of them decides.
_ENOUGH_PICTURES = 8
_DULLEST = 0.05  # less of a range makes no picture


@dataclass(frozen=True)
class Evidence:
    """What was measured.

    Attributes:
        received: how the pictures come.
        distances: convention -> how far what arrives at the first normalisation layer is from what it remembers.
        ambiguous: their values may as well be right, of pictures without black or white.
        mean_in_place: whether it is seen that each channel had its own mean taken off.
        as_given, swapped, enlarged: of the person's pictures under the convention that fits best, how far the means of every
            layer are from those it remembers: as the pictures are, with red and blue swapped, and at twice the size.
    """

    received: Convention
    distances: dict[Convention, float]
    ambiguous: bool = False
    mean_in_place: bool = True
    as_given: Sequence[float] = ()
    swapped: Sequence[float] = ()
    enlarged: Sequence[float] = ()

    @property
    def expected(self) -> Convention:
        """The one that fits best; where that is not by much, the one received, or what was meant by it."""
        best = min(self.distances, key=lambda convention: self.distances[convention])
        meant = SWAPPED_AFTER.get(self.received, self.received)
        return meant if self.distances[meant] <= self.distances[best] + _MARGIN else best

    @property
    def swapped_after(self) -> bool:
        """Whether red and blue were swapped after they were normalised: first layers can't tell, the range can."""
        return SWAPPED_AFTER.get(self.received) == self.expected

    @property
    def order(self) -> str:
        """Of the channels: `fits`, `swapped` or `can't tell`."""
        if self.swapped_after:
            return "swapped"
        # Far from all that the network knows, it is not known either which of the two is farther.
        if not self.as_given or self.unlike or abs(self.swap_gain) < _SWAP_MARGIN:
            return "can't tell"
        if self.swap_gain > 0:
            return "swapped"
        return "fits" if self.mean_in_place else "can't tell"

    @property
    def unlike(self) -> bool:
        """Whether the pictures are too unlike those of the pretraining to tell the order of the channels."""
        return min(_mean(self.as_given), _mean(self.swapped)) > _UNLIKE

    @property
    def too_small(self) -> bool:
        """Whether the pictures are far smaller than in the pretraining; not that they are larger, which can't be told."""
        return bool(self.enlarged) and _deep(self.enlarged) < _LEFT_ENLARGED * _deep(self.as_given)

    @property
    def swap_gain(self) -> float:
        """By which part the distance falls when red and blue are swapped, over all layers; negative where it rises."""
        ratios = [np.log((one + _TINY) / (other + _TINY)) for one, other in zip(self.as_given, self.swapped, strict=True)]
        return _mean(ratios)


def check_inputs(observe: Observe, values: Values, contract: InputContract | None = None, batch: int = 32) -> DataFinding:
    """Whether these pictures reach the network as in its pretraining; if not, the most likely mistake.

    Args:
        observe: of the network; a size that it doesn't take is a ModelError.
        values: float32 [B, H, W, 3], as the network is given them; 32 pictures are good.
        contract: how they were prepared; None reads it off their values.
        batch: how many of them the network is given at once; larger ones fewer.
    """
    if np.ptp(values) == 0:
        return _cannot_tell("the pictures hold one value only")
    look = _in_batches(observe, batch * values.shape[1] * values.shape[2])
    received = of_contract(contract) if contract is not None else recognise(values)
    raw = received.undone(values)
    natural = natural_pictures(values.shape[1], values.shape[2])
    there = look(received.applied(natural), True)
    if not there or _is_new(there[0]):
        return _cannot_tell(_NO_MEMORY if there else _NO_BATCHNORM)
    distances = _first_distances(look, natural, received)
    if min(distances.values()) > _MARGIN:  # not trained on photographs: perhaps on pictures like these
        distances = min(distances, _first_distances(look, raw, received), key=lambda nearer: min(nearer.values()))
    found = Evidence(received, distances)
    known = True
    if contract is None:
        ends = ends_of(values)
        known = found.expected == received or surely(ends, received)
        # Rightly prepared, they would still be pictures, if dull ones.
        dull = _DULLEST if received.name == UNUSUAL else FILLS
        ambiguous = not known and filled(found.expected, ends, MOST_RINGING) > dull
        found = replace(found, ambiguous=ambiguous, mean_in_place=mean_in_place(ends, received))
    return conclude(_ask_all_layers(look, raw, found) if known and len(values) >= _ENOUGH_PICTURES else found)


def _ask_all_layers(look: _Look, raw: Values, found: Evidence) -> Evidence:
    """Adds the answers to the second question."""

    def shifts(pixels: Values) -> list[float]:
        return [_shift(layer) for layer in look(found.expected.applied(pixels), False) if not _is_new(layer)]

    found = replace(found, as_given=shifts(raw), swapped=shifts(raw[..., ::-1]))
    if _deep(found.as_given) > _DEEP_SHIFT:
        with suppress(ModelError):  # not every network takes another size
            found = replace(found, enlarged=shifts(raw.repeat(2, axis=1).repeat(2, axis=2)))
    return found


def _in_batches(observe: Observe, pixels: int) -> _Look:
    """`observe`, of any number of pictures: so many pixels go in at once, or one picture."""

    def look(values: Values, first_only: bool) -> Sequence[Arrival]:
        size = max(1, pixels // (values.shape[1] * values.shape[2]))
        return observe((values[start : start + size] for start in range(0, len(values), size)), first_only)

    return look


def conclude(found: Evidence) -> DataFinding:
    """What the numbers say."""
    received, expected = found.received, found.expected
    measured = {convention.name: distance for convention, distance in found.distances.items()}
    if found.as_given:
        measured |= {"as-given": _mean(found.as_given), "channels-swapped": _mean(found.swapped), "swap-gain": found.swap_gain}
    if found.enlarged:
        measured |= {"last-layers": _deep(found.as_given), "last-layers-enlarged": _deep(found.enlarged)}
    thresholds = {"margin": _MARGIN, "far": _FAR, "swap-gain": _SWAP_MARGIN}
    details = {"received": received.name, "expected": expected.name, "order": found.order}
    if found.distances[expected] > _FAR or found.ambiguous:
        unknown = _cannot_tell(_AMBIGUOUS if found.ambiguous else _NONE_FITS)
        return replace(unknown, measured=measured, thresholds=thresholds, details=details)
    if mistakes := _mistakes(found):
        return DataFinding(
            MISMATCH,
            "warning" if mistakes.keys() <= {"channels-swapped", "too-small"} else "error",
            f"probably: {', and '.join(mistakes.values())}.{'' if found.swapped_after else _NOT_REMEMBERED}",
            measured=measured,
            thresholds=thresholds,
            details=details | {"mistake": "+".join(mistakes)},
            advice=f"Prepare the pictures as the checkpoint's own page says: {expected.words}, in the order"
            f" {'BGR' if expected.bgr else 'RGB'}, at its size. A network fine-tuned on wrong inputs learns, and stays worse.",
        )
    return DataFinding(
        FIT,
        "note",
        f"fits: {received.words}, as in the network's pretraining ({_compared(found)})"
        + (", red and blue in their places." if found.order == "fits" else f". Can't tell: RGB or BGR ({_why(found)})."),
        measured=measured,
        thresholds=thresholds,
        details=details,
    )


def words(name: str) -> str:
    """What a hypothesis says, by its name in `DataFinding.measured`; nothing for other numbers."""
    others = {
        "contract": "the checkpoint's mean and std",
        UNUSUAL: "values as they come",
        "as-given": "all layers, red and blue as they come",
        "channels-swapped": "all layers, red and blue swapped",
        "last-layers": "last layers, pictures as they come",
        "last-layers-enlarged": "last layers, pictures enlarged",
    }
    return BY_NAME[name].words if name in BY_NAME else others.get(name, "")


def wrong_layout(shape: Sequence[int], expected: str, advice: str) -> DataFinding:
    """For pictures whose axes aren't in the order the network takes."""
    return DataFinding(
        MISMATCH,
        "error",
        f"probably: the axes are in another order: a batch is {' × '.join(map(str, shape))}, the network takes {expected}",
        details={"mistake": "layout"},
        advice=advice,
    )


def _first_distances(look: _Look, raw: Values, received: Convention) -> dict[Convention, float]:
    """Convention -> distance at the first normalisation layer."""
    conventions = dict.fromkeys((received, *EXPECTED))
    return {convention: distance(look(convention.applied(raw), True)[0]) for convention in conventions}


def distance(layer: Arrival) -> float:
    """How far what arrived is from what the layer remembers.

    The mean over channels of ln(1 + KL(arrived, remembered) + KL(remembered, arrived)), each channel as a normal distribution:
    the logarithm keeps a few channels that run away from drowning the others.
    """
    least = _least_variance(layer)
    arrived, remembered = layer.variance + least, layer.remembered_variance + least
    apart = (layer.mean - layer.remembered_mean) ** 2
    divergence = 0.5 * (arrived / remembered + remembered / arrived - 2 + apart / arrived + apart / remembered)
    return float(np.mean(np.log1p(divergence)))


def _shift(layer: Arrival) -> float:
    """The part of the distance that is the means': contrast and sharpness of the pictures hardly touch it."""
    apart = (layer.mean - layer.remembered_mean) ** 2
    return float(np.mean(np.log1p(apart / (layer.remembered_variance + _least_variance(layer)))))


def _least_variance(layer: Arrival) -> float:
    """What is added to variances: channels that were dead in pretraining are held against what the others vary by."""
    return 1e-3 * float(np.mean(layer.remembered_variance)) + 1e-12


def _is_new(layer: Arrival) -> bool:
    return bool(np.all(layer.remembered_mean == 0) and np.all(layer.remembered_variance == 1))


def _mistakes(found: Evidence) -> dict[str, str]:
    """The name of each likely mistake, and what it is, with the numbers that say so."""
    received, expected = found.received, found.expected
    mistakes = {}
    if expected != received and not found.swapped_after:
        said = f"{received.words} where the network expects {expected.words}"
        mistakes[_mistake(received, expected)] = f"{said} ({_compared(found)})"
    if found.swapped_after:
        mistakes["channels-swapped"] = "RGB and BGR swapped after normalising: red has the range of blue's mean and std"
    elif found.order == "swapped":
        nearer = 1 - np.exp(-found.swap_gain)
        mistakes["channels-swapped"] = f"RGB and BGR swapped (the other way round all layers come {nearer:.0%} nearer)"
    if found.too_small:
        nearer = 1 - _deep(found.enlarged) / _deep(found.as_given)
        said = "pictures far smaller than those of the pretraining"
        mistakes["too-small"] = f"{said} (enlarged, the last layers come {nearer:.0%} nearer)"
    return mistakes


def _mistake(received: Convention, expected: Convention) -> str:
    if received.name in ("imagenet-twice", "half-twice"):
        return "normalised-twice"
    if received.name in ("imagenet-of-255", "half-of-255"):
        return "not-divided"
    if received.name == "divided-twice":
        return "divided-twice"
    if (received.name, expected.name) in (("0-1", "imagenet"), ("0-255", "caffe")):
        return "mean-std-missing"
    return "imagenet-mean-std" if received.name in ("imagenet", "imagenet-swapped") else "value-range"


def _cannot_tell(reason: str) -> DataFinding:
    return DataFinding(
        UNKNOWN,
        "note",
        f"can't tell: {reason}",
        advice="Compare what the checkpoint's own page says of size, channel order, mean and std with what is done.",
    )


_NO_BATCHNORM = "the network has no BatchNorm layer, so it keeps no statistics of what it was pretrained on"
_NO_MEMORY = "the network's first BatchNorm layer holds what it starts with: it wasn't pretrained"
_NOT_REMEMBERED = " What arrives at the network's normalisation layers isn't what they remember from pretraining."
_AMBIGUOUS = "the range of the values doesn't say what they are: there is no black and white in the pictures, or much beyond"
_NONE_FITS = (
    "with none of the usual conventions does the same arrive at the network's normalisation layers as in its pretraining"
)


def _compared(found: Evidence) -> str:
    best = found.distances[found.expected]
    if found.expected == found.received:
        others = min(distance for convention, distance in found.distances.items() if convention != found.received)
        return f"distance {best:.2f}; {others:.2f} under the next convention"
    return f"distance {found.distances[found.received]:.2f} instead of {best:.2f}"


def _deep(shifts: Sequence[float]) -> float:
    """Of the last third of the layers: small pictures leave them little but the zeros they are padded with."""
    return _mean(shifts[2 * len(shifts) // 3 :])


def _why(found: Evidence) -> str:
    if not found.as_given:
        return f"fewer than {_ENOUGH_PICTURES} pictures"
    if found.unlike:
        return "the pictures are unlike those of its pretraining"
    if not found.mean_in_place:
        return "the range of the values doesn't show which mean was taken off which channel"
    return "swapping red and blue changes too little"


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else 0.0
