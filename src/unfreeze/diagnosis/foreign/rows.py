"""A history file as rows of named cells: CSV with any separator, or JSON as trainers write it."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from unfreeze.errors import RunError
from unfreeze.reading import check_readable, parse_json

# Column -> cell as written; a cell that isn't there has no entry.
Row = dict[str, str]

WOULD_DO = (
    "It can be what Keras' or fastai's CSVLogger wrote, Lightning's metrics.csv, timm's summary.csv, a Hugging Face"
    " trainer_state.json, or any table with a first line of names and a line per epoch."
)
# Under these names trainers keep their histories: said where a folder is given.
USUAL_NAMES = ("metrics.csv", "summary.csv", "history.csv", "training.log", "log.csv", "results.csv", "trainer_state.json")
_SEPARATORS = ",;\t|"
_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


class Rows(NamedTuple):
    """The rows of a file, its columns in order, and what was odd about it, in words."""

    columns: tuple[str, ...]
    rows: list[Row]
    remarks: tuple[str, ...]


def read_rows(path: Path) -> Rows:
    """The rows of a history file.

    Raises:
        RunError: there is no such file, it can't be read, or it isn't a table with names.
    """
    text, remarks = _text(path)
    if not text.strip():
        raise RunError(f"{path}: the file is empty. {WOULD_DO}")
    read = _from_json if text.lstrip()[0] in "{[" else _from_csv
    rows, more = read(path, text)
    columns = tuple(dict.fromkeys(name for row in rows for name in row))
    if not any(number(cell) is not None for row in rows for cell in row.values()):
        found = f"the columns {names(columns)} without a number in them" if columns else "names without a line of numbers"
        raise RunError(f"{path}: no history was found, only {found}. {WOULD_DO}")
    return Rows(columns, rows, (*remarks, *more))


def number(cell: str | None) -> float | None:
    """A cell as a number, NaN and infinite ones included; None where it isn't one. `12 %` is 12, and `0,5` is 0.5."""
    if cell is None:
        return None
    try:
        return float(cell.strip().removesuffix("%").replace(",", "."))
    except ValueError:
        return {"true": 1.0, "false": 0.0}.get(cell.strip().lower())


def names(columns: Sequence[str]) -> str:
    """Columns for a message, the first twenty of them."""
    shown = ", ".join(f"'{name}'" for name in columns[:20])
    return f"{shown} … ({len(columns)} in all)" if len(columns) > 20 else shown


def _text(path: Path) -> tuple[str, list[str]]:
    if path.is_dir():
        inside = [name for name in USUAL_NAMES if (path / name).is_file()]
        instead = f"Give the file: {path / inside[0]}" if inside else f"Give a run folder or a file. {WOULD_DO}"
        raise RunError(f"{path} is a folder, and no run of unfreeze. {instead}")
    try:
        check_readable(path)
        content = path.read_bytes()
    except FileNotFoundError:
        raise RunError(f"{path}: there is no such file or run folder") from None
    except OSError as error:
        raise RunError(f"{path}: can't be read ({error.strerror or error})") from None
    encoding = next((name for mark, name in _MARKS.items() if content.startswith(mark)), "utf-8")
    if encoding != "utf-16" and b"\0" in content:
        raise RunError(f"{path}: isn't a text file, so no history can be read from it. {WOULD_DO}")
    try:
        return content.decode(encoding), []
    except UnicodeDecodeError:
        return content.decode("latin-1"), ["the file isn't UTF-8: names with accents may look odd"]


def _from_csv(path: Path, text: str) -> tuple[list[Row], list[str]]:
    """The lines under their header; a header that is repeated (a resumed training's) begins anew."""
    first = text.lstrip().splitlines()[0]
    separator = max(_SEPARATORS, key=first.count)
    try:
        lines = [[cell.strip() for cell in line] for line in csv.reader(io.StringIO(text), delimiter=separator)]
    except csv.Error as error:
        raise RunError(f"{path}: can't be read as a table ({error}). {WOULD_DO}") from None
    lines = [line for line in lines if any(line)]
    if not lines:
        raise RunError(f"{path}: holds no line with anything in it. {WOULD_DO}")
    header, rows, remarks = lines[0], [], []
    if all(number(cell) is not None for cell in header if cell):
        raise RunError(f"{path}: the first line is numbers: a line with the names of the columns must come first")
    if len(lines) > 1 and len(lines[-1]) < len(header):
        remarks = ["the last line breaks off and was left out"]
        lines.pop()
    for line in lines[1:]:
        if set(line) & set(header) - {""} and not any(number(cell) is not None for cell in line):
            header = line
        else:
            rows.append({name: cell for name, cell in zip(header, line, strict=False) if name and cell})
    return rows or [dict.fromkeys(filter(None, header), "")], remarks


def _from_json(path: Path, text: str) -> tuple[list[Row], list[str]]:
    """A list of records, `log_history` of a trainer's state, lists by column as in Keras' `History.history`, or JSON lines."""
    try:
        values = parse_json(text)
    except ValueError as error:
        try:
            values = [parse_json(line) for line in text.splitlines() if line.strip()]
        except ValueError:
            raise RunError(f"{path}: can't be read as JSON ({error}). {WOULD_DO}") from None
    if isinstance(values, dict) and isinstance(values.get("log_history"), list):
        # The last record sums the training up: its train_loss is a mean over all epochs.
        values = [record for record in values["log_history"] if not isinstance(record, dict) or "train_runtime" not in record]
    if isinstance(values, dict):
        values = _records(values)
    records = [_cells(record) for record in values if isinstance(record, dict)]
    if not records:
        raise RunError(f"{path}: there are no records of epochs in this JSON. {WOULD_DO}")
    return records, []


def _records(columns: Mapping[str, Any]) -> list[dict[str, Any]]:
    listed = {name: values for name, values in columns.items() if isinstance(values, list)}
    length = max((len(values) for values in listed.values()), default=0)
    return [{name: values[place] for name, values in listed.items() if place < len(values)} for place in range(length)]


def _cells(record: Mapping[str, Any]) -> Row:
    return {name: str(value) for name, value in record.items() if isinstance(value, (str, int, float))}
