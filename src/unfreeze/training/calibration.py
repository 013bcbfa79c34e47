"""How far a model's probabilities can be believed: temperature scaling, reliability, and when it had better say nothing.

Temperature scaling (Guo, Pleiss, Sun & Weinberger 2017) divides the logits by one number T, fitted on the validation pictures.
It changes how sure the model is, and never which class it names.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unfreeze.errors import RunError
from unfreeze.files import write_json
from unfreeze.reading import parse_json, read_text
from unfreeze.typed import typed

CALIBRATION = "calibration.json"
# With fewer validation pictures a fitted temperature is more noise than knowledge.
FEWEST_PICTURES = 50
LOWEST_TEMPERATURE, HIGHEST_TEMPERATURE = 0.05, 20.0
BINS = 15
# The chance that a promised precision doesn't hold.
ABSTENTION_RISK = 0.05
# The tenths of the pictures that a threshold for abstaining may keep. Measured in docs/calibration.md.
_KEPT_TENTHS = np.arange(3, 11)


@dataclass(frozen=True)
class Calibration:
    """The temperature of a model, and what it did on the validation pictures.

    Attributes:
        temperature: logits are divided by it, above 0; 1 leaves them as they are, more makes the model less sure.
        pictures: how many it was fitted on.
        loss_before, loss_after: mean cross-entropy of those without and with it.
        reason: why it is what it is, in words.
    """

    temperature: float
    pictures: int
    loss_before: float
    loss_after: float
    reason: str


@dataclass(frozen=True)
class Bin:
    """The pictures whose confidence is above `low` and at most `high`.

    Attributes:
        confidence: their mean, in 0–1.
        accuracy: the part of them that was named right, in 0–1.
        pictures: how many they are, at least 1.
    """

    low: float
    high: float
    confidence: float
    accuracy: float
    pictures: int


@dataclass(frozen=True)
class AbstentionThreshold:
    """The confidence below which a model says nothing, and what that gave on the pictures it was chosen by.

    Attributes:
        threshold: the lowest confidence at which a picture is named, in 0–1.
        kept: the part of the pictures that is named, in 0–1.
        precision: the part of those that was named right.
        lower_bound: the 95 % lower bound of that.
        pictures: how many pictures it was chosen by.
    """

    threshold: float
    kept: float
    precision: float
    lower_bound: float
    pictures: int


def fit_temperature(log_probabilities: NDArray[np.float32], labels: NDArray[np.int64]) -> Calibration:
    """The temperature with the least cross-entropy on labelled pictures (Guo et al. 2017).

    The targets count one picture more, which belongs to all classes alike, after Platt (1999): without it a model that makes
    no mistake on these pictures would become sure of everything.

    Args:
        log_probabilities: float32 [N, K], natural logarithms.
        labels: int64 [N], each in 0 … K-1.

    Returns:
        The temperature, in 0.05–20; 1 where there are too few pictures, or where no other lowers the loss.
    """
    from scipy.optimize import minimize_scalar  # late, as in `scores`

    pictures = len(labels)
    before = _loss(log_probabilities, labels) if pictures else math.nan

    def unchanged(reason: str) -> Calibration:
        return Calibration(1.0, pictures, before, before, reason)

    if pictures < FEWEST_PICTURES:
        return unchanged(f"{pictures} validation pictures are too few to fit a temperature, which takes {FEWEST_PICTURES}")
    if not np.isfinite(log_probabilities).all():
        return unchanged("the model's outputs aren't all finite numbers")
    rows = log_probabilities.astype(np.float64)
    softening = 1 / (pictures + 1)

    def softened_loss(log_temperature: float) -> float:
        scaled = _scaled(rows, math.exp(log_temperature))
        of_labels = scaled[np.arange(pictures), labels].mean()
        return float(-(1 - softening) * of_labels - softening * scaled.mean())

    bounds = (math.log(LOWEST_TEMPERATURE), math.log(HIGHEST_TEMPERATURE))
    temperature = math.exp(minimize_scalar(softened_loss, bounds=bounds, method="bounded", options={"xatol": 1e-5}).x)
    after = _loss(with_temperature(log_probabilities, temperature), labels)
    if not after < before:
        return unchanged("no temperature lowers the loss on the validation pictures")
    return Calibration(temperature, pictures, before, after, f"fitted on {pictures} validation pictures")


def with_temperature(log_probabilities: NDArray[np.float32], temperature: float) -> NDArray[np.float32]:
    """Log-probabilities at a temperature: float32 [N, K] to float32 [N, K]. The most probable class stays what it is.

    Args:
        log_probabilities: natural logarithms; at temperature 1 they come back as they are.
        temperature: above 0.
    """
    if temperature == 1:
        return log_probabilities
    scaled = _scaled(log_probabilities.astype(np.float64), temperature).astype(np.float32)
    places, best = np.arange(len(scaled)), log_probabilities.argmax(axis=1)
    # Two classes so near that float32 can't tell them apart any more would else change places.
    tied = scaled.argmax(axis=1) != best
    scaled[places[tied], best[tied]] = np.nextafter(scaled[tied].max(axis=1), np.float32(np.inf))
    return scaled


def write_calibration(calibration: Calibration, model: Path) -> None:
    """Writes `calibration.json` into a model's folder."""
    write_json(model / CALIBRATION, asdict(calibration))


def read_calibration(model: Path) -> Calibration | None:
    """What `write_calibration` wrote; None where the model has none.

    Raises:
        RunError: the file is damaged.
    """
    path = model / CALIBRATION
    if not path.exists() and not path.is_symlink():
        return None
    try:
        calibration = typed(Calibration, parse_json(read_text(path, within=path.parent)))
        if not LOWEST_TEMPERATURE <= calibration.temperature <= HIGHEST_TEMPERATURE:
            raise ValueError(f"temperature {calibration.temperature} isn't in {LOWEST_TEMPERATURE}–{HIGHEST_TEMPERATURE:g}")
    except (OSError, ValueError) as error:
        raise RunError(
            f"{path}: isn't a model's calibration ({error}). Without the file the model's own probabilities are given"
        ) from None
    return calibration


def copy_calibration(model: Path, to: Path) -> None:
    """Gives one model the calibration of another, if that has one.

    Raises:
        RunError: as `read_calibration`.
    """
    calibration = read_calibration(model)
    if calibration is not None:
        write_calibration(calibration, to)


def calibrated(log_probabilities: NDArray[np.float32], model: Path) -> NDArray[np.float32]:
    """What the model in a folder says, float32 [N, K], at its temperature; as it is where the model has none.

    Raises:
        RunError: as `read_calibration`.
    """
    calibration = read_calibration(model)
    return log_probabilities if calibration is None else with_temperature(log_probabilities, calibration.temperature)


def reliability(confidences: NDArray[np.float64], right: NDArray[np.bool_], bins: int = BINS) -> list[Bin]:
    """Confidence against accuracy, in bins of equal width over 0–1 (DeGroot & Fienberg 1983). Empty bins are left out.

    Args:
        confidences: float64 [N], the probability of the named class.
        right: bool [N], whether it is the true one.
    """
    places = _bin_of(confidences, bins)
    pictures = np.bincount(places, minlength=bins)
    confidence = np.bincount(places, confidences, bins) / np.maximum(pictures, 1)
    accuracy = np.bincount(places, right, bins) / np.maximum(pictures, 1)
    return [
        Bin(place / bins, (place + 1) / bins, float(confidence[place]), float(accuracy[place]), int(pictures[place]))
        for place in np.flatnonzero(pictures).tolist()
    ]


def expected_calibration_error(bins: list[Bin]) -> float:
    """The mean difference of confidence and accuracy, in 0–1, each bin by its pictures (Naeini, Cooper & Hauskrecht 2015)."""
    pictures = sum(one.pictures for one in bins)
    return sum(one.pictures * abs(one.accuracy - one.confidence) for one in bins) / max(pictures, 1)


def expected_error_by_chance(
    confidences: NDArray[np.float64], seed: int = 0, bins: int = BINS, resamples: int = 1000
) -> tuple[float, float]:
    """The calibration error that a perfectly calibrated model would show: it is above 0, the more so the fewer the pictures.

    Consistency resampling (Bröcker & Smith 2007): pictures are drawn with replacement, and each is named right with its own
    confidence.

    Args:
        confidences: float64 [N], N at least 1.

    Returns:
        The mean and the 95th percentile over `resamples` draws.
    """
    generator, pictures = np.random.default_rng(seed), len(confidences)
    places, errors = _bin_of(confidences, bins), np.empty(resamples)
    for draw in range(resamples):
        chosen = generator.integers(pictures, size=pictures)
        drawn = confidences[chosen]
        surplus = drawn - (generator.random(pictures) < drawn)
        errors[draw] = np.abs(np.bincount(places[chosen], surplus, bins)).sum() / pictures
    return float(errors.mean()), float(np.quantile(errors, 0.95))


def abstention_threshold(
    confidences: NDArray[np.float64], right: NDArray[np.bool_], precision: float
) -> AbstentionThreshold | None:
    """The lowest confidence from which on pictures are named with a wanted precision, promised with 95 % confidence.

    A threshold passes where the lower bound of the precision above it (Clopper & Pearson 1934) reaches what is wanted, as in
    Geifman & El-Yaniv (2017). Whoever tries many thresholds finds one that passes by chance. So they are tried in an order that
    no label has a say in, and the first that fails ends it: first the one that keeps the surest three tenths of the pictures
    (or as many tenths as could prove such a precision at all), then four tenths, down to all of them. The promise then holds
    for the last that passed, at no further cost (fixed-sequence testing: Angelopoulos, Bates, Candès, Jordan & Lei 2021).

    Args:
        confidences: float64 [N], of pictures the model wasn't trained on.
        right: bool [N], whether the named class is the true one.
        precision: wanted of those that are named, in 0–1.

    Returns:
        None where it can't be promised: ask for less (`best_precision`), or have more pictures.
    """
    return _lowest_that_passes(_candidates(confidences, right), precision)


def best_precision(confidences: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """The highest precision, in thousandths, for which `abstention_threshold` gives a threshold; 0 where there is none."""
    candidates = _candidates(confidences, right)
    return next((number / 1000 for number in range(999, 0, -1) if _lowest_that_passes(candidates, number / 1000)), 0.0)


def _lowest_that_passes(candidates: list[AbstentionThreshold], precision: float) -> AbstentionThreshold | None:
    passed = None
    for candidate in candidates:
        bound_without_mistakes = ABSTENTION_RISK ** (1 / (candidate.kept * candidate.pictures))
        if bound_without_mistakes < precision:
            continue
        if candidate.lower_bound < precision:
            break
        passed = candidate
    return passed


def _candidates(confidences: NDArray[np.float64], right: NDArray[np.bool_]) -> list[AbstentionThreshold]:
    """The thresholds to try, the highest first."""
    from scipy.stats import beta  # late, as in `scores`

    pictures = len(confidences)
    if pictures == 0:
        return []
    order = np.argsort(-confidences, kind="stable")
    surest, right_so_far = confidences[order], np.cumsum(right[order])
    ends = -(-_KEPT_TENTHS * pictures // 10)
    thresholds = np.unique(surest[ends - 1])[::-1]
    # Pictures as sure as the last one kept are kept as well: a threshold can't tell them apart.
    kept = np.searchsorted(-surest, -thresholds, side="right")
    counted = right_so_far[kept - 1]
    # Where none is right the bound is 0, and the beta distribution has no such parameter.
    bounds = np.where(counted > 0, beta.ppf(ABSTENTION_RISK, np.maximum(counted, 1), kept - counted + 1), 0)
    return [
        AbstentionThreshold(float(threshold), number / pictures, rights / number, float(bound), pictures)
        for threshold, number, rights, bound in zip(thresholds, kept.tolist(), counted.tolist(), bounds, strict=True)
    ]


def _scaled(log_probabilities: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    """The log-softmax of log-probabilities divided by the temperature."""
    from scipy.special import log_softmax  # late, as in `scores`

    scaled: NDArray[np.float64] = log_softmax(log_probabilities / temperature, axis=1)
    return scaled


def _loss(log_probabilities: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    """The mean cross-entropy, as `scores.score` has it."""
    return float(-log_probabilities[np.arange(len(labels)), labels].mean(dtype=np.float64))


def _bin_of(confidences: NDArray[np.float64], bins: int) -> NDArray[np.int64]:
    """Bins are open below and closed above, as in Guo et al. 2017; a confidence of 0 is in the first."""
    return np.clip(np.ceil(confidences * bins).astype(np.int64) - 1, 0, bins - 1)
