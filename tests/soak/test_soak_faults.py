"""Faults of the machine, in the short form: once each, on the NumPy backend."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from soak import faults
from soak.faults import Fault, Place


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    with faults.surroundings() as root:
        yield Place(root, "numpy")


@pytest.mark.parametrize("fault", faults.FAULTS, ids=lambda fault: fault.__name__)
def test_a_fault_while_training(place: Place, fault: Fault) -> None:
    row = faults.tried(fault, faults.partial_of(place), "numpy", 1, 0)
    assert row.lost == []


def test_faults_without_a_framework() -> None:
    for row in faults.of_none(1, 0):
        assert row.lost == []
