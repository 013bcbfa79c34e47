"""What pictures may take of the machine, and that they wait for each other."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from unfreeze.data import bounds
from unfreeze.data.bounds import in_turn, most_bytes, most_pixels
from unfreeze.errors import DataError


def test_the_variable_sets_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNFREEZE_MAX_PIXELS", "1000")
    assert most_pixels() == 1000
    assert most_bytes() == 8000 + 2**26
    monkeypatch.setenv("UNFREEZE_MAX_PIXELS", "many")
    with pytest.raises(DataError, match="UNFREEZE_MAX_PIXELS='many' isn't a number of pixels"):
        most_pixels()


@pytest.mark.parametrize(("pixels", "format", "at_once"), [(100, "WEBP", 1), (50, "WEBP", 2), (50, "PNG", 3), (10, "JPEG", 8)])
def test_threads_together_take_no_more_than_one_picture_at_the_limit(
    pixels: int, format: str, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "MAXIMUM_PIXELS", 100)
    inside, most, lock = 0, 0, threading.Lock()
    # Each waits until as many are within as may be, or for a moment, so that one too many would be seen.
    full = threading.Event()

    def decode(_: int) -> None:
        nonlocal inside, most
        with in_turn(pixels, format):
            with lock:
                inside += 1
                most = max(most, inside)
                if inside > at_once:
                    full.set()
            full.wait(0.05)
            with lock:
                inside -= 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(decode, range(16)))
    assert 1 <= most <= at_once


def test_a_turn_ends_with_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "MAXIMUM_PIXELS", 100)
    with pytest.raises(ValueError, match="broken"), in_turn(100, "WEBP"):
        raise ValueError("broken")
    with in_turn(100, "WEBP"):
        pass
