"""Texts that are read: bounded in depth and in what they stand for, from files that have an end and lie where they should."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from unfreeze import reading
from unfreeze.reading import DEEPEST, check_readable, parse_json, parse_yaml, read_text


def test_a_text_is_read_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("été\r\n".encode())
    assert read_text(path, within=tmp_path) == "été\n"


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: path.mkdir(), "not a file"), (os.mkfifo, "not a file"),
        (lambda path: path.symlink_to("/dev/zero"), "not a file"),
        (lambda path: path.symlink_to(path), "symbolic links"), (lambda path: None, "No such file"),
    ],
)  # fmt: skip
def test_what_has_no_end_is_not_opened(make, reason: str, tmp_path: Path) -> None:
    make(tmp_path / "a")
    with pytest.raises(OSError, match=reason):
        read_text(tmp_path / "a")


def test_a_link_out_of_the_folder_is_refused_and_one_within_it_is_not(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "secret").write_text("mine")
    (tmp_path / "run/out").symlink_to(tmp_path / "secret")
    (tmp_path / "run/inner").write_text("theirs")
    (tmp_path / "run/within").symlink_to(tmp_path / "run/inner")
    with pytest.raises(OSError, match="a link to a file outside"):
        check_readable(tmp_path / "run/out", within=tmp_path / "run")
    assert read_text(tmp_path / "run/within", within=tmp_path / "run") == "theirs"
    # The folder itself may be reached by a link.
    (tmp_path / "also").symlink_to(tmp_path / "run")
    assert read_text(tmp_path / "also/inner", within=tmp_path / "also") == "theirs"


def test_a_text_that_is_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MOST_BYTES", 10)
    (tmp_path / "a").write_text("x" * 11)
    with pytest.raises(OSError, match="larger than 10 bytes"):
        read_text(tmp_path / "a")


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000])
def test_json_that_is_too_deep(text: str) -> None:
    with pytest.raises(ValueError, match="nested too deeply"):
        parse_json(text)


def test_yaml_as_deep_as_allowed_and_deeper() -> None:
    parse_yaml("[" * (DEEPEST - 1) + "]" * (DEEPEST - 1))
    with pytest.raises(ValueError, match="nested too deeply"):
        parse_yaml("[" * (DEEPEST + 1) + "]" * (DEEPEST + 1))


def test_a_billion_laughs() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    with pytest.raises(ValueError, match="its aliases stand for more values than can be held"):
        parse_yaml("\n".join(lines))


def test_an_alias_of_itself() -> None:
    with pytest.raises(ValueError, match="nested too deeply"):
        parse_yaml("&a [*a]")


def test_an_alias_as_people_use_it() -> None:
    assert parse_yaml("a: &x {b: 1}\nc: *x\n") == {"a": {"b": 1}, "c": {"b": 1}}


@pytest.mark.parametrize(
    "text",
    [
        "!!python/object/apply:os.system ['true']", "!!int x", "!!float {}", "!!bool maybe", "2024-02-30", "a: [", "a\x00b",
        "{[1]: 2}",
    ],
)  # fmt: skip
def test_yaml_that_is_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_yaml(text)
