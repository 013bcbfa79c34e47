"""Linear probes, and what they say of the distance."""

from __future__ import annotations

import numpy as np
import pytest

from unfreeze.search.features import distance_in_words, is_far
from unfreeze.search.probe import Probe, probe


def test_it_scores_pictures_that_were_left_out() -> None:
    random = np.random.default_rng(0)
    labels = np.repeat(np.arange(3), 40)
    clear = random.standard_normal((120, 8)).astype(np.float32) + 6 * np.eye(8, dtype=np.float32)[labels]
    found = probe("head", clear, labels, seed=0)
    assert found is not None
    assert (found.accuracy, found.pictures) == (1.0, 120)
    # As many features as pictures: by heart it would be right of all, of left out ones it is right of a third.
    noise = probe("head", random.standard_normal((120, 200)).astype(np.float32), labels, seed=0)
    assert noise is not None
    assert noise.accuracy == pytest.approx(1 / 3, abs=0.12)
    assert noise.error == pytest.approx((noise.accuracy * (1 - noise.accuracy) / 120) ** 0.5, rel=0.05)
    # Always right isn't certain: (120 + 2) of (120 + 4).
    assert found.error == pytest.approx((122 * 2 / 124**3) ** 0.5)


def test_classes_with_a_single_picture_are_passed_over_and_too_little_is_none() -> None:
    features = np.random.default_rng(0).standard_normal((7, 4)).astype(np.float32)
    found = probe("head", features, np.array([0, 0, 0, 1, 1, 1, 2]), seed=0)
    assert found is not None
    assert found.pictures == 6
    assert probe("head", features[:3], np.array([0, 1, 1]), seed=0) is None
    assert probe("head", features[:3], np.array([0, 1, 2]), seed=0) is None


def of(**accuracies: float) -> list[Probe]:
    return [Probe(stage, value, 0.02, -0.1, 500) for stage, value in accuracies.items()]


def test_far_is_where_an_earlier_stage_is_better_by_more_than_noise() -> None:
    near, far = of(stage1=0.5, stage2=0.81, head=0.80), of(stage1=0.5, stage2=0.9, head=0.80)
    assert (is_far(near), is_far(far), is_far([])) == (False, True, False)
    # Of 600 pictures one that an earlier stage names right and the last one doesn't.
    random = np.random.default_rng(0)
    labels = np.repeat(np.arange(2), 300)
    clear = (20 * labels[:, None] + random.standard_normal((600, 2))).astype(np.float32)
    one_wrong = clear.copy()
    one_wrong[0] = clear[-1]
    probes = [probe(name, rows, labels, seed=0) for name, rows in (("stage1", clear), ("head", one_wrong))]
    assert [one.accuracy for one in probes if one] == pytest.approx([1, 599 / 600])
    assert not is_far([one for one in probes if one])
    assert distance_in_words(near).startswith("near to what the network knows")
    assert distance_in_words(far) == (
        "far from what the network knows: before stage2 it tells the classes apart better (90.0%) than at its end (80.0%)"
    )
