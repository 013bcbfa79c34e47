"""How pictures are given to networks: value range, mean and std, channel order. And which of them a loader's values show."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unfreeze.recipe.network import InputContract

Values = NDArray[np.float32]
Ends = tuple[NDArray[np.float64], NDArray[np.float64]]  # of each channel's values: darkest and brightest

# Which part of a convention's range pictures fill at least: of a usual one, of one that only mistakes give (values of any kind
# fit somewhere into those wide ranges), and to be sure that they came that way.
FILLS, _FILLS_MISTAKEN, _FILLS_SURELY = 0.25, 0.45, 0.9
# By which the range of channels swapped after normalising must be filled better.
_CLEARLY = 0.04
# By which part they may leave it, and yet be of that convention: resampling rings beside edges, more than this where nothing
# else is in a picture.
_RINGING, MOST_RINGING = 0.12, 0.3
UNUSUAL = "unusual"


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


MEAN, _STD, _ZERO, _ONE, _HALF = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), (0.0,) * 3, (1.0,) * 3, (0.5,) * 3
_BYTE = (1 / 255,) * 3
# What checkpoints are trained with.
EXPECTED = (
    Convention("0-1", "values 0 to 1", _ZERO, _ONE),
    Convention("0-255", "values 0 to 255", _ZERO, _BYTE),
    Convention("-1-1", "values -1 to 1", _HALF, _HALF),
    Convention("imagenet", "ImageNet's mean and std", MEAN, _STD),
    Convention("caffe", "values 0 to 255 less ImageNet's mean, BGR", MEAN, _BYTE, bgr=True),
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
# With the channels swapped after each had its own mean taken off -> what was meant.
SWAPPED_AFTER = {
    replace(meant, name=f"{meant.name}-swapped", words=f"{meant.words}, red and blue swapped", bgr=not meant.bgr): meant
    for meant in EXPECTED
    if len(set(meant.mean)) > 1
}
BY_NAME = {convention.name: convention for convention in (*EXPECTED, *SWAPPED_AFTER, *_MISTAKEN)}


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
    ends = low, high = ends_of(values)
    for known, least in (((*EXPECTED, *SWAPPED_AFTER), FILLS), (_MISTAKEN, _FILLS_MISTAKEN)):
        likely = [convention for convention in known if filled(convention, ends) > least]
        if likely:
            return max(likely, key=lambda convention: _likeness(convention, ends))
    span = np.maximum(high - low, 1e-6)
    mean, std = tuple((-low / span).tolist()), tuple((1 / span).tolist())
    return Convention(UNUSUAL, f"values of no usual kind ({low.min():.3g} to {high.max():.3g})", mean, std)


def ends_of(values: Values) -> Ends:
    """The darkest and the brightest value of each channel: float64 [3] each."""
    return values.min(axis=(0, 1, 2)).astype(np.float64), values.max(axis=(0, 1, 2)).astype(np.float64)


def _likeness(convention: Convention, ends: Ends) -> float:
    """How well the values fill its range, the better if they begin with its black or end with its white."""
    low, high = _unit(convention, ends)
    gap = np.minimum(np.abs(low), np.abs(high - 1)).mean()
    return filled(convention, ends) - float(gap) - _CLEARLY * (convention in SWAPPED_AFTER)


def filled(convention: Convention, ends: Ends, ringing: float = _RINGING) -> float:
    """Which part of a convention's range the values fill, less that by which they go beyond; 0 where that is too much."""
    low, high = _unit(convention, ends)
    beyond = np.maximum([-low, high - 1], 0)
    return float(np.mean(high - low - 2 * beyond.sum(axis=0))) if beyond.max() <= ringing else 0.0


def _unit(convention: Convention, ends: Ends) -> Ends:
    """Where each channel's ends are between the convention's black, 0, and its white, 1."""
    start, end = (convention.applied(np.full(3, value)).astype(np.float64) for value in (0.0, 1.0))
    low, high = ((value - start) / (end - start) for value in ends)
    return low, high


def surely(ends: Ends, received: Convention) -> bool:
    """Whether the values come as it seems: hardly another convention's fill its range from black to white."""
    return received.name != UNUSUAL and filled(received, ends) > _FILLS_SURELY


def mean_in_place(ends: Ends, received: Convention) -> bool:
    """Whether each channel's range shows that its own mean was taken off; where all have the same there is no doubt."""
    if received.name == UNUSUAL:
        return False
    swapped = replace(received, bgr=not received.bgr)
    return len(set(received.mean)) == 1 or filled(received, ends) > filled(swapped, ends) + _CLEARLY


def _alike(one: Convention, other: Convention) -> bool:
    return np.allclose(one.mean, other.mean, atol=1e-3) and np.allclose(one.std, other.std, rtol=1e-2)
