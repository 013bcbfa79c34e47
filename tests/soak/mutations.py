"""A text file, changed in a way that a text can be: by an editor, a disk, another program, or somebody who means harm."""

from __future__ import annotations

import copy
import csv
import io
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import yaml

Mutation = Callable[[bytes, Random], bytes]

# What a value is replaced by.
STRANGE: tuple[Any, ...] = (
    None, True, 0, -1, 7, 1.5, -0.0, float("nan"), float("inf"), 1e308, 5e-324, 10**30, -(2**63) - 1, 10**4000,
    "", " ", "1e999", "nul", "no", "2024-02-30", "../../../etc/passwd", "/etc/passwd", "/dev/zero", "a\x00b", "\udcff",
    "\u202eevil", "😀" * 300, "=1+1", "<script>alert(1)</script>", "\x1b[31m", "[bold]", "x" * 100_000, "{{ 1 }}",
    [], {}, [None], [[]], {"a": {"a": None}}, [1, "a", None, 2.5], {"": ""}, {"1": 1}, [[[[]]]],
)  # fmt: skip
_DEPTH, _TO_BE_NESTED = 1000, "to-be-nested"


def mutate(content: bytes, name: str, random: Random) -> tuple[str, bytes]:
    """What was done, in words, and the file's new content. The same for the same state of `random`."""
    as_values = _FORMATS.get(Path(name).suffix)
    kind = random.choice([*BYTES, *(VALUES if as_values else ())])
    if as_values is None or kind in BYTES:
        return kind, BYTES[kind](content, random)
    read, write = as_values
    text = write(VALUES[kind](read(content.decode()), random))
    for marker in (f'"{_TO_BE_NESTED}"', _TO_BE_NESTED):
        text = text.replace(marker, "[" * _DEPTH + "]" * _DEPTH)
    return kind, text.encode("utf-8", "surrogatepass")


def misplace(path: Path, kind: str) -> None:
    """Puts something else where a file was."""
    path.unlink()
    if kind == "a folder":
        path.mkdir()
    elif kind == "a link to nowhere":
        path.symlink_to(path.parent / "nowhere")
    elif kind == "a link to itself":
        path.symlink_to(path)
    elif kind == "a pipe":
        os.mkfifo(path)
    elif kind == "a device without end":
        path.symlink_to("/dev/zero")


PLACES = ("nothing", "a folder", "a link to nowhere", "a link to itself", "a pipe", "a device without end")


def put_back(path: Path, content: bytes) -> None:
    """What `misplace` took away."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    path.write_bytes(content)


def _cut(content: bytes, random: Random) -> bytes:
    return content[: random.randrange(len(content) + 1)]


def _flip(content: bytes, random: Random) -> bytes:
    changed = bytearray(content or b"\0")
    for _ in range(random.choice((1, 1, 8, 64))):
        changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
    return bytes(changed)


def _take_out(content: bytes, random: Random) -> bytes:
    start = random.randrange(len(content) + 1)
    return content[:start] + content[start + random.randrange(1, 64) :]


def _put_in(inserted: Callable[[Random], bytes]) -> Mutation:
    def put_in(content: bytes, random: Random) -> bytes:
        start = random.randrange(len(content) + 1)
        return content[:start] + inserted(random) + content[start:]

    return put_in


def _of_lines(change: Callable[[list[bytes], Random], list[bytes]]) -> Mutation:
    def mutation(content: bytes, random: Random) -> bytes:
        lines = content.splitlines(keepends=True) or [b""]
        return b"".join(change(lines, random))

    return mutation


def _line_gone(lines: list[bytes], random: Random) -> list[bytes]:
    place = random.randrange(len(lines))
    return lines[:place] + lines[place + random.choice((1, 1, 5)) :]


def _line_twice(lines: list[bytes], random: Random) -> list[bytes]:
    place = random.randrange(len(lines))
    return lines[:place] + [lines[place]] * random.choice((2, 2, 100)) + lines[place + 1 :]


def _lines_swapped(lines: list[bytes], random: Random) -> list[bytes]:
    first, second = random.randrange(len(lines)), random.randrange(len(lines))
    lines[first], lines[second] = lines[second], lines[first]
    return lines


def _whole(text: str) -> Mutation:
    return lambda content, random: text.encode()


def _billion_laughs() -> str:
    lines = ["a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    return "\n".join([*lines, "model: *a11", "head: *a11", "unfrozen: {rate: *a11}", "imbalance: {class_weights: *a11}"]) + "\n"


_TAGS = (
    b"!!python/object/apply:os.system ['touch hacked']", b"!!python/name:os.system ''", b"!!python/object:os.PathLike {}",
    b"!!binary aGVsbG8=", b"!!set {a, b}", b"!!omap [a: 1]", b"!!timestamp 2001-12-14", b"!<tag:nowhere> 1", b"!!int x",
    b"&a [*a]", b"!!float {}", b"? [1]\n: 2", b"<<: 3", b"<<: [{a: 1}]", b"0o7", b"1:60:60", b"{[1]: 2}", b"!!int 0b",
    b"!!bool maybe", b"!!float .",
)  # fmt: skip


def _values_of_class(content: bytes, random: Random) -> bytes:
    """A tag that makes an unsafe loader run code."""
    lines = content.splitlines(keepends=True) or [b""]
    tag = random.choice(_TAGS)
    place = random.randrange(len(lines))
    key, colon, _ = lines[place].partition(b":")
    lines[place] = key + colon + b" " + tag + b"\n"
    return b"".join(lines)


BYTES: dict[str, Mutation] = {
    "cut off": _cut,
    "bits flipped": _flip,
    "a piece taken out": _take_out,
    "noise put in": _put_in(lambda random: random.randbytes(random.choice((1, 8, 256)))),
    "zeros put in": _put_in(lambda random: bytes(random.choice((1, 64)))),
    "a line gone": _of_lines(_line_gone),
    "a line twice": _of_lines(_line_twice),
    "lines swapped": _of_lines(_lines_swapped),
    "emptied": _whole(""),
    "blank": _whole(" \n\n"),
    "Windows line ends": lambda content, random: content.replace(b"\n", b"\r\n"),
    "old Mac line ends": lambda content, random: content.replace(b"\n", b"\r"),
    "a byte order mark": lambda content, random: b"\xef\xbb\xbf" + content,
    "in UTF-16": lambda content, random: content.decode("utf-8", "replace").encode("utf-16"),
    "in Latin-1": lambda content, random: content.decode("utf-8", "replace").encode("latin-1", "replace"),
    "tabs for spaces": lambda content, random: content.replace(b"  ", b"\t"),
    "a billion laughs": _whole(_billion_laughs()),
    "itself within itself": _whole("&a [*a]"),
    "a value of a class": _values_of_class,
    "lists without end": _whole("[" * 100_000),
    "maps without end": _whole('{"a":' * 100_000),
    "another kind of value": lambda content, random: json.dumps(random.choice(STRANGE)).encode(),
    "a number too long": _whole("1" * 5000),
    "one long line": _whole("a" * 200_000),
    "another format": _whole("<?xml version='1.0'?><a>b</a>"),
}


def _replace(leaf: Callable[[Any, Random], Any]) -> Callable[[Any, Random], Any]:
    """Values with one of them, anywhere, as `leaf` changes it."""

    def replaced(values: Any, random: Random) -> Any:
        if isinstance(values, (dict, list)) and values and random.random() < 0.9:
            key = random.choice([*values]) if isinstance(values, dict) else random.randrange(len(values))
            values[key] = replaced(values[key], random)
            return values
        return leaf(values, random)

    return replaced


def _nested(value: Any, random: Random) -> Any:
    return _TO_BE_NESTED  # as text: writing it recursively wouldn't do


def _near(value: Any, random: Random) -> Any:
    """A number of the same kind that might do."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)[::-1] if isinstance(value, str) else value
    return random.choice((-value, value + 1, value * 1000, value / 7, str(value), [value]))


def _keys(change: Callable[[dict[Any, Any], Any, Random], None]) -> Callable[[Any, Random], Any]:
    """Values with a key of one of the mappings changed."""

    def changed(values: Any, random: Random) -> Any:
        mappings = [part for part in _parts(values) if isinstance(part, dict) and part]
        if mappings:
            mapping = random.choice(mappings)
            change(mapping, random.choice([*mapping]), random)
        return values

    return changed


def _parts(values: Any) -> Iterator[Any]:
    yield values
    for part in values.values() if isinstance(values, dict) else values if isinstance(values, list) else ():
        yield from _parts(part)


def _key_gone(mapping: dict[Any, Any], key: Any, random: Random) -> None:
    del mapping[key]


def _key_renamed(mapping: dict[Any, Any], key: Any, random: Random) -> None:
    mapping[random.choice((f"{key}s", "", "__class__", "x" * 10_000, str(key).upper(), "a.b", "self", "1"))] = mapping.pop(key)


VALUES: dict[str, Callable[[Any, Random], Any]] = {
    "a value replaced": _replace(lambda value, random: copy.deepcopy(random.choice(STRANGE))),
    "a value moved": _replace(_near),
    "a value nested": _replace(_nested),
    "a list cut or doubled": _replace(
        lambda value, random: random.choice((value * 2, value[1:])) if isinstance(value, list) else [value]
    ),
    "a key gone": _keys(_key_gone),
    "a key renamed": _keys(_key_renamed),
}


def _as_yaml(values: Any) -> str:
    return yaml.safe_dump(values, allow_unicode=True)


def _as_json(values: Any) -> str:
    return json.dumps(values, default=str, ensure_ascii=False)


def _as_lines(values: Any) -> str:
    return "".join(f"{_as_json(line)}\n" for line in (values if isinstance(values, list) else [values]))


def _as_table(rows: Any) -> str:
    text = io.StringIO()
    rows = rows if isinstance(rows, list) else [rows]
    csv.writer(text, lineterminator="\n").writerows([row if isinstance(row, list) else [row] for row in rows])
    return text.getvalue()


# Of a file's ending: how its values are read and written.
_FORMATS: dict[str, tuple[Callable[[str], Any], Callable[[Any], str]]] = {
    ".yaml": (yaml.safe_load, _as_yaml),
    ".json": (json.loads, _as_json),
    ".jsonl": (lambda text: [json.loads(line) for line in text.splitlines()], _as_lines),
    ".csv": (lambda text: [*csv.reader(io.StringIO(text))], _as_table),
}
