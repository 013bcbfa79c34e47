"""Which files belong to which class and split: class folders, split folders, or a CSV manifest."""

from __future__ import annotations

import contextlib
import csv
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from unfreeze.data.dataset import SPLITS, LeftOut
from unfreeze.data.groups import with_groups
from unfreeze.errors import DataError, did_you_mean
from unfreeze.recipe.grouping import read_grouping

SPLIT_FOLDERS = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
}
_SYSTEM_FILES = {"thumbs.db", "desktop.ini"}
MANIFEST_COLUMNS = ("path", "label", "split", "group")
# Why something isn't used: the reason and the kind of a `LeftOut`.
_Why = tuple[str, str]
_LONGEST_SHOWN = 300
_LINKED: _Why = ("a link to a folder", "linked-folder")


@dataclass(frozen=True, slots=True)
class Found:
    """A file that may be a picture, before it is read; the fields are those of `dataset.Record`.

    `depth` is how many folders of the name come before those of the person's own making: those of split and class.
    """

    folder: Path
    name: str
    label: str
    split: str | None = None
    group: str | None = None
    depth: int = 0

    @property
    def path(self) -> Path:
        """Where it is."""
        return self.folder / self.name

    @property
    def inner_folders(self) -> tuple[str, ...]:
        """Those between the class folder and the file; in a manifest all of its path."""
        return PurePosixPath(self.name.replace("\\", "/") if self.depth == 0 else self.name).parent.parts[self.depth :]


@dataclass(frozen=True)
class Layout:
    """What a folder or manifest says, before any picture is read.

    Attributes:
        found: the files, in the order of their names.
        empty_classes: class folders that hold no file.
        left_out: files that are not in any class, system files, and folders that are not looked into.
        splits: those that have a folder or are named in the manifest, whether or not it holds a picture.
        ignored_columns: of the manifest.
    """

    found: tuple[Found, ...]
    empty_classes: tuple[str, ...]
    left_out: tuple[LeftOut, ...]
    splits: tuple[str, ...] = ()
    ignored_columns: tuple[str, ...] = ()


def read_layout(root: Path, group_by: str | None = None) -> Layout:
    """The files below `root`, with their classes and splits.

    `root` is a folder `<class>/*`, a folder `{train,val|valid|validation,test}/<class>/*`, or a CSV manifest with the
    columns `path,label[,split][,group]`, paths relative to the manifest. `group_by` gives groups: see `recipe.grouping`; they
    take the place of those in a manifest.

    Raises:
        DataError: there is no such folder or file, no class folders in it, the manifest can't be followed, or `group_by` gives
            a file no group.
    """
    grouping = None if group_by is None else read_grouping(group_by)
    if grouping is None or grouping.kind == "column":
        return _read(root, grouping and grouping.value)
    layout = _read(root, None)
    return replace(layout, found=with_groups(root, layout.found, grouping))


def _read(root: Path, group_column: str | None) -> Layout:
    kind = _kind(root)
    if kind == "file":
        return _read_manifest(root, group_column)
    if kind != "folder":
        raise DataError(f"{root}: there is no such folder. Give a folder with one folder of pictures per class, or a CSV file.")
    if group_column is not None:
        raise DataError(
            f"{root}: group_by 'column:{group_column}' is for a CSV file, and this is a folder: use folder:1 or name:EXPRESSION"
        )
    named = [folder for folder in _folders(root) if folder.name.lower() in SPLIT_FOLDERS]
    with_classes = [folder for folder in named if _folders(folder)]
    if any(SPLIT_FOLDERS[folder.name.lower()] == "train" for folder in with_classes):
        return _read_split_folders(root, named)  # with those that are empty
    # val/cat and test/cat alone are splits too, not the classes `val` and `test`.
    if with_classes and with_classes == _folders(root):
        return _read_split_folders(root, with_classes)
    return _read_class_folders(root)


def find_files(paths: Sequence[Path]) -> list[Path]:
    """The files named, and those in the folders named: searched whole, by name, hidden and system ones left out.

    Raises:
        DataError: a path doesn't exist, or there is no file at all.
    """
    files: list[Path] = []
    for path in paths:
        kind = _kind(path)
        if kind == "nothing":
            raise DataError(f"{path}: there is no such file or folder")
        files += sorted(file for file, why in _walk(path) if why is None) if kind == "folder" else [path]
    if not files:
        raise DataError(f"no files in {', '.join(str(path) for path in paths) or 'an empty list of paths'}")
    return files


def _read_class_folders(root: Path) -> Layout:
    folders = _folders(root)
    if not folders:
        raise DataError(
            f"{root}: no class folders. Put the pictures of each class into a folder of its own"
            f" ({root / 'cat'}/…, {root / 'dog'}/…), or give a CSV file with the columns path,label."
        )
    return _read_classes(root, [(folder, None) for folder in folders], [root])


def _read_split_folders(root: Path, split_folders: list[Path]) -> Layout:
    by_split: dict[str, str] = {}
    for folder in split_folders:
        split = SPLIT_FOLDERS[folder.name.lower()]
        if split in by_split:
            raise DataError(f"{root}: both {by_split[split]}/ and {folder.name}/ mean the {split} split: keep one of them")
        by_split[split] = folder.name
    others = [folder.name for folder in _folders(root) if folder not in split_folders]
    if others:
        raise DataError(
            f"{root}: {', '.join(sorted(by_split.values()))} look like splits, but {', '.join(others)} stand beside"
            " them: move those away, or give the folder of one split"
        )
    classes: list[tuple[Path, str | None]] = [
        (inner, SPLIT_FOLDERS[folder.name.lower()]) for folder in split_folders for inner in _folders(folder)
    ]
    layout = _read_classes(root, classes, [root, *split_folders])
    return replace(layout, splits=tuple(name for name in SPLITS if name in by_split))


def _read_classes(root: Path, classes: list[tuple[Path, str | None]], parents: list[Path]) -> Layout:
    found: list[Found] = []
    left_out = [LeftOut(_name(path, root), *why) for parent in parents for path, why in _strays(parent)]
    for folder, split in classes:
        for path, why in _walk(folder):
            name = _name(path, root)
            if why is None:
                found.append(Found(root, name, folder.name, split, depth=1 if split is None else 2))
            else:
                left_out.append(LeftOut(name, *why))
    filled = {file.label for file in found}
    empty = sorted({folder.name for folder, _ in classes} - filled)
    return Layout(tuple(sorted(found, key=lambda file: file.name)), tuple(empty), tuple(left_out))


def _read_manifest(path: Path, group_column: str | None) -> Layout:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            columns = reader.fieldnames or []
            ignored = _check_columns(path, list(columns), group_column)
            # Not counted here: rows may span lines, and empty lines give no row.
            found = [_manifest_row(path, reader.line_num, row, group_column) for row in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: can't be read as CSV in UTF-8 ({error})") from None
    except OSError as error:
        raise DataError(f"{path}: can't be read ({error.strerror or error})") from None
    if not found:
        raise DataError(f"{path}: holds no pictures: give one line `path,label` per picture")
    splits = tuple(name for name in SPLITS if any(file.split == name for file in found))
    return Layout(tuple(sorted(found, key=lambda file: file.name)), (), (), splits, ignored)


def _check_columns(path: Path, columns: list[str], group_column: str | None) -> tuple[str, ...]:
    """The columns that nothing is read from."""
    if group_column is not None and group_column not in columns:
        hint = did_you_mean(group_column, columns)
        raise DataError(
            f"{path}: group_by 'column:{group_column}': it has no such column.{hint} Its columns are {_named(columns)}"
        )
    unknown = [column for column in columns if column not in (*MANIFEST_COLUMNS, group_column)]
    if not {"path", "label"} <= set(columns):
        hint = "".join(did_you_mean(column, MANIFEST_COLUMNS) for column in unknown)
        raise DataError(f"{path}: its columns are {_named(columns)}; a manifest has path,label and may have split,group.{hint}")
    return tuple(unknown)


def _named(columns: Sequence[str]) -> str:
    """For a message: a file that isn't CSV may be one column of any length."""
    shown = ", ".join(columns) or "none"
    return shown if len(shown) <= _LONGEST_SHOWN else f"{shown[:_LONGEST_SHOWN]} …"


def _manifest_row(path: Path, line: int, row: Mapping[str | None, Any], group_column: str | None) -> Found:
    if None in row:  # where DictReader puts what is left over
        raise DataError(f"{path}, line {line}: more values than columns: put a value that holds a comma in double quotes")
    picture, label = (row["path"] or "").strip(), (row["label"] or "").strip()
    if "\0" in picture + label:
        raise DataError(f"{path}, line {line}: holds a zero byte, which no path can have: write the file again as text")
    if not picture or not label:
        raise DataError(f"{path}, line {line}: path and label must both be given, got '{picture}' and '{label}'")
    given = (row.get("split") or "").strip()
    if given and given.lower() not in SPLIT_FOLDERS:
        raise DataError(f"{path}, line {line}: no split '{given}': write one of {', '.join(SPLITS)}, or leave it empty")
    group = (row.get(group_column or "group") or "").strip()
    if group_column is not None and not group:
        # A picture without one would be torn from its like in silence.
        raise DataError(f"{path}, line {line}: group_by 'column:{group_column}', and its cell is empty: give every picture one")
    return Found(path.parent, picture, label, SPLIT_FOLDERS.get(given.lower()), group or None)


def _folders(parent: Path) -> list[Path]:
    """The folders in a folder that may be classes or splits."""
    return [path for path in _children(parent) if _is_folder(path) and _why_not_entered(path) is None]


def _strays(parent: Path) -> Iterator[tuple[Path, _Why]]:
    """What lies in a folder beside its classes or splits, with the reason why it isn't used."""
    for path in _children(parent):
        why = _why_not_entered(path) if _is_folder(path) else ("not inside a class folder", "unused")
        if why is not None:
            yield path, why


def _children(parent: Path) -> list[Path]:
    try:
        return sorted(parent.iterdir())
    except OSError as error:
        raise DataError(f"{parent}: can't be read ({error.strerror or error})") from None


def _why_not_entered(folder: Path) -> _Why | None:
    if folder.name.startswith(".") or folder.name == "__MACOSX":
        return "a hidden or system folder", "unused"
    # A class folder may be a link to another disk, but not to a folder that it lies in: that would hold every class.
    if folder.is_symlink() and folder.parent.resolve().is_relative_to(folder.resolve()):
        return "a link to a folder that it lies in", "linked-folder"
    return None


def _walk(folder: Path) -> Iterator[tuple[Path, _Why | None]]:
    """Every file below a class folder and every folder not looked into, with why it isn't used, or None."""
    unreadable: list[OSError] = []
    # os.walk doesn't follow links to folders, so a link to a parent can't loop.
    for parent, folders, files in os.walk(folder, onerror=unreadable.append):
        inner = [Path(parent, name) for name in sorted(folders)]
        reasons = {path: _LINKED if path.is_symlink() else _why_not_entered(path) for path in inner}
        folders[:] = [path.name for path, why in reasons.items() if why is None]
        yield from ((path, why) for path, why in reasons.items() if why is not None)
        for path in (Path(parent, name) for name in sorted(files)):
            yield path, _why_no_picture(path)
    for error in unreadable:
        yield Path(error.filename), (f"can't be read ({error.strerror})", "unreadable")


def _why_no_picture(path: Path) -> _Why | None:
    if path.name.startswith(".") or path.name.lower() in _SYSTEM_FILES:
        return "a hidden or system file", "unused"
    # A link that leads nowhere goes on, and what can't be told, and is left out with the system's reason.
    return ("a pipe or device, not a file", "unused") if _kind_or_none(path) == "other" else None


def _kind(path: Path) -> str:
    """What is there: `file`, `folder`, `other` (a pipe, a device) or `nothing`.

    Raises:
        DataError: it can't be told.
    """
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return "nothing"
    except OSError as error:
        raise DataError(f"{path}: can't be read ({error.strerror or error})") from None
    return "folder" if stat.S_ISDIR(mode) else "file" if stat.S_ISREG(mode) else "other"


def _kind_or_none(path: Path) -> str | None:
    with contextlib.suppress(DataError):
        return _kind(path)
    return None


def _is_folder(path: Path) -> bool:
    return _kind_or_none(path) == "folder"


def _name(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()
