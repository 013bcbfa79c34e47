"""TrivialAugment: torchvision's operations, pixel for pixel, at every strength, and each as likely as the next."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from PIL import Image

from support.folders import scene
from unfreeze.data import trivial
from unfreeze.data.trivial import OPERATIONS, Operation, trivial_augment

autoaugment = pytest.importorskip("torchvision.transforms.autoaugment")

IMAGE = scene(3, (80, 80))


def test_the_operations_and_strengths_are_torchvisions() -> None:
    theirs = autoaugment.TrivialAugmentWide()._augmentation_space(31)
    assert list(OPERATIONS) == list(theirs)
    for name, (strengths, signed) in theirs.items():
        np.testing.assert_allclose(OPERATIONS[name].strengths, np.atleast_1d(strengths.numpy()), atol=1e-4, err_msg=name)
        assert OPERATIONS[name].signed == signed


@pytest.mark.parametrize("name", OPERATIONS)
def test_the_pixels_are_torchvisions(name: str) -> None:
    operation = OPERATIONS[name]
    nearest = autoaugment.InterpolationMode.NEAREST
    for strength in operation.strengths[::3]:
        for signed in (strength, -strength) if operation.signed else (strength,):
            theirs = autoaugment._apply_op(IMAGE, name, signed, nearest, fill=None)
            np.testing.assert_array_equal(np.asarray(operation.apply(IMAGE, signed)), np.asarray(theirs), f"{name} {signed}")


def test_each_operation_strength_and_sign_is_as_likely(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: Counter[tuple[int, float]] = Counter()

    def noting(place: int, operation: Operation) -> Operation:
        def note(image: Image.Image, strength: float) -> Image.Image:
            seen[place, strength] += 1
            return image

        return operation._replace(apply=note)

    monkeypatch.setattr(trivial, "_LIST", [noting(place, operation) for place, operation in enumerate(OPERATIONS.values())])
    generator = np.random.default_rng(0)
    for _ in range(14_000):
        trivial_augment(IMAGE, generator)
    by_operation = Counter(place for place, _ in seen.elements())
    assert len(by_operation) == 14
    assert all(880 <= count <= 1120 for count in by_operation.values()), "1,000 ± 4 standard deviations"
    rotated = [strength for place, strength in seen.elements() if place == list(OPERATIONS).index("Rotate")]
    assert {abs(strength) for strength in rotated} == set(OPERATIONS["Rotate"].strengths)
    assert 0.4 <= np.mean(np.array(rotated) < 0) <= 0.6
    assert min(strength for place, strength in seen if place == list(OPERATIONS).index("Posterize")) == 2


def test_the_size_stays() -> None:
    generator = np.random.default_rng(1)
    for _ in range(50):
        changed = trivial_augment(IMAGE, generator)
        assert (changed.size, changed.mode) == (IMAGE.size, "RGB")
