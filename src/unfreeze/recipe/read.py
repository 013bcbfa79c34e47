"""Recipes from YAML files, presets and flags; all mistakes reported at once, each with the nearest name."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from unfreeze.errors import RecipeError, did_you_mean
from unfreeze.files import write_text
from unfreeze.recipe.recipe import Recipe

_PRESETS = resources.files("unfreeze.recipe") / "presets"
# PyYAML lets the ValueError of a date that doesn't exist through.
_NOT_YAML = (yaml.YAMLError, ValueError)


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
        found += _explain(error)
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
    except _NOT_YAML as error:
        raise RecipeError(f"--set {text}: the value can't be read as YAML ({_first_line(error)})") from None


def write_yaml(value: BaseModel, path: Path) -> None:
    """Writes a recipe or plan as YAML."""
    write_text(path, yaml.safe_dump(value.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=120))


def _load(source: str | Path) -> dict[str, Any]:
    path = Path(source)
    if str(source) in preset_names():
        text = (_PRESETS / f"{source}.yaml").read_text(encoding="utf-8")
    elif _is_file(path):
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise RecipeError(f"{path} can't be read as text ({error}): a recipe is a YAML file in UTF-8") from None
    else:
        presets = preset_names()
        raise RecipeError(
            f"no recipe '{source}': it is neither a file nor one of the recipes that ship ({', '.join(presets)})."
            f"{did_you_mean(str(source), presets)}"
        )
    try:
        values = _parse(text)
    except _NOT_YAML as error:
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


class _Loader(yaml.SafeLoader):
    """As the safe loader, but a key given twice is refused: YAML would let the last one win in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        twice = [key for key in keys if keys.count(key) > 1]
        if twice:
            raise yaml.constructor.ConstructorError(None, None, f"'{twice[0]}' is given twice", node.start_mark)
        return super().construct_mapping(node, deep)


def _parse(text: str) -> Any:
    return yaml.load(text, _Loader)


def _explain(error: ValidationError) -> list[str]:
    """One line per mistake: Pydantic has one per alternative it tried, of which several may stand at the same place."""
    places: dict[str, list[Any]] = {}
    for problem in error.errors():
        places.setdefault(".".join(_path(problem["loc"])), []).append(problem)
    # `class_weights: {cat: -1}` isn't 'balanced' either, which isn't what is wrong with it.
    return [
        _line(dotted, problems)
        for dotted, problems in places.items()
        if not (problems[0]["type"] == "literal_error" and any(other.startswith(f"{dotted}.") for other in places))
    ]


def _line(dotted: str, problems: list[Any]) -> str:
    problem, path = problems[0], _path(problems[0]["loc"])
    received = problem["input"]
    if problem["type"] == "extra_forbidden":
        known = _keys_at(path[:-1])
        listed = f" Known here: {', '.join(sorted(known))}."
        return f"{dotted}: there is no such key.{did_you_mean(path[-1], known) or listed}"
    if problem["type"] == "value_error":
        message = problem["msg"].removeprefix("Value error, ")
        return f"{dotted}: {message}" if dotted else message
    if problem["type"] == "model_type":
        where = f"{dotted} has parts: {', '.join(_keys_at(path))}" if dotted else "a recipe is `name: value` lines"
        return f"{where}. Received {received!r}."
    wanted = ", or ".join(_wanted(problem) for problem in problems)
    choices = [choice for problem in problems for choice in _choices(problem)]
    suggestion = did_you_mean(received, choices) if isinstance(received, str) else ""
    if problem["type"] == "string_type" and not isinstance(received, (list, dict, type(None))):
        suggestion = " Put it in quotes."  # YAML reads 7, 010, no and 2024-01-01 as something other than text
    return f"{dotted}: should be {wanted}, received {received!r}.{suggestion}"


def _wanted(problem: Any) -> str:
    """What would do, in the words of YAML rather than of Python."""
    text = str(problem["msg"]).removeprefix("Input should be ").replace("Keys should be strings", "a name")
    return text.replace("a valid tuple", "a list").replace("a valid dictionary", "`name: value` lines")


def _path(location: tuple[int | str, ...]) -> list[str]:
    """A location without what Pydantic adds to our keys: which alternative of a union it tried, and `[key]`."""
    model: Any = Recipe
    parts = list(location)
    path: list[str] = []
    while parts and model is not None and parts[0] in model.model_fields:
        annotation = model.model_fields[parts[0]].annotation
        path.append(str(parts.pop(0)))
        model = _section(annotation)
        alternatives = [kind for kind in get_args(annotation) if kind is not type(None)]
        if get_origin(annotation) in (Union, UnionType) and len(alternatives) > 1:
            parts = parts[1:]
    if len(parts) > 1 and parts[-1] == "[key]":
        parts.pop()
    return path + [str(part) for part in parts]


def _choices(problem: Any) -> list[str]:
    expected = str(problem.get("ctx", {}).get("expected", ""))
    return [word.strip("' ") for word in expected.replace(" or ", ",").split(",") if word.strip()]


def _keys_at(path: list[str]) -> list[str]:
    model: Any = Recipe
    for key in path:
        model = _section(model.model_fields[key].annotation)
    return list(model.model_fields)


def _section(annotation: Any) -> Any:
    """The section that a field holds, or None where it holds a value."""
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
