"""Which group each file is in, by its folder or its name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from unfreeze.errors import DataError
from unfreeze.recipe.grouping import Grouping

if TYPE_CHECKING:
    from unfreeze.data.layout import Found

_SHOWN = 3


def with_groups(root: Path, files: Sequence[Found], grouping: Grouping) -> tuple[Found, ...]:
    """The files, each with its group; a picture without one would be torn from its like in silence.

    Args:
        root: of the dataset, for errors.
        files: what was found.
        grouping: of kind `folder` or `name`.

    Raises:
        DataError: files have no such folder, or their names don't match.
    """
    groups = [_group_of(file, grouping) for file in files]
    without = [file.name for file, group in zip(files, groups, strict=True) if not group]
    if without:
        shown = ", ".join(without[:_SHOWN]) + (" …" if len(without) > _SHOWN else "")
        raise DataError(
            f"{root}: group_by '{grouping.kind}:{grouping.value}' gives no group for {len(without)} of {len(files)} files:"
            f" {shown}. {_advice(grouping)}"
        )
    return tuple(replace(file, group=group) for file, group in zip(files, groups, strict=True))


def _group_of(file: Found, grouping: Grouping) -> str | None:
    if grouping.kind == "name":
        match = grouping.expression.search(PurePosixPath(file.name).name)
        return match and (match.group(1) if grouping.expression.groups else match.group())
    level = grouping.level
    folders = file.inner_folders
    if not -len(folders) <= level <= len(folders):
        return None
    return folders[level - 1 if level > 0 else level]


def _advice(grouping: Grouping) -> str:
    if grouping.kind == "name":
        return "The expression is searched in the file's own name, without its folders: widen it until every name matches."
    return "Folders are counted from the class folder, 1 being the first below it, or -1 from the file: give one that all have."
