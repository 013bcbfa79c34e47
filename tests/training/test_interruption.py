"""Signals heard where a training can stop: at once, or held until the step is done; the second isn't held."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from unfreeze.training.interruption import Interruption, Terminated


@pytest.fixture(autouse=True)
def _as_in_a_terminal() -> Iterator[None]:
    """A test run in the background of a shell ignores Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(("number", "error"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, Terminated)])
def test_a_signal_is_heard_at_once(number: signal.Signals, error: type[BaseException]) -> None:
    with pytest.raises(error), Interruption().listening():
        signal.raise_signal(number)


def test_where_it_is_held_it_waits_for_the_check() -> None:
    done = []
    with Interruption().listening() as interruption:
        with pytest.raises(Terminated), interruption.held():
            signal.raise_signal(signal.SIGTERM)
            done.append("the step")
            assert interruption.is_asked
            interruption.check()
            done.append("another step")
        assert (done, interruption.is_asked) == (["the step"], False)


def test_without_a_check_it_waits_for_the_end() -> None:
    done = []
    with Interruption().listening() as interruption, pytest.raises(KeyboardInterrupt), interruption.held():
        signal.raise_signal(signal.SIGINT)
        done.append("all")
    assert done == ["all"]


def test_the_second_signal_isnt_held() -> None:
    with Interruption().listening() as interruption, pytest.raises(Terminated), interruption.held():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
        pytest.fail("it was held")


def test_another_error_isnt_replaced() -> None:
    with Interruption().listening() as interruption, pytest.raises(ZeroDivisionError), interruption.held():
        signal.raise_signal(signal.SIGTERM)
        raise ZeroDivisionError


def test_what_was_there_before_comes_back_and_what_is_ignored_stays_so() -> None:
    before = signal.getsignal(signal.SIGTERM)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with Interruption().listening():
        assert signal.getsignal(signal.SIGTERM) != before
        signal.raise_signal(signal.SIGINT)
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == (before, signal.SIG_IGN)
