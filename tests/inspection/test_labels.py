"""Labels that features dispute: numbers made up, and labels flipped on purpose."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from support.folders import scene, scene_folder
from unfreeze.data.scan import scan
from unfreeze.inspection.labels import find_disputes, judgeable, out_of_sample_probabilities


def test_a_picture_is_disputed_where_another_class_reaches_its_mean() -> None:
    labels = np.array([0, 0, 0, 1, 1, 1])
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.2, 0.8], [0.3, 0.7], [0.1, 0.9], [0.45, 0.55]], np.float32)
    # Means: class 0 (0.9 + 0.8 + 0.2) / 3 = 0.633, class 1 (0.7 + 0.9 + 0.55) / 3 = 0.717: only the third reaches another's.
    (dispute,) = find_disputes(probabilities, labels)
    assert (dispute.picture, dispute.given, dispute.suggested) == (2, 0, 1)
    assert abs(dispute.margin - 0.6) < 1e-6


def test_the_surest_come_first_and_an_absent_class_disputes_nothing() -> None:
    labels = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    first = np.array([0.9, 0.9, 0.2, 0.1, 0.1, 0.1, 0.95, 0.2])
    probabilities = np.stack([first, 1 - first, np.zeros(8)], axis=1).astype(np.float32)
    assert [dispute.picture for dispute in find_disputes(probabilities, labels)] == [6, 3, 2]


def test_flipped_labels_are_found_among_clusters() -> None:
    generator = np.random.default_rng(0)
    truth = np.repeat(np.arange(3), 60)
    features = generator.normal(np.eye(3, 16)[truth] * 6, 1.0).astype(np.float32)
    labels = truth.copy()
    flipped = generator.choice(180, 9, replace=False)
    labels[flipped] = (labels[flipped] + 1) % 3
    probabilities = out_of_sample_probabilities(features, labels, np.arange(180))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    disputes = find_disputes(probabilities, labels)
    found = {dispute.picture for dispute in disputes}
    assert found <= set(flipped.tolist())
    assert len(found) >= 6
    assert all(dispute.suggested == truth[dispute.picture] for dispute in disputes)


def test_no_picture_is_judged_by_its_own_copy() -> None:
    # Two of each point, one of each labelled at random: a classifier that sees the copy could repeat its label.
    generator = np.random.default_rng(1)
    features = np.repeat(generator.normal(size=(40, 200)), 2, axis=0).astype(np.float32)
    labels = np.repeat(generator.integers(0, 2, 40), 2)
    groups = np.repeat(np.arange(40), 2)

    def right(groups: np.ndarray) -> float:
        return float((out_of_sample_probabilities(features, labels, groups).argmax(axis=1) == labels).mean())

    assert right(groups) < 0.7 < 0.85 < right(np.arange(80))


def test_a_class_of_copies_of_one_picture_is_not_judged(tmp_path: Path) -> None:
    scene_folder(tmp_path, {"cat": 3, "dog": 3})
    (tmp_path / "owl").mkdir()
    scene(70).save(tmp_path / "owl" / "a.jpg", quality=90)
    scene(70).resize((200, 150)).save(tmp_path / "owl" / "b.jpg", quality=70)
    (tmp_path / "yak").mkdir()
    for name in ("a.jpg", "b.jpg"):
        scene(71).save(tmp_path / "yak" / name)
    assert {record.label for record in judgeable(scan(tmp_path))} == {"cat", "dog"}


@pytest.mark.parametrize("counts", [(2, 2), (2, 3, 7), (4, 4, 4), (2, 60)])
def test_small_classes_are_judged_in_fewer_folds(counts: tuple[int, ...]) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    features = np.random.default_rng(0).normal(np.eye(len(counts), 8)[labels] * 9, 1.0).astype(np.float32)
    probabilities = out_of_sample_probabilities(features, labels, np.arange(len(labels)))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert probabilities[np.arange(len(labels)), labels].min() > 0
