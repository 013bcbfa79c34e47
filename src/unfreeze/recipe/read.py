"""Recipes from YAML files, presets and flags; all mistakes reported at once, each with the nearest name."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from unfreeze.errors import RecipeError, did_you_mean
from unfreeze.files import write_text
from unfreeze.reading import Loader, parse_yaml, read_text
from unfreeze.recipe.mistakes import explain
from unfreeze.recipe.recipe import Recipe

_PRESETS = resources.files("unfreeze.recipe") / "presets"


def preset_names() -> list[str]:
    """The recipes that ship with `unfreeze`."""
    return sorted(entry.name.removesuffix(".yaml") for entry in _PRESETS.iterdir() if entry.name.endswith(".yaml"))


def read_recipe(source: str | Path | None, changes: Mapping[str, Any] | None = None) -> Recipe:
    """A recipe from a preset or a YAML file, with changes on top.

    Args:
        source: the name of a preset, the path of a YAML file, or None for the defaults.
        changes: values by dotted name, for example `{"head.dropout": 0.5}`; they win over the file.

    Raises:
        RecipeError: no such file, not YAML, or mistakes in it; all mistakes are named at once.
    """
    values = _load(source) if source is not None else {}
    mistakes = []
    for dotted, value in (changes or {}).items():
        try:
            _set(values, dotted.split("."), value)
        except RecipeError as error:
            mistakes.append(str(error))
    return validate_recipe(values, str(source or "the recipe"), mistakes)


def validate_recipe(values: Mapping[str, Any], where: str = "the recipe", mistakes: list[str] | None = None) -> Recipe:
    """`values` as a recipe.

    Raises:
        RecipeError: naming every mistake by its dotted name.
    """
    found = list(mistakes or [])
    try:
        recipe = Recipe.model_validate(values)
    except ValidationError as error:
        found += explain(error)
    if found:
        count = "1 mistake" if len(found) == 1 else f"{len(found)} mistakes"
        raise RecipeError(f"{count} in {where}:\n" + "\n".join(f"  {line}" for line in found))
    return recipe


def parse_assignment(text: str) -> tuple[str, Any]:
    """`head.dropout=0.5` as `("head.dropout", 0.5)`; the value is read as YAML.

    Raises:
        RecipeError: there is no `=`, or the value isn't YAML.
    """
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise RecipeError(f"--set {text}: write it as NAME=VALUE, for example --set head.dropout=0.5")
    try:
        return name.strip(), _parse(value)
    except ValueError as error:
        raise RecipeError(f"--set {text}: the value can't be read as YAML ({_first_line(error)})") from None


def flatten(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Nested values as pairs of dotted name and value: `{"head": {"dropout": 0.5}}` as `[("head.dropout", 0.5)]`."""
    pairs: list[tuple[str, Any]] = []
    for key, value in values.items():
        # By class name, and a name may hold a dot.
        inner = isinstance(value, Mapping) and key not in ("class_weights", "logit_offsets", "repeats")
        pairs += flatten(value, f"{prefix}{key}.") if inner else [(f"{prefix}{key}", value)]
    return pairs


def write_yaml(value: BaseModel, path: Path) -> None:
    """Writes a recipe or plan as YAML."""
    # Not `mode="json"`: pydantic would make class names that aren't UTF-8 unreadable, where they are keys.
    write_text(path, yaml.safe_dump(value.model_dump(), sort_keys=False, allow_unicode=True, width=120))


def _load(source: str | Path) -> dict[str, Any]:
    path = Path(source)
    if str(source) in preset_names():
        text = (_PRESETS / f"{source}.yaml").read_text(encoding="utf-8")
    elif _is_file(path):
        try:
            text = read_text(path)
        except (OSError, ValueError) as error:
            raise RecipeError(f"{path} can't be read as text ({error}): a recipe is a YAML file in UTF-8") from None
    else:
        presets = preset_names()
        raise RecipeError(
            f"no recipe '{source}': it is neither a file nor one of the recipes that ship ({', '.join(presets)})."
            f"{did_you_mean(str(source), presets)}"
        )
    try:
        values = _parse(text)
    except ValueError as error:
        raise RecipeError(f"{source} isn't valid YAML: {error}") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise RecipeError(f"{source} holds a {type(values).__name__}: a recipe is a list of `name: value` lines")
    return values


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a text too long for a file name
        return False


def _set(values: dict[str, Any], keys: list[str], value: Any) -> None:
    for depth, key in enumerate(keys[:-1], start=1):
        inner = values.setdefault(key, {})
        if not isinstance(inner, dict):
            raise RecipeError(f"{'.'.join(keys)}: {'.'.join(keys[:depth])} is a value and has no parts")
        values = inner
    values[keys[-1]] = value


class _Loader(Loader):
    """As that, but a key given twice is refused: YAML would let the last one win in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        twice = [key for key in keys if keys.count(key) > 1]
        if twice:
            raise yaml.constructor.ConstructorError(None, None, f"'{twice[0]}' is given twice", node.start_mark)
        return super().construct_mapping(node, deep)


def _parse(text: str) -> Any:
    return parse_yaml(text, _Loader)


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
