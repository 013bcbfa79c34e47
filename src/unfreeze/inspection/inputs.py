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
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unfreeze.errors import ModelError
from unfreeze.inspection.finding import DataFinding
from unfreeze.recipe.network import InputContract
from unfreeze.training.arrivals import Arrival

Values = NDArray[np.float32]
# From batches of pictures as the network takes them, float32 [B, H, W, 3], to what arrives at each of its normalisation
# layers, or at the first only.
Observe = Callable[[Iterable[Values], bool], Sequence[Arrival]]
_Ends = tuple[NDArray[np.float64], NDArray[np.float64]]  # of each channel's values: darkest and brightest
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
# Which part of a convention's range pictures fill at least: of a usual one, of one that only mistakes give (values of any kind
# fit somewhere into those wide ranges), and to be sure that they came that way.
_FILLS, _FILLS_MISTAKEN, _FILLS_SURELY = 0.25, 0.45, 0.9
_DULLEST = 0.05  # less of it makes no picture
# By which the range of channels swapped after normalising must be filled better.
_CLEARLY = 0.04
# By which part they may leave it, and yet be of that convention: resampling rings beside edges, more than this where nothing
# else is in a picture.
_RINGING, _MOST_RINGING = 0.12, 0.3
_TINY = 1e-6
_NATURAL_PICTURES = 8
_UNUSUAL = "unusual"
# Fewer say nothing about the second question: the sky of one of them decides.
_ENOUGH_PICTURES = 8


@dataclass(frozen=True)
class Convention:
    """How raw values, 0–1 in the order R, G, B, are given to a network: `(raw - mean) / std`, per channel.

    Attributes:
        name: stable, for scripts.
        words: what the values are, for people.
        mean, std: in the order R, G, B.
        bgr: the channels go in as B, G, R.
    """

    name: str
    words: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    bgr: bool = False

    def applied(self, raw: NDArray[Any]) -> Values:
        """Raw values [..., 3], 0–1, R, G, B, as the network is given them."""
        values = (raw - np.array(self.mean, np.float32)) / np.array(self.std, np.float32)
        return np.ascontiguousarray(values[..., ::-1] if self.bgr else values, np.float32)

    def undone(self, values: NDArray[Any]) -> Values:
        """The inverse of `applied`."""
        raw = (values[..., ::-1] if self.bgr else values) * np.array(self.std, np.float32) + np.array(self.mean, np.float32)
        return np.ascontiguousarray(raw, np.float32)


_MEAN, _STD, _ZERO, _ONE, _HALF = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), (0.0,) * 3, (1.0,) * 3, (0.5,) * 3
_BYTE = (1 / 255,) * 3
# What checkpoints are trained with.
EXPECTED = (
    Convention("0-1", "values 0 to 1", _ZERO, _ONE),
    Convention("0-255", "values 0 to 255", _ZERO, _BYTE),
    Convention("-1-1", "values -1 to 1", _HALF, _HALF),
    Convention("imagenet", "ImageNet's mean and std", _MEAN, _STD),
    Convention("caffe", "values 0 to 255 less ImageNet's mean, BGR", _MEAN, _BYTE, bgr=True),
)
# What only mistakes give.
_MISTAKEN = (
    Convention(
        "imagenet-twice", "ImageNet's mean and std applied twice",
        (0.485 * 1.229, 0.456 * 1.224, 0.406 * 1.225), (0.229**2, 0.224**2, 0.225**2),
    ),
    Convention("half-twice", "mean and std 0.5 applied twice", (0.75,) * 3, (0.25,) * 3),
    Convention(
        "imagenet-of-255", "ImageNet's mean and std applied to values 0 to 255",
        (0.485 / 255, 0.456 / 255, 0.406 / 255), (0.229 / 255, 0.224 / 255, 0.225 / 255),
    ),
    Convention("half-of-255", "mean and std 0.5 applied to values 0 to 255", (0.5 / 255,) * 3, (0.5 / 255,) * 3),
    Convention("divided-twice", "values divided by 255 twice", _ZERO, (255.0,) * 3),
)  # fmt: skip
# Of ImageNet's pixels, 0–1, R, G, B: variances along three directions, which are the columns.
_COLOUR_VARIANCES = np.array([0.2175, 0.0188, 0.0045])
_COLOUR_DIRECTIONS = np.array([[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]])
# With the channels swapped after each had its own mean taken off -> what was meant.
_SWAPPED_AFTER = {
    replace(meant, name=f"{meant.name}-swapped", words=f"{meant.words}, red and blue swapped", bgr=not meant.bgr): meant
    for meant in EXPECTED
    if len(set(meant.mean)) > 1
}
_BY_NAME = {convention.name: convention for convention in (*EXPECTED, *_SWAPPED_AFTER, *_MISTAKEN)}


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
        meant = _SWAPPED_AFTER.get(self.received, self.received)
        return meant if self.distances[meant] <= self.distances[best] + _MARGIN else best

    @property
    def swapped_after(self) -> bool:
        """Whether red and blue were swapped after they were normalised: first layers can't tell, the range can."""
        return _SWAPPED_AFTER.get(self.received) == self.expected

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
        ends = _ends(values)
        known = found.expected == received or _surely(ends, received)
        # Rightly prepared, they would still be pictures, if dull ones.
        dull = _DULLEST if received.name == _UNUSUAL else _FILLS
        ambiguous = not known and _filled(found.expected, ends, _MOST_RINGING) > dull
        found = replace(found, ambiguous=ambiguous, mean_in_place=_mean_in_place(ends, received))
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
        _UNUSUAL: "values as they come",
        "as-given": "all layers, red and blue as they come",
        "channels-swapped": "all layers, red and blue swapped",
        "last-layers": "last layers, pictures as they come",
        "last-layers-enlarged": "last layers, pictures enlarged",
    }
    return _BY_NAME[name].words if name in _BY_NAME else others.get(name, "")


def wrong_layout(shape: Sequence[int], expected: str, advice: str) -> DataFinding:
    """For pictures whose axes aren't in the order the network takes."""
    return DataFinding(
        MISMATCH,
        "error",
        f"probably: the axes are in another order: a batch is {' × '.join(map(str, shape))}, the network takes {expected}",
        details={"mistake": "layout"},
        advice=advice,
    )


def of_contract(contract: InputContract) -> Convention:
    """The convention of an input contract."""
    bgr = contract.channel_order == "BGR"
    own = Convention("contract", "the checkpoint's mean and std", contract.mean, contract.std, bgr)
    return next((usual for usual in EXPECTED if usual.bgr == bgr and _alike(usual, own)), own)


def recognise(values: NDArray[Any]) -> Convention:
    """How pictures were prepared, by their darkest and brightest values: the usual convention whose range they fill best.

    Where there is none, one that mistakes give. Where they are outside those too, one is made up that puts each channel's
    darkest value at 0 and its brightest at 1.

    Args:
        values: float32 [B, H, W, 3], of several pictures, some of them with black and with white in them.
    """
    ends = low, high = _ends(values)
    for known, least in (((*EXPECTED, *_SWAPPED_AFTER), _FILLS), (_MISTAKEN, _FILLS_MISTAKEN)):
        likely = [convention for convention in known if _filled(convention, ends) > least]
        if likely:
            return max(likely, key=lambda convention: _likeness(convention, ends))
    span = np.maximum(high - low, 1e-6)
    mean, std = tuple((-low / span).tolist()), tuple((1 / span).tolist())
    return Convention(_UNUSUAL, f"values of no usual kind ({low.min():.3g} to {high.max():.3g})", mean, std)


def natural_pictures(height: int, width: int) -> Values:
    """Made-up pictures with the statistics of photographs to second order, all that a first convolution sees in the mean.

    Colours: mean and covariance of ImageNet's pixels (Krizhevsky, Sutskever & Hinton 2012; the numbers as in
    facebook/fb.resnet.torch). Spectrum: amplitude falling as frequency to the -1.2 (Tolhurst, Tadmor & Chao 1992).

    Returns:
        float32 [8, height, width, 3], R, G, B, around 0–1 and beyond.
    """
    frequency: NDArray[np.float64] = np.hypot(np.fft.fftfreq(2 * height)[:, None], np.fft.rfftfreq(2 * width)[None])
    frequency[0, 0] = frequency[0, 1]
    noise = np.random.default_rng(0).standard_normal((_NATURAL_PICTURES // 2, 3, 2 * height, 2 * width))
    # Twice as large as needed, because what is made this way repeats at its edges.
    fields = np.fft.irfft2(np.fft.rfft2(noise) / frequency**1.2, noise.shape[2:])
    fields = fields[:, :, :height, :width] / np.sqrt((fields**2).mean(axis=(0, 2, 3), keepdims=True))
    colours = np.einsum("ij,njhw->nhwi", _COLOUR_DIRECTIONS * np.sqrt(_COLOUR_VARIANCES), fields)
    pictures: Values = (np.concatenate([colours, -colours]) + np.array(_MEAN)).astype(np.float32)
    return pictures


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


def _ends(values: Values) -> _Ends:
    """The darkest and the brightest value of each channel: float64 [3] each."""
    return values.min(axis=(0, 1, 2)).astype(np.float64), values.max(axis=(0, 1, 2)).astype(np.float64)


def _likeness(convention: Convention, ends: _Ends) -> float:
    """How well the values fill its range, the better if they begin with its black or end with its white."""
    low, high = _unit(convention, ends)
    gap = np.minimum(np.abs(low), np.abs(high - 1)).mean()
    return _filled(convention, ends) - float(gap) - _CLEARLY * (convention in _SWAPPED_AFTER)


def _filled(convention: Convention, ends: _Ends, ringing: float = _RINGING) -> float:
    """Which part of a convention's range the values fill, less that by which they go beyond; 0 where that is too much."""
    low, high = _unit(convention, ends)
    beyond = np.maximum([-low, high - 1], 0)
    return float(np.mean(high - low - 2 * beyond.sum(axis=0))) if beyond.max() <= ringing else 0.0


def _unit(convention: Convention, ends: _Ends) -> _Ends:
    """Where each channel's ends are between the convention's black, 0, and its white, 1."""
    start, end = (convention.applied(np.full(3, value)).astype(np.float64) for value in (0.0, 1.0))
    low, high = ((value - start) / (end - start) for value in ends)
    return low, high


def _surely(ends: _Ends, received: Convention) -> bool:
    """Whether the values come as it seems: hardly another convention's fill its range from black to white."""
    return received.name != _UNUSUAL and _filled(received, ends) > _FILLS_SURELY


def _mean_in_place(ends: _Ends, received: Convention) -> bool:
    """Whether each channel's range shows that its own mean was taken off; where all have the same there is no doubt."""
    if received.name == _UNUSUAL:
        return False
    swapped = replace(received, bgr=not received.bgr)
    return len(set(received.mean)) == 1 or _filled(received, ends) > _filled(swapped, ends) + _CLEARLY


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


def _alike(one: Convention, other: Convention) -> bool:
    return np.allclose(one.mean, other.mean, atol=1e-3) and np.allclose(one.std, other.std, rtol=1e-2)


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
