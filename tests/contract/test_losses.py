"""The same loss and the same gradient for the same logits, in each framework as in NumPy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf
import torch
from numpy.typing import NDArray

from support.numpy_backend import objective_and_gradient
from unfreeze.backends.tensorflow import losses as tensorflow_losses
from unfreeze.backends.torch import losses as torch_losses
from unfreeze.data.load import Mix
from unfreeze.training.backend import LossSettings

Result = tuple[float, NDArray[np.float32]]
LABELS = np.array([0, 1, 2, 2, 0, 1], np.int64)
LOGITS = (3 * np.random.default_rng(0).standard_normal((6, 3))).astype(np.float32)
WEIGHTS = np.array([1.0, 5.0, 0.5], np.float32)
OFFSETS = np.log(np.array([0.75, 0.05, 0.2], np.float32))


MIX = Mix(np.array([1, 1, 0, 2, 2, 0], np.int64), np.array([1.0, 0.75, 0.5, 0.3, 0.1, 0.0], np.float32))


def in_torch(settings: LossSettings, logits: NDArray[np.float32], mix: Mix | None = None) -> Result:
    given = torch.from_numpy(logits).requires_grad_()
    cpu = torch.device("cpu")
    objective = torch_losses.Objective(settings, cpu)(given, torch_losses.Targets.of(LABELS, mix, cpu))
    objective.backward()
    assert given.grad is not None
    return objective.item(), given.grad.numpy()


def in_tensorflow(settings: LossSettings, logits: NDArray[np.float32], mix: Mix | None = None) -> Result:
    given = tf.constant(logits)
    with tf.GradientTape() as tape:
        tape.watch(given)
        objective = tensorflow_losses.Objective(settings)(given, tensorflow_losses.Targets.of(LABELS, mix))
    return float(objective), tape.gradient(objective, given).numpy()


def by_hand(settings: LossSettings, logits: NDArray[np.float32], mix: Mix | None = None) -> float:
    """Picture by picture, as `LossSettings` says it."""
    total = divisor = 0.0
    weights = np.ones(3) if settings.class_weights is None else settings.class_weights.astype(np.float64)
    offsets = np.zeros(3) if settings.logit_offsets is None else settings.logit_offsets.astype(np.float64)
    seen = [(row, label, 1.0) for row, label in enumerate(LABELS)]
    if mix is not None:
        seen = [(row, label, float(part)) for row, (label, part) in enumerate(zip(LABELS, mix.parts, strict=True))]
        seen += [(row, label, 1 - float(part)) for row, (label, part) in enumerate(zip(*mix, strict=True))]
    for row, label, part in seen:
        likely = np.exp(logits[row].astype(np.float64) + offsets)
        likely /= likely.sum()
        target = settings.label_smoothing / 3 + (1 - settings.label_smoothing) * (np.arange(3) == label)
        total -= part * weights[label] * (target * (1 - likely) ** settings.focal_gamma * np.log(likely)).sum()
        divisor += part * weights[label]
    return float(total / divisor)


SETTINGS = {
    "cross-entropy": LossSettings(),
    "smoothed": LossSettings(label_smoothing=0.3),
    "weighted": LossSettings(class_weights=WEIGHTS),
    "smoothed and weighted": LossSettings(label_smoothing=0.3, class_weights=WEIGHTS),
    "focal": LossSettings(focal_gamma=2.0),
    "focal with a small gamma, smoothed and weighted": LossSettings(0.1, WEIGHTS, 0.5),
    "logit-adjusted": LossSettings(logit_offsets=OFFSETS),
    "logit-adjusted and smoothed": LossSettings(label_smoothing=0.1, logit_offsets=OFFSETS),
    "all at once": LossSettings(0.2, WEIGHTS, 1.5, OFFSETS),
}


@pytest.mark.parametrize("mix", [None, MIX], ids=["plain", "mixed"])
@pytest.mark.parametrize("name", SETTINGS)
def test_the_same_loss_and_gradient_for_the_same_batch(name: str, mix: Mix | None) -> None:
    settings = SETTINGS[name]
    expected, gradient = objective_and_gradient(LOGITS, LABELS, settings, mix)
    assert expected == pytest.approx(by_hand(settings, LOGITS, mix), rel=1e-5)
    for compute in (in_torch, in_tensorflow):
        value, slope = compute(settings, LOGITS, mix)
        assert value == pytest.approx(expected, rel=1e-5)
        np.testing.assert_allclose(slope, gradient, atol=1e-6)


def test_the_gradient_is_that_of_the_loss() -> None:
    settings, step = SETTINGS["all at once"], 1e-2
    gradient = objective_and_gradient(LOGITS, LABELS, settings)[1]
    for place in np.ndindex(LOGITS.shape):
        there = np.zeros(LOGITS.shape, np.float32)
        there[place] = step
        rise = by_hand(settings, LOGITS + there) - by_hand(settings, LOGITS - there)
        assert rise / (2 * step) == pytest.approx(gradient[place], abs=1e-5)


@pytest.mark.parametrize("gamma", [0.1, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("compute", [in_torch, in_tensorflow])
def test_certainty_has_a_finite_gradient(compute: Callable[[LossSettings, NDArray[np.float32]], Result], gamma: float) -> None:
    # A probability of exactly 1 in float32, right in some rows and wrong in the others.
    certain = np.tile(np.array([[300.0, 0.0, -300.0]], np.float32), (6, 1))
    value, slope = compute(LossSettings(label_smoothing=0.1, focal_gamma=gamma), certain)
    assert np.isfinite(value)
    assert np.isfinite(slope).all()
