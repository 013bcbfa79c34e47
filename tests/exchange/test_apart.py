"""Calls into a process of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from unfreeze import errors
from unfreeze.errors import FrameworkError, ModelError
from unfreeze.exchange import apart

CALLED = """
import os, sys
from unfreeze.errors import ModelError

def double(number):
    print("said by the child")
    return {"number": 2 * number, "process": os.getpid(), "text": "größer"}

def refuse(name):
    raise ModelError(f"no network '{name}'")

def needs_a_package():
    import a_package_that_is_not_there.part

def die():
    os._exit(3)
"""


@pytest.fixture
def called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "called_apart.py").write_text(CALLED, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    return "called_apart"


def test_a_function_runs_in_another_process(called: str, capfd: pytest.CaptureFixture[str]) -> None:
    import os

    with capfd.disabled():
        answer = apart.call(f"{called}:double", number=21)
    assert (answer["number"], answer["text"]) == (42, "größer")
    assert answer["process"] != os.getpid()


def test_its_errors_are_raised_here(called: str) -> None:
    with pytest.raises(ModelError, match="no network 'größer'"):
        apart.call(f"{called}:refuse", name="größer")


def test_a_missing_package_is_named(called: str) -> None:
    with pytest.raises(FrameworkError, match="the package a_package_that_is_not_there isn't installed"):
        apart.call(f"{called}:needs_a_package")


def test_an_end_without_an_answer_is_an_error(called: str) -> None:
    with pytest.raises(FrameworkError, match="ended with status 3"):
        apart.call(f"{called}:die")


def test_an_error_of_any_class_of_the_family_keeps_it() -> None:
    for name in ("RecipeError", "DataError", "ModelError", "FrameworkError", "TrainingError", "StorageError", "RunError"):
        with pytest.raises(getattr(errors, name), match=r"^why$"):
            apart._result({"error": name, "message": "why"})
